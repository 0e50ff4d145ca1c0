import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import gate, missed_nights, night, night_changes, rehearsal
from pipelines.gate import PublishRefused
from pipelines.job import Job
from pipelines.records import alerts
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from tests import small_company
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)
FIRST = AS_OF - timedelta(days=3)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(_env_file=None, home=home, ledger=str(small_company.ledger_folder()))
    small_company.crowned(settings)
    return Job.of(settings, at=AT, as_of=AS_OF)


@pytest.fixture(scope="module")
def first(job: Job) -> Job:
    """The job, three nights ago, done."""
    then = replace(job, as_of=FIRST)
    night.run(then)
    return then


def _files(root: Path) -> dict[str, str]:
    found = (p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def _rehearsed(job: Job) -> tuple[rehearsal.Rehearsal, bool]:
    before = _files(job.settings.home)
    told = rehearsal.run(job)
    return told, _files(job.settings.home) == before


def test_a_dry_run_says_what_the_night_then_does_and_keeps_nothing(job: Job, first: Job) -> None:
    told, kept_nothing = _rehearsed(job)
    store = ScoreStore(job.settings.scores_folder)
    with_before = store.snapshot(told.replaces or "")

    assert kept_nothing
    assert told.is_new
    assert told.changes is not None
    assert told.changes.before == FIRST

    done = night.run(job)
    after = store.snapshot(done.snapshot)
    then, now = (set(s.scores()["invoice_id"].to_pylist()) for s in (with_before, after))
    raised = alerts.raised_on(job.settings.records_url, AS_OF)
    assert (told.snapshot, told.open_cents) == (done.snapshot, done.open_cents)
    assert (told.changes.new_invoices, told.changes.gone_invoices) == (
        len(now - then),
        len(then - now),
    )
    assert told.changes.new_invoices > 0
    assert told.new_alerts == len(raised)
    assert told.changes == night_changes.between(with_before, after.scores(), after.plan_table())
    again, kept_nothing = _rehearsed(job)
    assert kept_nothing
    assert (again.is_new, again.new_alerts) == (False, 0)


def test_a_past_night_that_is_run_again_has_the_same_bits(job: Job, first: Job) -> None:
    store = ScoreStore(job.settings.scores_folder)
    names = store.names()
    kept = _files(store.root / names[0])

    again = night.run(first)

    assert (again.is_new, again.snapshot) == (False, names[0])
    assert _files(store.root / names[0]) == kept
    assert store.names() == names


def test_missed_nights_are_made_up_in_order_as_they_would_have_been(tmp_path: Path) -> None:
    homes = [tmp_path / "missed", tmp_path / "never_missed"]
    told = []
    for home, is_caught_up in zip(homes, (True, False), strict=True):
        settings = Settings(_env_file=None, home=home, ledger=str(small_company.ledger_folder()))
        small_company.crowned(settings)
        job = Job.of(settings, at=AT, as_of=AS_OF)
        night.run(replace(job, as_of=AS_OF - timedelta(days=2)))
        if is_caught_up:
            nights, notes = missed_nights.catch_up(job)
            assert notes == []
            assert [n.as_of for n in nights] == [AS_OF - timedelta(days=1), AS_OF]
        else:
            night.run(replace(job, as_of=AS_OF - timedelta(days=1)))
            night.run(job)
        told.append(_files(settings.scores_folder))
        assert ScoreStore(settings.scores_folder).current_name()[:10] == AS_OF.isoformat()  # type: ignore[index]
    assert told[0] == told[1]


def test_at_most_so_many_nights_are_made_up_the_newest(job: Job, first: Job) -> None:
    later = replace(job, as_of=AS_OF + timedelta(days=5))

    days, left_out = missed_nights.days(later, most=2)
    assert days == [AS_OF + timedelta(days=4), AS_OF + timedelta(days=5)]
    assert left_out + len(days) == (later.as_of - _last(job)).days
    assert missed_nights.days(replace(job, as_of=_last(job))) == ([_last(job)], 0)


def test_before_the_first_night_nothing_was_missed(tmp_path: Path) -> None:
    job = Job.of(Settings(_env_file=None, home=tmp_path, ledger="x"), at=AT, as_of=AS_OF)
    assert missed_nights.days(job) == ([AS_OF], 0)


def test_a_past_day_that_is_refused_holds_no_later_one_up_and_is_told(
    job: Job, first: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = replace(job, as_of=_last(job) + timedelta(days=2))
    checked, refused = gate.check, later.as_of - timedelta(days=1)

    def check(*given: object, as_of: date, **named: object) -> None:
        if as_of == refused:
            raise PublishRefused("half of the invoices are gone")
        checked(*given, as_of=as_of, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(gate, "check", check)
    nights, notes = missed_nights.catch_up(later)
    assert [n.as_of for n in nights] == [later.as_of]
    assert notes == [f"the night of {refused} is left out: half of the invoices are gone"]

    refused = later.as_of + timedelta(days=1)
    with pytest.raises(PublishRefused):
        missed_nights.catch_up(replace(later, as_of=refused))


def test_today_is_the_companys_day_when_greenwich_is_behind() -> None:
    at = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)  # half past one in Rome
    job = Job.of(Settings(_env_file=None, ledger="x"), at=at)

    assert job.as_of == job.today == date(2026, 7, 1)


def _last(job: Job) -> date:
    return date.fromisoformat(ScoreStore(job.settings.scores_folder).names()[-1][:10])
