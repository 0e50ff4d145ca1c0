"""Figures that a page takes over from another one are still the figures of that page."""

import re

import pytest

from tests.docs.shown import ROOT

DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table_after(text: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    lines = text.partition(f"\n## {heading}\n")[2].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    last = next((i for i, line in enumerate(lines) if i > first and not line.startswith("|")), None)
    return [[c.strip() for c in line.strip("|").split("|")] for line in lines[first + 2 : last]]


def numbers(text: str) -> list[str]:
    """Numbers as they are written; single digits are words more than figures."""
    found: list[str] = re.findall(r"(?<![\w.])\.?\d[\d,.]*\d", text)
    return found


def test_the_sizing_table_has_the_figures_of_the_benchmarks() -> None:
    rows = table_after(page("operations.md"), "Sizing")
    measured = [number for row in rows for number in numbers(row[1])]
    benchmarks = set(numbers(page("benchmarks.md")))
    assert len(measured) > 10
    assert [number for number in measured if number not in benchmarks] == []


@pytest.mark.parametrize("heading", ["Why the blend", "How good it is, and how good it is not"])
def test_the_model_s_page_has_the_figures_of_the_decisions(heading: str) -> None:
    rows = table_after(page("model.md"), heading)
    told = [number for row in rows for number in numbers(" ".join(row))]
    decided = set(numbers(page("decisions.md")))
    assert len(told) > 10
    assert [number for number in told if number not in decided] == []


def test_every_benchmark_that_make_knows_has_its_line() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^(bench-[\w-]+):", makefile, re.MULTILINE)
    first_table = page("benchmarks.md").partition("\n## ")[0]
    assert len(targets) >= 5
    assert [name for name in targets if f"`make {name}`" not in first_table] == []
    scripts = re.findall(r"tests/benchmarks/\w+\.py", first_table)
    assert [name for name in scripts if not (ROOT / name).exists()] == []
