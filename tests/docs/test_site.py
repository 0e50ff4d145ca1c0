"""The documentation site is built as `make docs` builds it, once (about 10 s), and looked at."""

import re
import subprocess
import sys
from pathlib import Path

from docs.made.parts import MARK, PARTS
from tests.docs.shown import ROOT

DOCS = ROOT / "docs"
# what a browser fetches by itself; links that a person follows may lead elsewhere
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object|link)\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*?"
    r"\b(?:src|href|data|srcset)=[\"'](?:https?:)?//[^\"']*[\"']",
    re.IGNORECASE,
)
FETCHED_BY_STYLE = re.compile(r"(?:url\(|@import\s)[\s\"']*(?:https?:)?//", re.IGNORECASE)


def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    command = ["-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html"]
    built = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, *command, "-d", str(tmp_path / "read"), str(DOCS), str(built)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr

    pages = sorted(built.rglob("*.html"))
    wanted = {path.relative_to(DOCS).with_suffix(".html") for path in pages_of_the_site()}
    assert wanted <= {page.relative_to(built) for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert FETCHED.findall(text) == [], page
        assert FETCHED_BY_STYLE.search(text) is None, page
        assert MARK.search(text) is None, f"{page}: a part that was not made"
    for style in built.rglob("*.css"):
        assert FETCHED_BY_STYLE.search(style.read_text(encoding="utf-8")) is None, style
    assert "puntuale_scores_age_days" in (built / "reference" / "metrics.html").read_text()


def test_what_a_browser_would_fetch_is_found() -> None:
    for text in (
        '<script src="https://cdn.example.com/x.js"></script>',
        "<link rel=stylesheet href='//fonts.example.com/css'>",
        '<img alt="a > b" src="http://example.com/a.png">',
    ):
        assert FETCHED.search(text), text
    assert FETCHED_BY_STYLE.search("src: url('https://fonts.example.com/a.woff2')")
    assert FETCHED.search('<a href="https://example.com/">') is None


def pages_of_the_site() -> list[Path]:
    beside = ("examples", "made")
    return [p for p in DOCS.rglob("*.md") if p.relative_to(DOCS).parts[0] not in beside]


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = re.findall(r"^- \[.+\]\((.+\.md)\)", (DOCS / "index.md").read_text(), re.MULTILINE)
    pages = {path.relative_to(DOCS).as_posix() for path in pages_of_the_site()} - {"index.md"}
    assert len(listed) == len(set(listed))
    assert set(listed) == pages, "a page of docs/ needs its line in docs/index.md"


def test_every_part_that_is_made_stands_on_one_page() -> None:
    asked = [name for path in pages_of_the_site() for name in MARK.findall(path.read_text())]
    assert sorted(asked) == sorted(PARTS)
