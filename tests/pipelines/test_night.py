from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from models import bundle
from models.bundle import BundleRefused
from pipelines import (
    invented_sample,
    kpis,
    night,
    night_changes,
    portfolio_risk,
    reading,
    scoring,
)
from pipelines.gate import PublishRefused
from pipelines.job import Job, day_number
from pipelines.kept_ledgers import KeptLedgers
from pipelines.kpi_record import KpiRecord
from pipelines.night import Night, NoModelYet
from pipelines.reading import TooMuchQuarantined
from pipelines.records import alerts
from pipelines.records.database import open_database
from pipelines.settings import Settings
from pipelines.sources import Intake
from pipelines.store import ScoreStore
from tests import small_company
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    settings = Settings(_env_file=None, home=home, ledger=str(small_company.ledger_folder()))
    small_company.crowned(settings)
    return settings


@pytest.fixture(scope="module")
def job(settings: Settings) -> Job:
    return Job.of(settings, at=AT, as_of=AS_OF)


@pytest.fixture(scope="module")
def published(job: Job) -> Night:
    return night.run(job)


@pytest.fixture(scope="module")
def intake(job: Job) -> Intake:
    return reading.read(job)


def test_a_night_scores_every_open_invoice_once_and_publishes_it(
    settings: Settings, job: Job, published: Night, intake: Intake
) -> None:
    snapshot = ScoreStore(settings.scores_folder).current()
    assert snapshot is not None
    expected = night.portfolio(intake.ledger, as_of=AS_OF)

    assert published.is_new
    assert (snapshot.name, snapshot.as_of) == (published.snapshot, AS_OF)
    assert snapshot.rows == len(expected.invoice_ids) == published.invoices > 100
    assert snapshot.manifest["sums"]["open_cents"] == expected.exposure_cents
    assert sum(published.by_band.values()) == published.invoices
    assert sum(published.by_action.values()) == snapshot.count_plan()


def test_the_manifest_says_which_ledger_and_which_model_answered(
    settings: Settings, published: Night
) -> None:
    facts = ScoreStore(settings.scores_folder).snapshot(published.snapshot).manifest["facts"]

    assert facts["computed_at"] == "2026-07-01T02:00:00+00:00"
    assert facts["currency"] == "EUR"
    assert facts["model_files"] == dict(bundle.check(small_company.trained_bundle()).files)


def test_the_night_keeps_the_ledger_that_it_read(
    settings: Settings, published: Night, intake: Intake
) -> None:
    kept = KeptLedgers(settings.ledgers_folder)
    snapshot = ScoreStore(settings.scores_folder).snapshot(published.snapshot)
    row = snapshot.worklist(limit=1)[0]

    assert kept.names() == [snapshot.manifest["facts"]["ledger"]]
    own = kept.of_customer(kept.names()[0], row["customer_id"])
    model = bundle.champion(settings.models_folder)
    assert model is not None
    again = scoring.score(own, day_number(AS_OF), model, invoices=[row["invoice_id"]])
    assert again.to_pylist() == [row]


def test_the_manifest_says_which_causes_make_the_portfolios_risk(
    settings: Settings, published: Night
) -> None:
    snapshot = ScoreStore(settings.scores_folder).snapshot(published.snapshot)
    risk = snapshot.manifest["facts"]["risk"]

    assert risk == portfolio_risk.risk_of(snapshot.scores())
    assert risk["value_at_risk_cents"] == published.value_at_risk_cents
    assert snapshot.manifest["facts"]["risk_before"] is None
    assert portfolio_risk.night_before(ScoreStore(settings.scores_folder), AS_OF) is None
    after = AS_OF + timedelta(days=1)
    before = portfolio_risk.night_before(ScoreStore(settings.scores_folder), after)
    assert before is not None
    assert (before["as_of"], before["risk"]) == (AS_OF.isoformat(), risk)
    store = ScoreStore(settings.scores_folder)
    assert portfolio_risk.night_before(store, after, is_invented=True) is None
    told = night_changes.since_last(store, after, snapshot.scores(), None, is_invented=True)
    assert told is None, "the sample's nights are not a company's past, nor the other way round"


def test_the_same_night_again_changes_no_byte(
    settings: Settings, job: Job, published: Night
) -> None:
    before = _files(settings.scores_folder)
    again = night.run(replace(job, at=AT + timedelta(hours=1)))

    assert again == replace(published, is_new=False)
    assert _files(settings.scores_folder) == before


def test_the_numbers_are_those_of_the_one_scoring_path_to_the_bit(
    settings: Settings, job: Job, published: Night, intake: Intake
) -> None:
    scored = night.score(job, intake, night.champion(settings))
    direct = scored.scores.sort_by("invoice_id")
    stored = ScoreStore(settings.scores_folder).snapshot(published.snapshot)

    assert stored.scores().equals(direct)
    assert stored.plan_table().equals(scored.plan)
    row = direct.slice(7, 1).to_pylist()[0]
    assert repr(stored.get_invoice(row["invoice_id"])) == repr(row)  # NaN is not equal to itself


def test_the_samples_figures_are_not_kept_as_the_past_of_the_company_that_comes_after(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    tried = Settings(_env_file=None, home=home)
    small_company.crowned(tried)
    invented_sample.place(home).symlink_to(small_company.ledger_folder())
    invented = Job.of(tried, at=AT, as_of=AS_OF)

    assert invented.is_invented
    night.run(invented)
    assert not KpiRecord(ScoreStore(tried.scores_folder)).read()


def test_no_model_means_no_night_and_says_how_to_get_one(tmp_path: Path) -> None:
    empty = Settings(_env_file=None, home=tmp_path, ledger=str(small_company.ledger_folder()))

    with pytest.raises(NoModelYet, match="puntuale train"):
        night.run(Job.of(empty, at=AT, as_of=AS_OF))


def test_a_damaged_champion_publishes_nothing(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path, ledger=str(small_company.ledger_folder()))
    version = small_company.crowned(settings)
    (settings.models_folder / version / "model.txt").write_text("tree\n")

    with pytest.raises(BundleRefused, match=r"model\.txt"):
        night.run(Job.of(settings, at=AT, as_of=AS_OF))
    assert ScoreStore(settings.scores_folder).names() == []


def test_too_many_wrong_rows_stop_the_night_and_the_old_scores_stay(
    settings: Settings, job: Job, published: Night, tmp_path: Path
) -> None:
    files = tmp_path / "ledger"
    files.mkdir()
    for path in small_company.ledger_folder().iterdir():
        table = pq.read_table(path)
        if path.stem == "invoices":
            wrong = pc.equal(pc.binary_length(table["invoice_id"]), -1)
            wrong = pc.less(pc.rank(table["invoice_id"]), table.num_rows // 5)
            owner = pc.if_else(wrong, None, table["customer_id"])
            table = table.set_column(
                table.schema.get_field_index("customer_id"), "customer_id", owner
            )
        pq.write_table(table, files / path.name)

    with pytest.raises(TooMuchQuarantined, match="invoices: .* rows in quarantine, at most 5"):
        night.run(replace(job, source=str(files)))
    assert ScoreStore(settings.scores_folder).current_name() == published.snapshot


def test_scores_that_leave_an_open_invoice_out_are_not_published(
    settings: Settings, job: Job, published: Night, intake: Intake
) -> None:
    model = night.champion(settings)
    scored = night.score(job, intake, model)
    short = scored._replace(scores=scored.scores[1:])

    with ScoreStore(settings.scores_folder).writing() as lock:
        with pytest.raises(PublishRefused, match="1 invoices are open and have no score"):
            night.publish(job, intake, short, model=model, lock=lock)
    assert ScoreStore(settings.scores_folder).current_name() == published.snapshot


def test_a_plan_that_leaves_a_customer_out_is_not_published(
    settings: Settings, job: Job, published: Night, intake: Intake
) -> None:
    model = night.champion(settings)
    scored = night.score(job, intake, model)
    short = scored._replace(plan=scored.plan[1:])

    with ScoreStore(settings.scores_folder).writing() as lock:
        with pytest.raises(PublishRefused, match="1 customers have open invoices and no place"):
            night.publish(job, intake, short, model=model, lock=lock)
    assert ScoreStore(settings.scores_folder).current_name() == published.snapshot


def test_the_manifest_says_by_which_policy_was_planned_and_how_much_of_the_day_is_used(
    settings: Settings, published: Night
) -> None:
    snapshot = ScoreStore(settings.scores_folder).snapshot(published.snapshot)
    noted, rows = snapshot.manifest["facts"]["plan"], snapshot.plan(limit=1000)

    assert "plan.parquet" in snapshot.manifest["files"]
    assert {row["policy_version"] for row in rows} == {noted["policy_version"]}
    assert noted["contacted"] == sum(row["code"] != "wait" for row in rows) > 0
    assert noted["worth_cents"] == sum(row["expected_value_cents"] for row in rows)
    assert noted["worth_cents"] <= noted["bound_cents"]
    assert all(used["used"] <= used["limit"] for used in noted["capacity"].values())
    waits = [row["code"] == "wait" for row in rows]
    assert waits == sorted(waits)
    assert snapshot.get_contact(rows[0]["customer_id"]) == rows[0]


def test_the_summary_fits_a_table(published: Night) -> None:
    summary = {row["what"]: row["value"] for row in night.summary(published)}

    assert summary["open invoices"] == published.invoices
    assert summary["as of"] == "2026-07-01"


def test_days_are_counted_from_1970() -> None:
    assert day_number(AS_OF) == 20_635


def _files(root: Path) -> dict[str, bytes]:
    paths = (p for p in root.rglob("*") if p.is_file() and p.name != "RUN")
    return {str(p.relative_to(root)): p.read_bytes() for p in paths}


def test_a_night_notes_its_kpis_and_raises_its_alerts_once(
    settings: Settings, job: Job, published: Night, intake: Intake
) -> None:
    snapshot = ScoreStore(settings.scores_folder).snapshot(published.snapshot)
    noted = snapshot.manifest["facts"]["kpis"]
    assert noted["now"] == kpis.of(intake.ledger, day_number(AS_OF))
    assert noted["now"]["receivables_cents"] == published.open_cents
    assert len(noted["history"]) == 12

    database = open_database(settings.records_url)
    with database.reading() as connection:
        raised = alerts.page(connection, today=AS_OF, limit=10_000)
    database.close()
    assert len(raised) == len(alerts.standing_in(snapshot.scores())) > 0
    night.run(job)
    assert alerts.of_night(settings.records_url, snapshot, at=AT) == []
