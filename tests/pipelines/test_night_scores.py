"""A night in partitions: the bits of one piece, in processes, on Dask, and when a worker dies."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines import buckets, night, night_scores, reading, workers
from pipelines.job import Job
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests import small_company
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 5, tzinfo=UTC)
pytestmark = small_company.QUIET_MLFLOW


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small company's ledger in some thirty buckets, a few of which are scored at a time."""
    monkeypatch.setattr(buckets, "A_BUCKET", 100)
    monkeypatch.setattr(night_scores, "INVOICES_AT_ONCE", 400)


@pytest.fixture(scope="module")
def in_one_piece(tmp_path_factory: pytest.TempPathFactory) -> night.Scored:
    return scored(company(tmp_path_factory.mktemp("one")))


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with workers.local_cluster(2) as address:
        yield address


def company(home: Path, **given: object) -> Settings:
    settings = small_company.settings(home, **given)
    small_company.crowned(settings)
    return settings


def scored(settings: Settings) -> night.Scored:
    job = Job.of(settings, at=AT, as_of=AS_OF)
    return night.score(job, reading.read(job), night.champion(settings))


def assert_same_bits(found: night.Scored, expected: night.Scored) -> None:
    for name in ("scores", "plan", "advised"):
        assert getattr(found, name).equals(getattr(expected, name)), name
    assert found.summary == expected.summary
    assert found.forecast.shocks == expected.forecast.shocks
    assert found.forecast.cash.low_cents.tolist() == expected.forecast.cash.low_cents.tolist()
    assert found.forecast.cash.high_cents.tolist() == expected.forecast.cash.high_cents.tolist()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.usefixtures("in_parts")
def test_partitions_have_the_bits_of_one_piece(
    processes: int, in_one_piece: night.Scored, tmp_path: Path
) -> None:
    settings = company(tmp_path, feature_workers=processes)
    assert_same_bits(scored(settings), in_one_piece)
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.usefixtures("in_parts")
def test_a_night_on_dask_whose_worker_is_killed_is_that_of_one_process(
    cluster: str, tmp_path: Path
) -> None:
    alone, on_dask = (
        company(tmp_path / name, dask_scheduler=scheduler, feature_workers=1)
        for name, scheduler in (("alone", None), ("dask", cluster))
    )
    with workers.client(cluster) as client:
        (first, *_) = client.run(os.getpid).values()
    killed = threading.Event()

    def kill() -> None:
        while not list((tmp_path / "dask" / "work").glob("*/*.arrow")):
            time.sleep(0.002)
        os.kill(first, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    for settings in (on_dask, alone):
        night.run(Job.of(settings, at=AT, as_of=AS_OF))

    assert killed.is_set()
    one, other = (ScoreStore(of.scores_folder).current() for of in (alone, on_dask))
    assert one is not None
    assert other is not None
    assert other.manifest["files"] == one.manifest["files"]
    assert other.manifest["facts"] == one.manifest["facts"]
