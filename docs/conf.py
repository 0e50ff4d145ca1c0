"""The documentation site: `make docs` builds it below build/docs; nothing is fetched.

The pages are plain Markdown that reads without a site as well. Two things are added while it is
built: the parts that are made from the product (`docs/made/`), and the table of contents, which is
the list in `docs/index.md`.
"""

import re
import sys
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from docs.made.parts import filled  # noqa: E402 - the path above is needed first

project = "Puntuale"
version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser"]
exclude_patterns = ["examples", "made"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"Puntuale {version}"
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}

# What lies beside docs/ in the repository, and the page of the site that says the same.
BESIDE = {
    "../data/README.md": "dictionary.md",
    "../.env.example": "reference/settings.md",
}
_ENTRY = re.compile(r"^- \[[^]]+\]\(([^)#]+)\.md\)", re.MULTILINE)


def read(_: Sphinx, name: str, source: list[str]) -> None:
    """A page as the site shows it."""
    page = filled(source[0])
    for path, instead in BESIDE.items():
        page = page.replace(f"]({path}", f"]({instead}")
    source[0] = with_contents(page) if name == "index" else page


def with_contents(page: str) -> str:
    """The first page with a table of contents: each list of links under a heading is a part."""
    parts = []
    for title, text in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", page, re.MULTILINE):
        if entries := _ENTRY.findall(text):
            parts.append(
                "\n".join([f"```{{toctree}}\n:hidden:\n:caption: {title}\n", *entries, "```"])
            )
    return "\n\n".join([page, *parts]) + "\n"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", read)
    return {"parallel_read_safe": False}
