"""Policy values: what any way of choosing would have been worth, from logged decisions.

Self-normalised importance weighting (SNIPS: Swaminathan and Joachims, NeurIPS 2015) needs only the
propensities; the doubly robust value (Dudík, Langford and Li, ICML 2011) adds an expected reward of
each action and is right if either is. Both take each decision on its own, followed by what the
log's policy did next: a policy that would change the later decisions too is not told by them.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models import clustered, nuisance, overlap
from models.decision_log import DecisionLog, Flags

Floats = npt.NDArray[np.float64]

MOST_UNSUPPORTED = 0.01  # the share of a policy's choices that the log may never have made
_SLACK = 1e-6


@dataclass(frozen=True)
class PolicyValue:
    """The mean reward of a policy with its 90 % interval; NaN where it is not identified."""

    value: float
    lowest: float
    highest: float
    error: float
    effective_customers: float
    unsupported_share: float  # of its choices, those that the log never made in such cases
    largest_weight: float
    lacking: str = ""  # why it is not identified

    @property
    def is_identified(self) -> bool:
        return not self.lacking


@dataclass(frozen=True)
class Evaluation:
    """A log made ready to value policies by one reward; build it with `Evaluation.of`."""

    log: DecisionLog  # the decisions whose reward is known
    reward: Floats
    chances: Floats
    expected: Floats  # (n, codes): the reward that each action would have brought
    told: Flags  # which of the whole log's decisions these are
    least: float

    @classmethod
    def of(
        cls,
        log: DecisionLog,
        reward: Floats,
        *,
        folds: int = nuisance.FOLDS,
        least: float = overlap.LEAST_PROPENSITY,
        seed: int = 0,
    ) -> "Evaluation":
        """The log with the reward of each decision; NaN where it is not known yet."""
        told = ~np.isnan(reward)
        kept, known = log.take(told), reward[told]
        return cls(
            log=kept,
            reward=known,
            chances=nuisance.propensities(kept, folds=folds, seed=seed),
            expected=nuisance.outcomes(kept, known, folds=folds, seed=seed),
            told=told,
            least=least,
        )

    def snips(self, target: Floats) -> PolicyValue:
        """The value of a policy by self-normalised importance weights.

        `target` is the probability that the policy gives to each of the log's codes in each of its
        decisions: (n, codes), rows that sum to 1.
        """
        chosen = self._chosen(target)
        weight = self._weight(chosen)
        total = weight.mean() if len(weight) else 0.0
        if total <= 0:
            return self._answer(chosen, np.nan, np.zeros(len(weight)), weight)
        value = float((weight * self.reward).sum() / weight.sum())
        return self._answer(chosen, value, weight * (self.reward - value) / total, weight)

    def doubly_robust(self, target: Floats) -> PolicyValue:
        """The value of a policy by expected rewards, corrected by what came."""
        chosen = self._chosen(target)
        score = self._score(chosen)
        value = float(score.mean()) if len(score) else np.nan
        return self._answer(chosen, value, score, self._weight(chosen))

    def gain(self, target: Floats, *, over: Floats) -> PolicyValue:
        """By how much one policy is worth more than another, decision by decision."""
        ours, theirs = self._chosen(target), self._chosen(over)
        score = self._score(ours) - self._score(theirs)
        value = float(score.mean()) if len(score) else np.nan
        sides = [self._answer(side, value, score, self._weight(side)) for side in (ours, theirs)]
        weaker = min(sides, key=lambda v: (v.is_identified, v.effective_customers))
        return replace(weaker, largest_weight=max(v.largest_weight for v in sides))

    def logged(self) -> PolicyValue:
        """The value of what was done."""
        value = float(self.reward.mean()) if len(self.reward) else np.nan
        return self._interval(value, self.reward, 0.0, np.ones(len(self.reward)))

    def _chosen(self, target: Floats) -> Floats:
        whole = (len(self.told), len(self.log.codes))
        if target.shape != whole:
            raise ValueError(
                f"target must be a probability for each of {whole}, got: {target.shape}"
            )
        if (target < 0).any() or (np.abs(target.sum(axis=1) - 1) > _SLACK).any():
            raise ValueError("target's rows must be probabilities that sum to 1")
        chosen: Floats = target[self.told]
        return chosen

    def _weight(self, chosen: Floats) -> Floats:
        row = np.arange(len(self.log))
        done = self.chances[row, self.log.action]
        weight: Floats = np.where(
            done >= self.least, chosen[row, self.log.action] / np.maximum(done, self.least), 0.0
        )
        return weight

    def _score(self, chosen: Floats) -> Floats:
        row = np.arange(len(self.log))
        surprise = self.reward - self.expected[row, self.log.action]
        score: Floats = (chosen * self.expected).sum(axis=1) + self._weight(chosen) * surprise
        return score

    def _answer(
        self, chosen: Floats, value: float, influence: Floats, weight: Floats
    ) -> PolicyValue:
        """The value with its interval, or why there is none."""
        missed = np.where(self.chances < self.least, chosen, 0.0)
        unsupported = float(missed.sum()) / max(len(missed), 1)
        answer = self._interval(value, influence, unsupported, weight)
        if not len(missed):
            lacking = "no decision whose reward is known"
        elif unsupported > MOST_UNSUPPORTED:
            never = ", ".join(np.array(self.log.codes)[missed.mean(axis=0) > 0])
            lacking = f"{unsupported:.0%} of its choices were never made in such cases: {never}"
        elif answer.effective_customers < overlap.LEAST_EFFECTIVE:
            worth = f"{answer.effective_customers:.0f}"
            lacking = f"its choices were made with too few customers: worth {worth}"
        else:
            return answer
        nan = float("nan")
        return replace(answer, value=nan, lowest=nan, highest=nan, error=nan, lacking=lacking)

    def _interval(
        self, value: float, influence: Floats, unsupported: float, weight: Floats
    ) -> PolicyValue:
        customer = self.log.customer
        error = clustered.error(influence, customer) if len(weight) else np.nan
        worth = overlap.effective(weight, customer) if len(weight) else 0.0
        reach = clustered.reach(worth) * error
        return PolicyValue(
            value=value,
            lowest=value - reach,
            highest=value + reach,
            error=error,
            effective_customers=worth,
            unsupported_share=unsupported,
            largest_weight=float(weight.max(initial=0.0)),
        )
