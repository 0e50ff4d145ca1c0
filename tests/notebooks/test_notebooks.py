"""The notebooks are their texts, keep no outputs, define nothing, and run from top to bottom."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.util import run_sync
from nbformat.v4 import new_code_cell

from tests import small_company

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))
LONGEST_S = 120


@pytest.fixture(autouse=True, scope="module")
def _modern_paths() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")  # jupyter warns of its old folders otherwise
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        yield


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncKernelManager]:
    """One kernel, so that libraries are loaded once, in a home whose sample is a small company."""
    home = small_company.settings(tmp_path_factory.mktemp("home")).home
    shutil.copytree(small_company.ledger_folder(), home / "sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(NOTEBOOKS.parent))  # these sources, wherever they are
        patch.setenv("PUNTUALE_HOME", str(home))
        patch.delenv("PUNTUALE_LEDGER", raising=False)
        manager = AsyncKernelManager(kernel_name="python3")
        run_sync(manager.start_kernel)(cwd=str(NOTEBOOKS))
        yield manager
        run_sync(manager.shutdown_kernel)(now=True)


def test_every_notebook_has_its_text_beside_it() -> None:
    assert [p.stem[:2] for p in SOURCES] == [f"{n:02}" for n in range(1, len(SOURCES) + 1)]
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
def test_a_notebook_runs_from_top_to_bottom(source: Path, kernel: AsyncKernelManager) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    notebook.cells.insert(0, new_code_cell("%reset -f"))  # nothing is left of the one before
    client = NotebookClient(notebook, km=kernel, timeout=LONGEST_S)
    done = client.execute(cleanup_kc=False)
    client.kc.stop_channels()
    shown = [out for cell in done.cells for out in cell.get("outputs", [])]
    assert shown
    assert not [out for out in shown if out.get("name") == "stderr"], "warnings are shown to no one"
