"""Logs of decisions drawn from a world with known truth: confounded, skewed, tossed or not.

Slow customers and large amounts are called more often, so that a plain comparison is wrong. The
decisions of a customer share a mood that no feature tells. Days fall by `gains` on average, and the
risk of staying unpaid by the share `rescues`, exactly: the truth needs no simulation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.action import Effect
from models.decision_log import DecisionLog

CODES = ("wait", "reminder_1", "call")
CAUSES = ("difficulty", "habit")
GAINS = {
    ("reminder_1", "difficulty"): 1.0,
    ("reminder_1", "habit"): 4.0,
    ("call", "difficulty"): 3.0,
    ("call", "habit"): 8.0,
}
RESCUES = {
    ("reminder_1", "difficulty"): 0.05,
    ("reminder_1", "habit"): 0.15,
    ("call", "difficulty"): 0.20,
    ("call", "habit"): 0.40,
}
PRIOR_GAINS = {  # what drawn truths are drawn from, and shrunk to
    ("reminder_1", "difficulty"): Effect(2.0, -1.0, 5.0),
    ("reminder_1", "habit"): Effect(5.0, 1.0, 9.0),
    ("call", "difficulty"): Effect(4.0, 0.0, 8.0),
    ("call", "habit"): Effect(8.0, 3.0, 13.0),
}
COSTS = np.array([0.0, 0.5, 4.0])
UNPAID_COSTS = 20.0
HORIZON_DAYS = 60.0

Floats = np.ndarray
Truth = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Cases:
    """What is known of each case, and what would come of waiting."""

    customer: Floats
    habit: Floats  # 1 habit, 0 difficulty
    slow: Floats
    size: Floats
    days: Floats
    unpaid_risk: Floats

    @property
    def features(self) -> Floats:
        return np.column_stack([self.slow, self.size, self.habit])

    @property
    def causes(self) -> list[str]:
        return [CAUSES[h] for h in self.habit]


@dataclass(frozen=True)
class Drawn:
    """A drawn log, and what each decision was worth."""

    log: DecisionLog
    cases: Cases
    reward: Floats


def cases(random: np.random.Generator, customers: int, each: int) -> Cases:
    """Cases of some customers, as many of each."""
    owner = np.repeat(np.arange(customers), each)
    habit = (random.random(customers) < 0.5).astype(int)[owner]
    slow = random.normal(size=customers)[owner]
    mood = random.normal(size=customers)[owner]
    size = random.uniform(-1, 1, len(owner))
    noise = random.normal(size=len(owner))
    days = np.exp(2.7 + 0.4 * slow + 0.2 * size + 0.4 * mood + 0.5 * noise)
    risk = 1 / (1 + np.exp(1.2 - 0.6 * slow + 0.4 * habit - 0.4 * mood))
    return Cases(owner, habit, slow, size, np.minimum(days, HORIZON_DAYS), risk)


def chances(of: Cases) -> Floats:
    """How often each action was taken: (n, codes), never under 0.08."""
    odds = np.column_stack([0 * of.slow, 0.5 * of.size, -0.4 + 0.8 * of.slow + 0.8 * of.size])
    shares = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    return 0.08 + (1 - 0.08 * len(CODES)) * shares


def draw(
    seed: int,
    *,
    customers: int = 400,
    each: int = 5,
    tossed: bool = True,
    gains: Truth = GAINS,
    rescues: Truth = RESCUES,
    chance: Floats | None = None,
) -> Drawn:
    """A log; with `tossed` the propensities of what was done are recorded, else they are hidden."""
    random = np.random.default_rng(seed)
    of = cases(random, customers, each)
    chance = chances(of) if chance is None else chance
    done = (random.random((len(chance), 1)) > chance.cumsum(axis=1)).sum(axis=1)
    row = np.arange(len(done))
    spread = random.gamma(2.0, 0.5, len(done))  # of mean 1: who is reached, and who is not
    gained = _by_action(gains, of)[row, done] * (1 + 0.4 * of.size) * spread
    days = of.days - gained
    risk = of.unpaid_risk * (1 - _by_action(rescues, of)[row, done])
    unpaid = (random.random(len(done)) < risk).astype(float)
    log = DecisionLog.of(
        codes=CODES,
        action=[CODES[d] for d in done],
        customer=_hashes(of.customer, seed),
        features=of.features,
        stratum=of.causes,
        outcomes={"days": days, "unpaid": unpaid},
        propensities=chance if tossed else None,
    )
    return Drawn(log, of, -(days + UNPAID_COSTS * unpaid) - COSTS[done])


def careful(of: Cases) -> Floats:
    """A policy for every case: call the slow, remind the others of habit, leave the rest."""
    chosen = np.where(of.slow > 0, 2, np.where(of.habit == 1, 1, 0))
    return np.eye(len(CODES))[chosen]


def tossing(of: Cases) -> Floats:
    """A policy that tosses: half of the time as the careful one, else any action."""
    return 0.5 * careful(of) + 0.5 / len(CODES)


@cache
def true_value(policy: str) -> float:
    """What a policy is worth in this world, within about a hundredth."""
    of = cases(np.random.default_rng(10**6), 1_500_000, 1)
    gained = _by_action(GAINS, of) * (1 + 0.4 * of.size)[:, None]
    risk = of.unpaid_risk[:, None] * (1 - _by_action(RESCUES, of))
    worth = -(of.days[:, None] - gained + UNPAID_COSTS * risk) - COSTS
    target = {"careful": careful, "tossing": tossing}[policy](of)
    return float((target * worth).sum(axis=1).mean())


def drawn_truth(
    seed: int, priors: Mapping[tuple[str, str], Effect]
) -> dict[tuple[str, str], float]:
    """Effects drawn from their priors, lowest and highest being the ends of 90 %."""
    random = np.random.default_rng([seed, 1])
    return {
        key: float(random.normal(p.expected, (p.highest - p.lowest) / (2 * 1.6449)))
        for key, p in priors.items()
    }


def _by_action(effects: Truth, of: Cases) -> Floats:
    """The effect of each of CODES in each case."""
    table = np.array([[effects.get((code, cause), 0.0) for code in CODES] for cause in CAUSES])
    return table[of.habit]


def _hashes(customer: Floats, seed: int) -> Floats:
    numbers = np.random.default_rng([seed, 2]).integers(0, 2**63, int(customer.max()) + 1)
    return numbers.astype(np.uint64)[customer]
