"""Nuisances: what would have come of each action, and how probable each was, by LightGBM.

Every row is answered by trees that have not seen its customer (cross-fitting, Chernozhukov et al.,
Econometrics Journal 2018): their errors are then independent of the row's own.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from models.decision_log import DecisionLog, Flags
from models.overlap import LEAST_GUESSED, LEAST_PROPENSITY

Floats = npt.NDArray[np.float64]

FOLDS = 5
LEAST_OF_AN_ARM = 40  # decisions under which an action's outcome is a mean
_ROUNDS = 80


def outcomes(log: DecisionLog, y: Floats, *, folds: int = FOLDS, seed: int = 0) -> Floats:
    """The expected outcome of each action in each case: (n, codes).

    An action is learned from the cases in which it was done: elsewhere this extrapolates.
    """
    expected = np.zeros((len(log), len(log.codes)))
    for train, held in _folds(log, folds):
        for place in range(len(log.codes)):
            mine = train & (log.action == place)
            expected[held, place] = _regress(log.features, y, mine, held, train, seed=seed)
    return expected


def propensities(log: DecisionLog, *, folds: int = FOLDS, seed: int = 0) -> Floats:
    """Each action's probability: as recorded, and where it was not, as like cases were treated.

    The estimate assumes that whatever moved both the choice and the outcome is among the features.
    What it holds for very improbable is given as 0: never done in such cases.
    """
    chances = log.propensities.copy()
    gaps = np.isnan(chances)
    wanted = gaps.any(axis=1)
    if not wanted.any():
        return chances
    guessed = np.zeros_like(chances)
    for train, held in _folds(log, folds):
        rows = held & wanted
        guessed[rows] = _classify(log, train & wanted, rows, seed=seed)
    guessed = np.where(chances == 0, 0.0, guessed)
    guessed /= np.maximum(guessed.sum(axis=1, keepdims=True), 1e-12)
    # Whether an action had a chance is told by the case alone, not by what was then done: so the
    # guess decides it for the recorded one of a row too.
    told = ~gaps.all(axis=1, keepdims=True)
    never = guessed < np.where(told, LEAST_PROPENSITY, LEAST_GUESSED)
    share = np.where(gaps, guessed, 0.0)
    left = np.maximum(1 - np.nansum(chances, axis=1, keepdims=True), 0.0)
    share *= left / np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
    filled = np.where(never, 0.0, np.where(gaps, share, chances))
    return np.where(gaps.any(axis=1, keepdims=True), filled, chances)


def _folds(log: DecisionLog, folds: int) -> Iterator[tuple[Flags, Flags]]:
    """(train, held) for each fold: a customer is in the same one for ever."""
    fold = log.customer % np.uint64(folds)
    for at in range(folds):
        held = fold == at
        if held.any():
            yield ~held, held


def _regress(
    features: Floats, y: Floats, mine: Flags, held: Flags, train: Flags, *, seed: int
) -> Floats | float:
    count = int(mine.sum())
    if count < LEAST_OF_AN_ARM:
        known = mine if count else train
        return float(y[known].mean()) if known.any() else float(y.mean())
    import lightgbm as lgb

    data = lgb.Dataset(features[mine], y[mine], params={"verbosity": -1})
    settings = {**_settings(count, seed), "objective": "regression"}
    booster = lgb.train(settings, data, num_boost_round=_ROUNDS)
    answer: Floats = np.clip(booster.predict(features[held]), y[mine].min(), y[mine].max())
    return answer


def _classify(log: DecisionLog, train: Flags, rows: Flags, *, seed: int) -> Floats:
    chances = np.zeros((int(rows.sum()), len(log.codes)))
    done, kind = np.unique(log.action[train], return_inverse=True)
    if not len(done) or not rows.any():
        return chances
    if len(done) == 1:
        chances[:, done[0]] = 1.0
        return chances
    import lightgbm as lgb

    data = lgb.Dataset(log.features[train], kind, params={"verbosity": -1})
    settings = {
        **_settings(int(train.sum()), seed),
        "objective": "multiclass",
        "num_class": len(done),
    }
    booster = lgb.train(settings, data, num_boost_round=_ROUNDS)
    chances[:, done] = booster.predict(log.features[rows])
    return chances


def _settings(rows: int, seed: int) -> dict[str, object]:
    """Small trees: a nuisance that overfits costs more than one that is a little blunt."""
    return {
        "learning_rate": 0.08,
        "num_leaves": 7,
        "min_data_in_leaf": max(min(rows // 20, 40), 5),
        "lambda_l2": 5.0,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,  # the fits are many and small
        "verbosity": -1,
    }
