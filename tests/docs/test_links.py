"""Links between the pages lead somewhere in the repository too, where no site is built."""

import re
from functools import cache
from pathlib import Path

import pytest

from docs.made.parts import MARK, filled
from tests.docs.shown import PAGES, ROOT

_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@cache
def anchors(path: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub and the site make them."""
    text = path.read_text(encoding="utf-8")
    text = filled(text) if MARK.search(text) else text
    plain = (re.sub(r"[`*]", "", title).lower() for title in _HEADING.findall(text))
    return frozenset(re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_link_inside_the_repository_is_dead(page: Path) -> None:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(path), f"{page}: {link}"


def test_a_dead_anchor_is_seen() -> None:
    deployment = ROOT / "docs" / "deployment.md"
    assert "under-load" in anchors(deployment)
    assert "under-no-load" not in anchors(deployment)
    assert "xero" in anchors(ROOT / "docs" / "reference" / "mappings.md")
