from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))
LONGEST_S = 120


@pytest.fixture(autouse=True)
def _modern_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # jupyter warns of its old folders otherwise
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")


def test_every_notebook_has_its_text_beside_it() -> None:
    assert SOURCES
    assert {p.stem for p in SOURCES} == {p.stem for p in NOTEBOOKS.glob("*.ipynb")}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_equals_its_text_and_keeps_no_outputs(source: Path) -> None:
    text, notebook = (jupytext.read(path) for path in (source, source.with_suffix(".ipynb")))
    assert [(c.cell_type, c.source) for c in notebook.cells] == [
        (c.cell_type, c.source) for c in text.cells
    ], f"run: jupytext --to ipynb {source.name}"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_imports_and_does_not_define(source: Path) -> None:
    lines = source.read_text().splitlines()
    assert not [line for line in lines if line.startswith(("def ", "class "))]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(source: Path) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    client = NotebookClient(
        notebook, timeout=LONGEST_S, resources={"metadata": {"path": str(NOTEBOOKS)}}
    )
    done = client.execute()
    shown = [out for cell in done.cells for out in cell.get("outputs", [])]
    assert shown
    assert not [out for out in shown if out.get("name") == "stderr"], "warnings are shown to no one"
