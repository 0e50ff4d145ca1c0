"""The blend: the weight that trees have earned against the customer's curve on a last window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.time_ahead import logit

Floats = npt.NDArray[np.float64]

WEIGHTS = (0.0, 0.3, 0.5, 0.7, 1.0)
# The trees' usual weights, up to 30 days past due and from 90 on: they hold unless others do better
# by more than the noise (measured on real invoices: docs/decisions.md).
USUAL_WEIGHTS = (0.7, 0.3)
HALFWAY_DAYS = 60  # past due: which of the two weights a label judges
WINDOW_DAYS = 90  # the last window, or a quarter of a shorter history
LEAST_JUDGED = 300  # labels of the last window under which a weight is not earned
SURE_ERRORS = 2.0  # standard errors that make a difference more than luck
LIKELY_ERRORS = 1.0  # that do where it has been seen on other ledgers, as the trees' gain has
_EDGE = 1e-6


@dataclass(frozen=True)
class Window:
    """The labels of a last window, and what was said of each by those who had not seen it."""

    raw: Floats  # the trees' log-odds
    curve: Floats  # the customer's probability
    cohort_logit: Floats
    still_open: npt.NDArray[np.bool_]
    customer: npt.NDArray[np.int32]
    past_due: npt.NDArray[np.int32]  # days, on the day that the label is about


def window_days(history_days: int) -> int:
    """How long the last window of a history is."""
    return min(WINDOW_DAYS, max(history_days // 4, 1))


def weigh(window: Window) -> tuple[tuple[float, float], dict[str, Any]]:
    """The trees' weights near the due date and far from it, and the evidence for each."""
    own, chosen, evidence = logit(window.curve), [], {}
    parts = (("near", window.past_due < HALFWAY_DAYS), ("far", window.past_due >= HALFWAY_DAYS))
    for (name, part), usual in zip(parts, USUAL_WEIGHTS, strict=True):
        late = window.still_open[part]
        surprise = {w: _surprise((w * window.raw + (1 - w) * own)[part], late) for w in WEIGHTS}
        cohort = _surprise(window.cohort_logit[part], late)
        weight = _earned(surprise, window.customer[part], usual=usual, cohort=cohort)
        chosen.append(weight)
        evidence[name] = {
            "labels": int(part.sum()),
            "log_loss": {str(w): float(s.mean()) if len(s) else None for w, s in surprise.items()},
            "cohort_log_loss": float(cohort.mean()) if len(cohort) else None,
            "weight": weight,
            "why": f"the trees earn a weight of {weight}"
            if weight
            else "the trees do not beat the customer's curve and its cohort's: the former answers",
        }
    return (chosen[0], chosen[1]), evidence


def _earned(
    surprise: Mapping[float, Floats],
    customer: npt.NDArray[np.int32],
    *,
    usual: float,
    cohort: Floats,
) -> float:
    """The weight that the labels of a window give.

    Another weight than the usual one must win by more than two paired standard errors over
    customers. Any weight must win so against the cohort's curve, or the customer's curve answers:
    where customers do not differ, trees that only learn this gain on the latter and know nothing.
    Against the customer's curve itself one standard error is enough: small ledgers show no more.
    """
    if len(customer) < LEAST_JUDGED:
        return 0.0
    weight = min(WEIGHTS, key=lambda w: float(surprise[w].mean()))
    if not _beats(surprise[weight], surprise[usual], customer):
        weight = usual
    ours, own = surprise[weight], surprise[0.0]
    earned = _beats(ours, cohort, customer) and _beats(ours, own, customer, errors=LIKELY_ERRORS)
    return weight if earned else 0.0


def _surprise(odds: Floats, late: npt.NDArray[np.bool_]) -> Floats:
    p = np.clip(1 / (1 + np.exp(-odds)), _EDGE, 1 - _EDGE)
    return -np.where(late, np.log(p), np.log1p(-p))


def _beats(
    ours: Floats,
    theirs: Floats,
    customer: npt.NDArray[np.int32],
    *,
    errors: float = SURE_ERRORS,
) -> bool:
    """Whether our mean is surely lower, customers being independent of each other."""
    gain = theirs - ours
    by_customer = np.bincount(customer, weights=gain - gain.mean())
    error = float(np.sqrt((by_customer**2).sum())) / len(gain)
    return bool(gain.mean() > errors * error)
