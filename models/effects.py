"""Effects: what each action changes against waiting, learned from logged decisions.

The mean outcome of an action over the cases in which both it and waiting had their chance is
estimated doubly robustly (AIPW: Robins, Rotnitzky and Zhao, JASA 1994; Chernozhukov et al.,
Econometrics Journal 2018): right if either the outcomes or the propensities are. Where propensities
are recorded they are used, and the answer rests on the toss alone (`randomised`); elsewhere it
rests on the assumption that the features hold all that moved both choice and outcome
(`observational`), and is wrong by whatever they do not hold. An outcome is that of the decision
with all that was done afterwards, as it was then done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from models import clustered, nuisance, overlap
from models.decision_log import DecisionLog, Flags, Hashes, Places
from models.overlap import Overlap

Floats = npt.NDArray[np.float64]

Measure = Literal["fall", "share"]
Source = Literal["prior", "observational", "randomised"]

SURE_ERRORS = 2.0  # standard errors above zero that a mean must be to divide by it
LEAST_EVENTS = 5.0  # expected of who got the action: with fewer an error takes itself for small


@dataclass(frozen=True)
class Estimate:
    """What the log alone says of one action in one stratum; NaN where it is not identified."""

    action: str
    outcome: str
    stratum: str
    effect: float  # by how much, or by which share, the outcome falls
    error: float
    groups: float  # independent customers that the interval counts on
    source: Source
    overlap: Overlap
    lacking: str = ""  # why it is not identified
    # by customer of the log, what each moved the estimate by: two estimates' errors go together
    influence: Floats = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)

    @property
    def is_identified(self) -> bool:
        return not self.lacking

    @property
    def interval(self) -> tuple[float, float]:
        """The 90 % interval of the log alone."""
        reach = clustered.reach(self.groups) * self.error
        return self.effect - reach, self.effect + reach


def estimate(
    log: DecisionLog,
    outcome: str,
    *,
    measure: Measure = "fall",
    folds: int = nuisance.FOLDS,
    least: float = overlap.LEAST_PROPENSITY,
    seed: int = 0,
) -> list[Estimate]:
    """The effect of every action on an outcome, by stratum, against `wait`.

    `fall` is by how much the outcome is lower (days sooner), `share` by which share of what it is
    when waiting (the risk of staying unpaid). Where an action was tossed for often enough only
    those decisions count, and the source is `randomised`.
    """
    y = log.outcomes[outcome]
    matured = ~np.isnan(y)
    everyone = np.unique(log.customer)  # matured or not: the same for every outcome
    arms = _Arms.of(log.take(matured), y[matured], everyone, folds=folds, least=least, seed=seed)
    return [
        arms.compare(place, stratum, outcome, measure)
        for place in range(1, len(log.codes))
        for stratum in range(len(log.strata))
    ]


@dataclass(frozen=True)
class _Arms:
    """Each action's outcome in each case: expected, and corrected by what came."""

    log: DecisionLog
    chances: Floats
    corrected: Floats  # (n, codes): doubly robust scores
    owner: Places  # of each row, among the customers of the whole log
    customers: int
    least: float

    @classmethod
    def of(
        cls,
        log: DecisionLog,
        y: Floats,
        everyone: Hashes,
        *,
        folds: int,
        least: float,
        seed: int,
    ) -> "_Arms":
        chances = nuisance.propensities(log, folds=folds, seed=seed)
        corrected = nuisance.outcomes(log, y, folds=folds, seed=seed)
        row = np.arange(len(log))
        surprise = y - corrected[row, log.action]
        corrected[row, log.action] += surprise / np.maximum(chances[row, log.action], least)
        owner = np.searchsorted(everyone, log.customer)
        return cls(log, chances, corrected, owner, len(everyone), least)

    def compare(self, place: int, stratum: int, outcome: str, measure: Measure) -> Estimate:
        """One action against waiting in one stratum."""
        log = self.log
        both = self._had_chance(0) & self._had_chance(place)
        for source, considered in self._evidence(place, stratum):  # noqa: B007 - the last one stays
            seen = overlap.measure(
                considered=considered,
                both=both,
                did=log.action == place,
                waited=log.action == 0,
                weight=1 / np.maximum(self.chances[np.arange(len(log)), log.action], self.least),
                customer=log.customer,
            )
            if not seen.lacking:
                break
        rows = considered & both
        effect, error, lacking = np.nan, np.nan, seen.lacking
        by_customer = np.zeros(0)
        if not lacking:
            after, waiting = self.corrected[rows, place], self.corrected[rows, 0]
            effect, influence, lacking = _contrast(after, waiting, log.customer[rows], measure)
            events = waiting.mean() * seen.effective_action
            if measure == "share" and not lacking and events < LEAST_EVENTS:
                lacking = "too few would have stayed unpaid to tell a share of them"
            error = clustered.error(influence, log.customer[rows])
            moved = (influence - influence.mean()) / len(influence)
            by_customer = self._by_customer(rows, moved)
        return Estimate(
            action=log.codes[place],
            outcome=outcome,
            stratum=log.strata[stratum],
            effect=np.nan if lacking else effect,
            error=np.nan if lacking else error,
            groups=seen.effective,
            source="prior" if lacking else source,
            overlap=seen,
            lacking=lacking,
            influence=by_customer,
        )

    def _by_customer(self, rows: Flags, moved: Floats) -> Floats:
        sums = np.bincount(self.owner[rows], weights=moved, minlength=self.customers)
        return sums.astype(np.float64)

    def _had_chance(self, place: int) -> Flags:
        return np.asarray(self.chances[:, place] >= self.least)

    def _evidence(self, place: int, stratum: int) -> Iterator[tuple[Source, Flags]]:
        """Tossed decisions first, then all of them."""
        mine = (self.log.stratum == stratum) & ~(self.log.propensities[:, place] == 0)
        tossed = mine & self.log.randomised
        yield "randomised", tossed
        if (mine & ~self.log.randomised).any():
            yield "observational", mine


def _contrast(
    after: Floats, waiting: Floats, customer: npt.NDArray[np.uint64], measure: Measure
) -> tuple[float, Floats, str]:
    """The effect, its influence function, and why it can't be told if so."""
    mean_after, mean_waiting = float(after.mean()), float(waiting.mean())
    if measure == "fall":
        return mean_waiting - mean_after, waiting - after, ""
    error = clustered.error(waiting, customer)
    if not mean_waiting > SURE_ERRORS * error:
        return np.nan, np.zeros_like(after), "too few stay unpaid to tell a share of them"
    # the delta method: the ratio of two means of the same rows
    ratio = mean_after / mean_waiting
    return 1 - ratio, (ratio * waiting - after) / mean_waiting, ""


def identified(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Those of which the log says something."""
    return [e for e in estimates if e.is_identified]
