from datetime import UTC, date, datetime
from pathlib import Path

from pipelines import invented_sample
from pipelines.job import Job
from pipelines.settings import Settings

AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def settings(home: Path, **given: str) -> Settings:
    return Settings(_env_file=None, home=home, **given)  # type: ignore[arg-type]


def test_the_ledger_of_the_command_wins_over_that_of_the_settings(tmp_path: Path) -> None:
    job = Job.of(settings(tmp_path, ledger="theirs", mapping="xero"), at=AT, ledger="mine")

    assert (job.source, job.mapping, job.as_of) == ("mine", "xero", AT.date())


def test_without_any_ledger_the_invented_one_is_used_as_of_its_own_day(tmp_path: Path) -> None:
    job = Job.of(settings(tmp_path, mapping="xero"), at=AT)

    assert job.source == str(tmp_path / "sample")
    assert (job.mapping, job.as_of) == (None, invented_sample.AS_OF)
    assert {p.stem for p in (tmp_path / "sample").iterdir()} >= {"invoices", "payments"}


def test_the_invented_ledger_is_written_once(tmp_path: Path) -> None:
    first = invented_sample.folder(tmp_path)
    before = (first / "invoices.parquet").stat().st_mtime_ns

    assert invented_sample.folder(tmp_path) == first
    assert (first / "invoices.parquet").stat().st_mtime_ns == before


def test_a_day_still_to_come_may_be_asked_about(tmp_path: Path) -> None:
    later = Job.of(settings(tmp_path, ledger="x"), at=AT, as_of=date(2027, 1, 1))
    earlier = Job.of(settings(tmp_path, ledger="x"), at=AT, as_of=date(2018, 5, 1))

    assert later.today == date(2027, 1, 1)
    assert earlier.today == AT.date()
