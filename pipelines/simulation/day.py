"""One simulated day as a policy sees it, and what a policy answers.

The policy is handed the probabilities of a model that knows everything but which invoices are
stuck, off by a noise that stays: to train a model anew each day would take hours and teach nothing
about the decision. The cause hint is wrong or silent at times.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.cases import Cases
from pipelines.simulation.company import LAST_AGE, Company
from pipelines.simulation.paying import Outlook

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

FIRST_DAY = (date(2025, 1, 1) - date(1970, 1, 1)).days  # a year whose reference rates are known
_OPEN_CHANCE = 1e-9


@dataclass(frozen=True)
class Day:
    """What is open on a day: one row for each invoice, in the order of their numbers."""

    number: int  # from the start of the year
    company: Company
    rows: Rows  # which of the company's invoices
    age: Floats  # days past due
    outlook: Outlook  # what is truly to be expected if nothing is done
    boosted: Flags  # a contact is still at work
    last_contact: Days  # by row, with the customer
    done: Mapping[str, Days]  # by action and row
    fatigue: Floats  # by row: recent contacts of the customer
    disputed: Flags

    @cached_property
    def customer(self) -> Rows:
        return self.company.customer[self.rows]

    @cached_property
    def open_cents(self) -> Rows:
        return self.company.open_cents[self.rows]

    def true_late(self, horizon: int) -> Floats:
        """The chance to be paid more than so many days late, with no further action."""
        return np.where(self.age > horizon, 1.0, self.outlook.open_at(horizon))

    @cached_property
    def cases(self) -> Cases:
        """The cases as the product has them."""
        company, rows = self.company, self.rows
        late = {f"p_late_{h}": self._believed(self.true_late(h)) for h in (0, 30, 60, 90)}
        stays = self.outlook.days_open(LAST_AGE - self.age)
        return Cases.of(
            cause=company.hint[rows],
            customer=self.customer,
            segment=np.full(len(rows), -1),
            open_cents=self.open_cents,
            due_day=FIRST_DAY + company.due[rows],
            **late,
            p_unpaid_180=self._believed(self.true_late(LAST_AGE)),
            expected_days_late=self.age + stays * np.exp(0.5 * company.noise[rows]),
            disputed_cents=np.where(self.disputed, self.open_cents, 0),
            last_contact_day=self.last_contact,
            recent_contacts=self.fatigue,
            has_contract=company.has_contract[rows],
            has_delivery_proof=company.has_contract[rows],
            worst_signal=company.worst_signal[self.customer],
            n_settled=company.n_settled[self.customer],
            late30_share=company.late30_share[self.customer],
            done_day=self.done,
        )

    def _believed(self, chance: Floats) -> Floats:
        p = np.clip(chance, _OPEN_CHANCE, 1 - _OPEN_CHANCE)
        off = np.exp(self.company.noise[self.rows])
        return np.where(chance >= 1, 1.0, p * off / (1 - p + p * off))


class Orders(NamedTuple):
    """What is to be done: by customer the action, by row the one whose effect is to be expected."""

    action: Rows  # by customer of the company: places in the catalogue's enabled actions, 0 none
    effective: Rows  # by row; 0 where the action is not about it


class Policy(Protocol):
    """Whatever gives the orders of a day."""

    def orders(self, day: Day) -> Orders: ...


class DoNothing:
    """Nobody is ever contacted: what every policy is compared with."""

    def orders(self, day: Day) -> Orders:
        return Orders(np.zeros(day.company.customers, np.int64), np.zeros(len(day.rows), np.int64))
