"""Tuning: parameters of the trees that win on windows which the search has not seen, or none.

The search looks at two older windows; its best is then held against the usual parameters on two
newer ones. A search over a hundred trials always finds something that was lucky where it looked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models import durable, metrics
from models.fitting import NotEnoughHistory
from models.registry import Trial
from pipelines import backtest, contest, features, fingerprint, matured_window, promotion, reading
from pipelines.contest import CHALLENGER, CHAMPION, Contest
from pipelines.job import Job, day_number
from pipelines.ledger import Ledger

if TYPE_CHECKING:
    import optuna

STEPS = 3  # that `run` tells of
WINDOWS = 2  # that the search looks at, and that its best is held against
APART_DAYS = backtest.ISSUE_DAYS  # between windows: no invoice is new in two of them
START_TRIALS = 5  # without pruning, so that there is a median to fall behind of
STUDIES = "tuning.db"  # in the home folder: a search that was stopped goes on

# What may be turned, and how far; the depth stays, for it keeps exact contributions cheap.
WHOLE = {"num_leaves": (4, 31), "num_iterations": (80, 500), "min_data_in_leaf": (20, 400)}
REAL = {"learning_rate": (0.02, 0.15), "lambda_l2": (1.0, 100.0), "feature_fraction": (0.15, 0.8)}


class TunerMissing(ImportError):  # noqa: N818 - the name says what is missing
    """Tuning needs the extra that brings Optuna."""


@dataclass(frozen=True)
class Tuned:
    """What the search found, and whether it won where it had not looked."""

    parameters: dict[str, float]  # empty where the usual ones stay
    won: bool
    why: tuple[str, ...]
    trials: int
    pruned: int


def run(
    job: Job, *, trials: int, seed: int = 0, tell: Callable[[str], None] = lambda step: None
) -> Tuned:
    """Search until there are so many trials, judge the best, and log all of it to MLflow."""
    tell("reading the ledger")
    ledger = reading.read(job).ledger
    tell("searching")
    study = search(ledger, cut_off=job.as_of, trials=trials, home=job.settings.home, seed=seed)
    tell("judging the best on newer windows")
    tuned = decide(ledger, study, cut_off=job.as_of)
    result = {"parameters": tuned.parameters, "won": tuned.won, "why": list(tuned.why)}
    logged = [_as_logged(trial) for trial in study.trials]
    registry = promotion.registry(job.settings)
    registry.log_tuning(f"tuning {job.as_of}", logged, result=result)
    return tuned


def search(
    ledger: Ledger, *, cut_off: date, trials: int, home: Path, seed: int = 0
) -> "optuna.Study":
    """The study of this ledger and day, with so many trials; those there are already count."""
    library = _optuna()
    durable.make(home)
    study: optuna.Study = library.create_study(
        storage=f"sqlite:///{home.resolve() / STUDIES}",
        study_name=f"{cut_off} {fingerprint.of_ledger(ledger)} {features.fingerprint()[:8]} {seed}",
        load_if_exists=True,
        sampler=library.samplers.TPESampler(seed=seed, multivariate=False),
        pruner=library.pruners.MedianPruner(n_startup_trials=START_TRIALS),
    )
    if not study.trials:
        study.enqueue_trial(usual(ledger, cut_off=cut_off))
    done = sum(trial.state.is_finished() for trial in study.trials)
    newest = windows(cut_off)[-1]  # its beginning ends what the search may know
    origins = windows(newest)

    def loss(trial: "optuna.Trial") -> float:
        """The mean surprise over the windows; given up where it falls behind the others."""
        found = []
        for at, origin in enumerate(origins):
            judged = _judge(ledger, origin, {CHALLENGER: suggested(trial)}, cut_off=newest)
            found.append(_loss(judged))
            trial.report(float(np.mean(found)), at)
            if at + 1 < len(origins) and trial.should_prune():
                raise library.TrialPruned
        return float(np.mean(found))

    study.optimize(loss, n_trials=max(trials - done, 0))
    return study


def decide(ledger: Ledger, study: "optuna.Study", *, cut_off: date) -> Tuned:
    """The best of the study, if it beats the usual parameters by more than the noise."""
    best = dict(study.best_trial.params)
    pruned = sum(trial.state.name == "PRUNED" for trial in study.trials)
    told = [
        _judge(ledger, origin, {CHALLENGER: best, CHAMPION: {}}, cut_off=cut_off)
        for origin in windows(cut_off)
    ]
    won, why = wins(_together(told))
    return Tuned(best if won else {}, won, why, len(study.trials), pruned)


def wins(judged: Contest) -> tuple[bool, tuple[str, ...]]:
    """Whether the tuned ones gain more than the noise and luck, and lose on neither test."""
    every = np.ones(len(judged.y), bool)
    worse, error = contest.difference(judged, CHALLENGER, CHAMPION, every)
    won = -worse > max(contest.NOISE, contest.SURE_ERRORS * error)
    why = [
        f"the best of the search {'wins' if won else 'does not win'} on windows it has not seen: "
        f"log-loss {worse:+.4f} ± {error:.4f} against the usual parameters"
    ]
    for test in np.unique(judged.tests):
        worse, error = contest.difference(judged, CHALLENGER, CHAMPION, judged.tests == test)
        if worse > max(contest.NOISE, contest.SURE_ERRORS * error):
            won = False
            why.append(f"it loses on the {test} test: log-loss {worse:+.4f} ± {error:.4f}")
    return won, tuple(why)


def windows(cut_off: date) -> list[date]:
    """The origins of the last windows that have matured by a day, the newest first."""
    return [matured_window.begin(cut_off) - timedelta(days=APART_DAYS * i) for i in range(WINDOWS)]


def suggested(trial: "optuna.Trial") -> dict[str, float]:
    """What a trial is to try; on a logarithmic scale, where twice as much is one step."""
    whole = {name: trial.suggest_int(name, *span, log=True) for name, span in WHOLE.items()}
    real = {name: trial.suggest_float(name, *span, log=True) for name, span in REAL.items()}
    return {**whole, **real}


def usual(ledger: Ledger, *, cut_off: date) -> dict[str, float]:
    """The usual parameters among those that may be turned: where the search begins."""
    from models.growing import parameters

    given = parameters(ledger.invoices.num_rows * 5, seed=0)  # about five labels an invoice
    return {name: given[name] for name in (*WHOLE, *REAL)}


def _judge(
    ledger: Ledger, origin: date, recipes: Mapping[str, Mapping[str, float]], *, cut_off: date
) -> Contest:
    """What each recipe, trained on what was known at the origin, says of its window."""
    said = {}
    for who, tuned in recipes.items():
        try:
            model = backtest.train(ledger, cut_off=day_number(origin), tuned=tuned)
        except NotEnoughHistory as short:
            raise NotEnoughHistory(
                f"tuning needs history before {origin}, the oldest window that it searches on: "
                f"{short}"
            ) from None
        predicted = backtest.predict(ledger, model, origin=day_number(origin))
        said[who] = promotion.matrix(predicted, "p")
    return Contest(
        matured_window.outcomes(ledger, predicted, cut_off=cut_off),
        said,
        np.array(predicted["test"].to_pylist(), dtype=np.str_),
        customers=promotion.customers_of(ledger, predicted["invoice_id"]),
    )


def _together(told: list[Contest]) -> Contest:
    first = told[0]
    return replace(
        first,
        y=np.concatenate([part.y for part in told]),
        said={who: np.concatenate([part.said[who] for part in told]) for who in first.said},
        tests=np.concatenate([part.tests for part in told]),
        customers=np.concatenate([part.customer_of_row for part in told]),
    )


def _loss(judged: Contest) -> float:
    """Mean surprise over all horizons that have matured, each test as much as the other."""
    cells = metrics.surprise(np.nan_to_num(judged.y), judged.said[CHALLENGER])
    told = ~np.isnan(judged.y)
    by_test = [
        cells[rows][told[rows]].mean()
        for test in np.unique(judged.tests)
        if told[rows := judged.tests == test].any()
    ]
    return float(np.mean(by_test))


def _as_logged(trial: "optuna.trial.FrozenTrial") -> Trial:
    steps = {f"log_loss.window_{at}": value for at, value in trial.intermediate_values.items()}
    final = {"log_loss": trial.value} if trial.value is not None else {}
    return Trial(trial.number, trial.params, {**steps, **final}, trial.state.name.lower())


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise TunerMissing('tuning needs Optuna: pip install "puntuale[tune]"') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
