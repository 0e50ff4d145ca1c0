"""Paying: the chance by age that an invoice is paid, and what follows from it in closed form."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.simulation.company import LAST_AGE, PAYING_DAYS, STUCK_RATE, Company, trait

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

BOOST_DAYS = 14  # how long a contact moves the daily chance
SPAN_DAYS = 90  # days gained are counted up to here, as the log of actions counts them


@dataclass(frozen=True)
class Flow:
    """The daily chances of some invoices: three stretches of age, each with its own."""

    start: Floats
    before: Floats
    within: Floats
    after: Floats

    @classmethod
    def of(cls, company: Company) -> "Flow":
        rates = (trait(name)[company.kind_of_row] for name in ("before", "within", "after"))
        return cls(company.start, *rates)

    def take(self, rows: Rows) -> "Flow":
        return Flow(self.start[rows], self.before[rows], self.within[rows], self.after[rows])

    def passed(self, age: npt.ArrayLike) -> Floats:
        """The chance accumulated up to an age; only differences mean something."""
        since = np.asarray(age, np.float64) - self.start
        early, usual = np.minimum(since, 0), np.clip(since, 0, PAYING_DAYS)
        late = np.maximum(since - PAYING_DAYS, 0)
        summed: Floats = self.before * early + self.within * usual + self.after * late
        return summed

    def open_for(self, age: Floats, until: npt.ArrayLike) -> Floats:
        """The chance to be open at a later age, open at `age`; 1 for an earlier one."""
        later = np.maximum(age, until)
        return np.exp(self.passed(age) - self.passed(later))

    def days_open(self, age: Floats, span: npt.ArrayLike) -> Floats:
        """How many of the next days it is expected to stay open."""
        end = age + np.maximum(span, 0)
        second = np.clip(self.start, age, end)
        third = np.clip(self.start + PAYING_DAYS, age, end)
        days, left = np.zeros(len(age)), np.ones(len(age))
        for rate, length in (
            (self.before, second - age),
            (self.within, third - second),
            (self.after, end - third),
        ):
            stays = np.exp(-rate * length)
            days += left * (1 - stays) / rate
            left *= stays
        return days


@dataclass(frozen=True)
class Outlook:
    """What is to be expected of invoices of some age, left alone or moved by an action."""

    flow: Flow
    age: Floats
    stuck: Floats  # the chance that it is stuck

    def open_at(self, age: npt.ArrayLike) -> Floats:
        """The chance that it is open at an age if nothing is done."""
        waits = np.maximum(np.asarray(age) - self.age, 0)
        flows = self.flow.open_for(self.age, age)
        open_at: Floats = (1 - self.stuck) * flows + self.stuck * np.exp(-STUCK_RATE * waits)
        return open_at

    def days_open(self, span: npt.ArrayLike) -> Floats:
        """How many of the next days it stays open if nothing is done."""
        days: Floats = (1 - self.stuck) * self.flow.days_open(self.age, span)
        return days + self.stuck * _days_stuck(span)

    def changed(self, boost: Floats, freed: Floats) -> tuple[Floats, Floats]:
        """Days gained and the share by which the risk of staying unpaid falls.

        `boost` multiplies the daily chance for BOOST_DAYS, `freed` is the chance that a stuck one
        comes free. Inside the boost the gain is taken to grow evenly: low by up to a sixth.
        """
        alone = self._alone
        sooner = 1 - np.exp(-(boost - 1) * alone.moved)
        flowing = sooner * alone.later
        let_go = np.maximum(_days_stuck(SPAN_DAYS) - alone.days + flowing, 0)
        days = (1 - self.stuck) * flowing + self.stuck * freed * let_go
        left = alone.left * (1 - sooner)
        after = (1 - self.stuck) * left + self.stuck * (freed * left + (1 - freed) * alone.stays)
        return days, 1 - after / np.maximum(alone.unpaid, 1e-12)

    @cached_property
    def _alone(self) -> "_Alone":
        end = self.age + BOOST_DAYS
        moved = self.flow.passed(end) - self.flow.passed(self.age)
        days = self.flow.days_open(self.age, SPAN_DAYS)
        first = self.flow.days_open(self.age, BOOST_DAYS)
        return _Alone(
            moved=moved,
            days=days,
            later=days - first + BOOST_DAYS / 2 * np.exp(-moved),
            unpaid=self.open_at(LAST_AGE),
            left=self.flow.open_for(self.age, LAST_AGE),
            stays=np.exp(-STUCK_RATE * np.maximum(LAST_AGE - self.age, 0)),
        )


class _Alone(NamedTuple):
    """What every action is compared with: an invoice left alone, flowing or stuck."""

    moved: Floats  # the chance that accumulates in BOOST_DAYS
    days: Floats  # open within SPAN_DAYS
    later: Floats  # days to be gained by a payment inside the boost
    unpaid: Floats  # the risk to be open at LAST_AGE
    left: Floats  # the same if it flows ...
    stays: Floats  # ... and if it is stuck


def _days_stuck(span: npt.ArrayLike) -> Floats:
    days: Floats = -np.expm1(-STUCK_RATE * np.maximum(span, 0)) / STUCK_RATE
    return days
