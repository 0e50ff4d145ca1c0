"""Monitoring: quiet while nothing has changed, and a finding for each thing that has."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models import bundle
from models.bundle import Bundle
from pipelines import monitoring, night, reading, retraining
from pipelines.findings import Health
from pipelines.job import Job
from pipelines.ledger import Ledger
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from pipelines.track_record import FOLDER
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)
LEARNED = date(2026, 2, 1)  # what the model below believes to have been its cut-off


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = small_company.settings(tmp_path_factory.mktemp("home"), rows_change_max=10.0)
    small_company.crowned(settings)
    return settings


@pytest.fixture(scope="module")
def job(settings: Settings) -> Job:
    return Job.of(settings, at=AT, as_of=AS_OF)


@pytest.fixture(scope="module")
def ledger(job: Job) -> Ledger:
    return reading.read(job).ledger


@pytest.fixture(scope="module")
def model(settings: Settings) -> Bundle:
    return night.champion(settings)


@pytest.fixture(scope="module")
def nights(job: Job, settings: Settings) -> ScoreStore:
    """Two nights of spring, whose predictions have matured by summer."""
    for day in (date(2026, 4, 1), date(2026, 4, 2)):
        night.run(replace(job, as_of=day))
    return ScoreStore(settings.scores_folder)


@pytest.fixture(autouse=True, scope="module")
def _mlflow_state_ends_with_the_tests() -> Iterator[None]:
    yield
    import sys

    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


def aged(model: Bundle, cut_off: date) -> Bundle:
    facts = {**model.manifest.facts, "cut_off": cut_off.isoformat()}
    return replace(model, manifest=replace(model.manifest, facts=facts))


def believing(model: Bundle, **usual: object) -> Bundle:
    """The model with other ideas of what the portfolio usually looks like."""
    facts = dict(model.model.facts)
    facts["usual_portfolio"] = {**facts["usual_portfolio"], **usual}
    return replace(model, model=replace(model.model, facts=facts))


def codes(health: Health) -> set[str]:
    return {finding.code for finding in health.findings}


def checked(ledger: Ledger, model: Bundle, at: Path, as_of: date = AS_OF) -> Health:
    return monitoring.check(ledger, as_of, model, ScoreStore(at))


def test_the_day_after_training_there_is_nothing_to_report(
    ledger: Ledger, model: Bundle, tmp_path: Path
) -> None:
    health = checked(ledger, model, tmp_path)

    assert health.findings == ()
    assert not health.retrain
    assert health.lines() == ()


def test_a_model_that_has_learned_nothing_for_a_quarter_is_stale_since_that_day(
    ledger: Ledger, model: Bundle, tmp_path: Path
) -> None:
    health = checked(ledger, aged(model, LEARNED), tmp_path)
    (found,) = [f for f in health.findings if f.code == "stale_model"]

    assert (found.value, found.expected) == (150.0, 92.0)
    assert found.since == LEARNED + timedelta(days=93)
    assert health.retrain
    assert health.lines()[-1] == "training again is advised: puntuale monitor --retrain"


def test_earlier_nights_are_compared_with_what_came(
    ledger: Ledger, model: Bundle, nights: ScoreStore
) -> None:
    health = monitoring.check(ledger, AS_OF, model, nights)

    assert "p_late_0" in {row.horizon for row in health.matured}
    assert all(row.rows >= monitoring.LEAST_ROWS for row in health.matured)
    assert all(0 <= row.came <= 1 and 0 < row.said < 1 for row in health.matured)
    first = nights.snapshot(nights.names()[0]).rows
    assert max(row.rows for row in health.matured) < 1.1 * first  # each invoice once


def test_nights_whose_snapshots_have_gone_are_still_compared(
    ledger: Ledger, model: Bundle, nights: ScoreStore, tmp_path: Path
) -> None:
    shutil.copytree(nights.root / FOLDER, tmp_path / FOLDER)
    gone = ScoreStore(tmp_path)

    assert gone.names() == []
    assert (
        monitoring.check(ledger, AS_OF, model, gone).matured
        == monitoring.check(ledger, AS_OF, model, nights).matured
    )


def test_a_young_model_is_told_of_by_the_words_of_those_before_it(
    ledger: Ledger, model: Bundle, nights: ScoreStore
) -> None:
    own = monitoring.check(ledger, AS_OF, model, nights)
    young = monitoring.check(ledger, AS_OF, replace(model, version="young"), nights)

    assert {row.said_by for row in own.matured} == {model.version}
    assert {row.said_by for row in young.matured} == {monitoring.ANY_MODEL}
    assert "calibration_drift" not in codes(young)


def test_what_was_not_known_by_the_day_is_not_judged(
    ledger: Ledger, model: Bundle, nights: ScoreStore
) -> None:
    assert monitoring.check(ledger, date(2026, 4, 3), model, nights).matured == ()
    later = ledger.known_before((AS_OF - date(1970, 1, 1)).days - 30)
    as_of = AS_OF - timedelta(days=30)

    assert monitoring.check(later, as_of, model, nights) == monitoring.check(
        ledger, as_of, model, nights
    )


def test_probabilities_that_were_too_low_are_a_calibration_drift(
    ledger: Ledger, model: Bundle, nights: ScoreStore, tmp_path: Path
) -> None:
    old = nights.snapshot(nights.names()[0]).scores()
    for name in ("p_late_0", "p_late_30", "p_late_60", "p_late_90", "p_unpaid_180"):
        bent = pc.multiply(old[name], 0.2)
        at_risk = pc.if_else(pc.equal(old[name], 1.0), old[name], bent)  # its day had passed
        old = old.set_column(old.schema.get_field_index(name), name, at_risk)
    with ScoreStore(tmp_path).writing() as lock:
        ScoreStore(tmp_path).publish(date(2026, 4, 1), old, run=lock)
    health = checked(ledger, model, tmp_path)
    found = next(f for f in health.findings if f.code == "calibration_drift")

    assert found.high < -monitoring.CALIBRATION
    assert found.about.startswith("p_late_")
    assert "more invoices stay unpaid than is said" in found.advice
    assert health.retrain


def test_more_late_invoices_than_in_training_are_a_drift_of_the_base_rate(
    ledger: Ledger, model: Bundle, tmp_path: Path
) -> None:
    rates = {"p_late_0": {"share": 0.05, "apart": 0.02, "rows": 1000}}
    health = checked(ledger, believing(aged(model, date(2026, 4, 15)), rates=rates), tmp_path)
    (found,) = [f for f in health.findings if f.code == "base_rate_drift"]

    assert found.low > 0.08
    assert found.expected == 0.05
    assert "more invoices are unpaid" in found.advice


def test_a_feature_that_is_spread_otherwise_than_in_training_is_named(
    ledger: Ledger, model: Bundle, tmp_path: Path
) -> None:
    moved = {"edges": [1e6, 2e6], "shares": [0.1, 0.1, 0.8, 0.0], "apart": 0.1}
    health = checked(ledger, believing(model, features={"delay_mean": moved}), tmp_path)
    (found,) = health.findings

    assert (found.code, found.about) == ("feature_drift", "delay_mean")
    assert found.low > found.expected == 0.25


def test_a_column_that_has_gone_is_an_alert_and_nothing_is_to_be_learned_from_the_rest(
    ledger: Ledger, model: Bundle, tmp_path: Path
) -> None:
    invoices = ledger.invoices
    at = invoices.schema.get_field_index("company_code")
    gone = pa.nulls(invoices.num_rows, pa.string())
    tables = {**ledger.tables(), "invoices": invoices.set_column(at, "company_code", gone)}
    blind = Ledger(**tables)
    health = checked(blind, aged(model, LEARNED), tmp_path)

    assert health.findings[0].code == "missing_inputs"
    assert "check the extract" in health.findings[0].advice
    assert "peer_late0_company" in health.lost_inputs
    assert "stale_model" in codes(health)
    assert not health.retrain


def test_a_finding_keeps_the_night_that_found_it_first(
    ledger: Ledger, model: Bundle, nights: ScoreStore, tmp_path: Path
) -> None:
    moved = {"edges": [1e6, 2e6], "shares": [0.1, 0.1, 0.8, 0.0], "apart": 0.1}
    other = believing(model, features={"delay_mean": moved})
    eve = AS_OF - timedelta(days=1)
    health = checked(ledger, other, tmp_path, as_of=eve)
    scores = nights.snapshot(nights.names()[0]).scores()
    at = scores.schema.get_field_index("as_of")
    days = pa.array(np.full(scores.num_rows, (eve - date(1970, 1, 1)).days, np.int32), pa.date32())
    with ScoreStore(tmp_path).writing() as lock:
        told = {"health": health.facts()}
        scores = scores.set_column(at, "as_of", days)
        ScoreStore(tmp_path).publish(eve, scores, run=lock, facts=told)

    (found,) = checked(ledger, other, tmp_path).findings
    assert found.since == eve


def test_a_night_keeps_the_models_health_beside_its_scores(job: Job, nights: ScoreStore) -> None:
    told = nights.snapshot(nights.names()[0]).manifest["facts"]["health"]

    assert told["as_of"] == "2026-04-01"
    assert told["findings"] == []
    assert told["retrain"] is False


def test_retraining_trains_only_where_it_is_advised(job: Job, settings: Settings) -> None:
    before = bundle.champion_version(settings.models_folder)
    told = retraining.run(job)

    assert (told.health.retrain, told.trained) == (False, None)
    assert bundle.champion_version(settings.models_folder) == before


def test_a_stale_model_is_trained_again_and_judged(
    job: Job, settings: Settings, monkeypatch: pytest.MonkeyPatch, model: Bundle
) -> None:
    monkeypatch.setattr(night, "champion", lambda settings: aged(model, LEARNED))
    looked = retraining.run(job, trains=False)
    told = retraining.run(job)

    assert (looked.health.retrain, looked.trained) == (True, None)
    assert told.trained is not None
    assert told.trained.cut_off == AS_OF
