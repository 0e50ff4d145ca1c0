from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.fitting import NotEnoughHistory
from pipelines import matured_window, promotion, sources, tuning
from pipelines.contest import CHALLENGER, CHAMPION, Contest
from pipelines.job import Job
from pipelines.ledger import Ledger
from tests import small_company
from tests.small_company import AS_OF

pytest.importorskip("optuna")
pytestmark = small_company.QUIET_MLFLOW


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return sources.read(small_company.ledger_folder(), today=AS_OF).ledger


def contest(gain: float, *, on: str = "both") -> Contest:
    """Outcomes of known chances: the tuned one knows them, the usual one is off by the gain."""
    dice = np.random.default_rng(1)
    logit = dice.normal(0, 1, 4000)[:, None] - np.arange(4)
    y = (dice.uniform(size=(4000, 1)) < 1 / (1 + np.exp(-logit))).astype(float)
    tests = np.where(np.arange(4000) % 2, "issue", "portfolio")
    bend = np.where((tests == on) | (on == "both"), gain, 0.0)[:, None]
    said = {CHALLENGER: logit + np.minimum(bend, 0), CHAMPION: logit + np.maximum(bend, 0)}
    return Contest(y, {who: 1 / (1 + np.exp(-z)) for who, z in said.items()}, tests)


def test_tuned_parameters_that_gain_more_than_the_noise_win() -> None:
    won, why = tuning.wins(contest(0.6))

    assert won
    assert "wins on windows it has not seen: log-loss -0.0" in why[0]


def test_a_gain_within_the_noise_grows_nothing() -> None:
    assert not tuning.wins(contest(0.05))[0]
    assert not tuning.wins(contest(0.0))[0]


def test_a_gain_paid_for_on_one_test_does_not_win() -> None:
    better, worse = contest(1.2, on="issue"), contest(-0.5, on="portfolio")
    rows = better.tests == "issue"
    said = {who: np.where(rows[:, None], better.said[who], worse.said[who]) for who in better.said}
    won, why = tuning.wins(replace(better, said=said))

    assert not won
    assert "it loses on the portfolio test" in why[-1]


def test_what_the_search_looks_at_has_ended_before_the_windows_of_the_judgement_begin() -> None:
    newest, older = tuning.windows(AS_OF)

    assert newest == matured_window.begin(AS_OF)
    assert older == newest - timedelta(days=tuning.APART_DAYS)
    assert all(
        searched + timedelta(days=matured_window.DAYS) <= older
        for searched in tuning.windows(older)
    )


def test_a_search_that_was_stopped_goes_on_and_ends_in_mlflow_with_a_run_for_each_trial(
    ledger: Ledger, tmp_path: Path
) -> None:
    import mlflow

    settings = small_company.settings(tmp_path / "home")
    begun = tuning.search(ledger, cut_off=AS_OF, trials=1, home=settings.home)
    assert begun.trials[0].params == tuning.usual(ledger, cut_off=AS_OF)
    job = Job.of(settings, at=datetime(2026, 7, 1, 2, tzinfo=UTC), as_of=AS_OF)

    try:
        tuned = tuning.run(job, trials=2)
        promotion.registry(settings).versions()
        runs = mlflow.search_runs(experiment_names=["puntuale"], output_format="list")
    finally:
        mlflow.set_tracking_uri(None)
    assert tuned.trials == 2
    assert (tuned.parameters == {}) is not tuned.won
    below = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert sorted(run.info.run_name for run in below) == ["trial 0", "trial 1"]
    assert all("log_loss" in run.data.metrics for run in below)


def test_too_short_a_history_for_the_windows_is_said(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(NotEnoughHistory, match="tuning needs history before 2025-0"):
        tuning.search(ledger, cut_off=date(2025, 12, 1), trials=1, home=tmp_path)
