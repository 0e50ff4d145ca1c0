"""A year of trial: our policy, some customers tried out and some held out, and the log of it.

Each day a share of the customers is tried out: by lot among what the product would let be done,
waiting included, and then left alone for a while, so that what comes is the lot's doing. An adverse
action is only ever withheld by lot. The chances are known exactly, and effects are learned from
these decisions alone. The product's own exploration (`models.holdout`) tosses anew each day: who
waits by lot today is treated tomorrow, and little can be told from it.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models import causes
from models.action import Limit
from models.cases import Cases
from models.catalogue import Catalogue
from models.decision_log import DecisionLog
from models.effect_table import PRIORS
from models.holdout import Trial
from models.legal import ReferenceRates
from models.options import NOT_FREE, Grouped, weigh
from models.plan import plan
from models.weighing import Weighing
from pipelines.action_log import DAYS, HORIZON_DAYS, UNPAID
from pipelines.simulation.company import LAST_AGE, YEAR_DAYS, Company
from pipelines.simulation.day import FIRST_DAY, Day, Orders
from pipelines.simulation.year import Outcome

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TRIED_SHARE = 0.15  # of the customers with something open, each working day
WATCHED_DAYS = 14  # how long they are then left alone
SEATS, LONGEST = 4, 25  # how many of them may be called, and for how many minutes
PIECES = 8  # how many may be written to by PEC
FEATURES = ("age", "ln_open", "p_late_30", "p_unpaid_180", "expected_days", "fatigue", "n_settled")


@dataclass
class TrialYear:
    """Our policy with priors while it is being tried; its `log` is told when the year is over."""

    catalogue: Catalogue
    rates: ReferenceRates
    company: Company
    trial: Trial = field(default_factory=lambda: Trial(holdout_share=0.05))
    share: float = TRIED_SHARE

    def __post_init__(self) -> None:
        self.watched = np.full(self.company.customers, -1)  # until which day
        self.aside = self.trial.held_out(np.arange(self.company.customers))
        self.told: list[_Told] = []

    def orders(self, day: Day) -> Orders:
        random = np.random.default_rng([self.company.seed, 11, day.number])
        lot = random.permutation(self.company.customers)
        free = (self.watched < day.number) & ~self.aside
        tried = lot[free[lot] & np.isin(lot, day.customer)]
        tried = tried[: int(self.share * len(np.unique(day.customer)))]
        action = np.zeros(self.company.customers, np.int64)
        effective = np.zeros(len(day.rows), np.int64)
        minutes = self._try(day, tried, random, action, effective)
        self.watched[tried] = day.number + WATCHED_DAYS

        usual = np.flatnonzero(
            (self.watched < day.number)[day.customer] & ~self.aside[day.customer]
        )
        if len(usual):
            told = plan(
                day.cases.take(usual),
                self.catalogue,
                self.rates,
                as_of=FIRST_DAY + day.number,
                capacity=self._left(minutes),
            )
            action[told.customer] = told.place
            effective[usual] = told.effective
        return Orders(action, effective)

    def _try(
        self, day: Day, tried: Rows, random: np.random.Generator, action: Rows, effective: Rows
    ) -> dict[str, float]:
        """Draws for those tried out, and keeps what could have been drawn."""
        actions = self.catalogue.enabled
        rows = np.flatnonzero(np.isin(day.customer, tried))
        rows = rows[np.argsort(day.customer[rows], kind="stable")]
        used = dict.fromkeys(self.catalogue.capacity, 0.0)
        if not len(rows):
            return used
        cases = day.cases.take(rows)
        today = np.full(len(rows), FIRST_DAY + day.number, np.int32)
        weighing = Weighing(cases, self.catalogue, self.rates, today, today, PRIORS)
        grouped = Grouped.of(cases.customer)
        options = weigh(weighing, actions, grouped)
        open_to = self._open_to(options.free, np.searchsorted(grouped.customer, tried))
        chance = _chances(open_to, options.free)
        pick = random.random(len(chance))
        place = (pick[:, None] >= chance.cumsum(axis=1)).sum(axis=1)
        place = np.minimum(place, chance.shape[1] - 1)
        place = np.where(chance[np.arange(len(place)), place] > 0, place, 0)
        action[grouped.customer] = place
        for at in place[place > 0].tolist():
            if actions[at - 1].channel in used:
                channel = actions[at - 1].channel
                used[channel] += self.catalogue.capacity[channel].taken_by(actions[at - 1])

        chances = np.zeros((len(rows), chance.shape[1]))  # of what each row would come to feel
        for at in range(chance.shape[1]):
            felt = options.effective(np.full(len(rows), at)).astype(np.int64)
            chances[np.arange(len(rows)), felt] += chance[grouped.of_row, at]
        felt = options.effective(place[grouped.of_row]).astype(np.int64)
        effective[rows] = felt
        self.told.append(_Told.of(day, cases, rows, felt, chances))
        return used

    def _open_to(self, worth: Rows, lot: Rows) -> Flags:
        """What each may draw: to wait, what is free; an adverse action only where it is the plan.

        The first in the lot have the telephone and nothing else, the next what goes by PEC too.
        """
        actions = self.catalogue.enabled
        channel = np.array(["", *(a.channel for a in actions)])
        adverse = np.array([False, *(a.adverse for a in actions)])
        long = np.array([False, *(a.channel == "phone" and a.minutes > LONGEST for a in actions)])
        scarce = np.isin(channel, list(self.catalogue.capacity))
        rank = np.empty(len(lot), np.int64)
        rank[lot] = np.arange(len(lot))
        allowed = np.where(
            (rank < SEATS)[:, None],
            (channel == "phone") & ~long,
            np.where((rank < SEATS + PIECES)[:, None], (channel == "pec") | ~scarce, ~scarce),
        )
        best = np.where(allowed & (worth != NOT_FREE), worth, NOT_FREE + 1).argmax(axis=1)
        planned = np.arange(len(channel)) == best[:, None]
        open_to: Flags = (worth != NOT_FREE) & allowed & (~adverse | planned)
        open_to[:, 0] = True
        return open_to

    def _left(self, used: dict[str, float]) -> dict[str, Limit]:
        return {
            channel: Limit(max(limit.amount - used[channel], 0), limit.of)
            for channel, limit in self.catalogue.capacity.items()
        }

    def log(self, outcome: Outcome, *, as_of: int = YEAR_DAYS) -> DecisionLog:
        """The decisions by lot with what had come of them by a day."""
        parts = [part for part in self.told if len(part.row)]
        row, day, felt, cause = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("row", "day", "felt", "cause")
        )
        chances = np.concatenate([part.chances for part in parts])
        kept = chances[:, 0] < 1  # where something could have been done
        row, day, felt, cause, chances = (x[kept] for x in (row, day, felt, cause, chances))
        waited = np.clip(outcome.settled_day[row] - day, 0, HORIZON_DAYS)
        end = self.company.due[row] + LAST_AGE
        codes = ("wait", *(action.code for action in self.catalogue.enabled))
        return DecisionLog.of(
            codes=codes,
            action=[codes[place] for place in felt.tolist()],
            customer=self.company.customer[row].astype(np.uint64),
            features=np.concatenate([part.features for part in parts])[kept],
            feature_names=FEATURES,
            stratum=[causes.CODES[place] for place in cause.tolist()],
            outcomes={
                DAYS: np.where(day + HORIZON_DAYS < as_of, waited, np.nan),
                UNPAID: np.where(end < as_of, outcome.lost[row], np.nan),
            },
            propensities=chances,
        )


def _chances(open_to: Flags, worth: Rows) -> Floats:
    """A third to wait, a third to what is worth most, a third to anything: each row sums to 1."""
    options = np.arange(open_to.shape[1])
    best = np.where(open_to, worth, NOT_FREE + 1).argmax(axis=1)
    chance = open_to / open_to.sum(axis=1, keepdims=True)
    chance = chance + (options == 0) + (options == best[:, None])
    chances: Floats = chance / 3
    return chances


@dataclass(frozen=True)
class _Told:
    """What is kept of one day's draws, by row."""

    row: Rows
    day: Rows
    felt: Rows
    cause: Rows
    chances: Floats
    features: Floats

    @classmethod
    def of(cls, day: Day, cases: Cases, rows: Rows, felt: Rows, chances: Floats) -> "_Told":
        features = np.column_stack(
            [
                day.age[rows],
                np.log(cases.open_cents),
                cases.p_late_30,
                cases.p_unpaid_180,
                cases.expected_days_late - day.age[rows],
                day.fatigue[rows],
                cases.n_settled,
            ]
        )
        number = np.full(len(rows), day.number)
        return cls(day.rows[rows], number, felt, cases.cause.astype(np.int64), chances, features)
