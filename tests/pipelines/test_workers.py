import sys
from pathlib import Path

import pytest
from dying_tasks import DiesOf

from pipelines.workers import WorkersDied, crew


def test_a_killed_process_is_replaced_and_every_item_is_done(tmp_path: Path) -> None:
    with crew(workers=2) as do:
        assert do(DiesOf(tmp_path, 3), range(6)) == [0, 1, 4, 9, 16, 25]
    assert (tmp_path / "died-of-3").exists()


def test_an_item_that_kills_every_worker_is_named_with_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(WorkersDied, match="such as 1; use fewer workers or more partitions"),
        crew(workers=2) as do,
    ):
        do(DiesOf(tmp_path, 1, always=True), range(2))


def test_one_worker_is_this_very_process(tmp_path: Path) -> None:
    with crew() as do:
        assert do(DiesOf(tmp_path, -1), [2, 3]) == [4, 9]


def test_workers_must_be_at_least_one() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, got: 0"), crew(workers=0):
        pass


def test_without_dask_the_error_tells_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    with (
        pytest.raises(ModuleNotFoundError, match=r"pip install 'puntuale\[dask\]'"),
        crew(scheduler="tcp://127.0.0.1:1"),
    ):
        pass
