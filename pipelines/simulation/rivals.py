"""The rivals: how companies dun today, as policies of the simulation and of a log.

They keep the same peace, capacity and blocks as ours: no reminder about a disputed amount, none
within the quiet days, no more calls than a day holds; and whoever calls settles disputes first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.cases import NO_DAY
from models.catalogue import Catalogue
from pipelines.simulation.day import FIRST_DAY, Day, Orders

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Wish = tuple[Rows, Floats]  # by row: the action wanted (a place, 0 none), and how urgently

LADDER = (("reminder_1", 10), ("reminder_2", 25), ("final_reminder", 40))
CALLS = (25, 40)  # days past due at which the age rule calls
CALL_EVERY, DISPUTE_EVERY = 10, 10
LATE_LETTERS = 0.03  # current practice: the daily chance that somebody thinks of a late customer
LATE_FROM = 20


@dataclass(frozen=True)
class Rule:
    """A way of dunning: what is wanted for each row, then one contact for each customer."""

    catalogue: Catalogue
    wish: Callable[["Rule", Day], Wish]

    def place(self, code: str) -> int:
        return 1 + [action.code for action in self.catalogue.enabled].index(code)

    def orders(self, day: Day) -> Orders:
        wanted, urgency = self.wish(self, day)
        wanted = np.where(day.disputed, 0, wanted)
        dispute = self.place("dispute_resolution")
        settle = day.disputed & is_due(day, "dispute_resolution", DISPUTE_EVERY)
        wanted = np.where(settle, dispute, wanted)
        urgency = np.where(settle, np.inf, urgency)
        today, quiet = FIRST_DAY + day.number, self.catalogue.economics.quiet_days
        wanted = np.where(today - day.last_contact.astype(np.int64) < quiet, 0, wanted)

        action = np.zeros(day.company.customers, np.int64)
        left = {c: limit.amount for c, limit in self.catalogue.capacity.items()}
        order = np.lexsort((day.rows, -urgency))
        for row in order[wanted[order] > 0].tolist():
            whom, place = day.customer[row], int(wanted[row])
            doing = self.catalogue.enabled[place - 1]
            takes = 0.0
            if doing.channel in left:
                takes = self.catalogue.capacity[doing.channel].taken_by(doing)
            if action[whom] == 0 and takes <= left.get(doing.channel, np.inf):
                action[whom] = place
                if takes:
                    left[doing.channel] -= takes
        return Orders(action, self._about(day, action[day.customer], wanted, dispute))

    def _about(self, day: Day, action: Rows, wanted: Rows, dispute: int) -> Rows:
        """A call is about all that is overdue, a letter about what has come to its step."""
        call = (action == self.place("call")) & (day.age > 0) & ~day.disputed
        letter = (wanted > 0) & (action > 0) & (wanted != dispute) & (action != dispute)
        settled = (action == dispute) & (wanted == dispute)
        about: Rows = np.where(call | (letter & (wanted == action)) | settled, action, 0)
        lower = letter & ~call & (wanted != action) & (wanted != self.place("call"))
        return np.where(lower, wanted, about)


def is_due(day: Day, code: str, every: int | None = None) -> Flags:
    """Whether an action was never done for each row, or not for so many days."""
    done = day.done.get(code, np.full(len(day.rows), NO_DAY, np.int32)).astype(np.int64)
    due: Flags = done == NO_DAY
    if every is not None:
        due = due | (FIRST_DAY + day.number - done >= every)
    return due


def age_letters(rule: Rule, day: Day) -> Wish:
    """Letters at +10, +25 and +40, the highest step first."""
    wanted = np.zeros(len(day.rows), np.int64)
    for code, from_day in LADDER:
        wanted = np.where((day.age >= from_day) & is_due(day, code), rule.place(code), wanted)
        wanted = np.where(~is_due(day, code), 0, wanted)
    return wanted, wanted + day.age / 1000


def age_calls(rule: Rule, day: Day) -> Wish:
    """The same letters, with calls at +25 and +40 for the oldest."""
    wanted, _ = age_letters(rule, day)
    calls = np.zeros(len(day.rows), np.bool_)
    for at in CALLS:
        calls |= (day.age >= at) & (day.age < at + 10) & is_due(day, "call", CALL_EVERY)
    return np.where(calls, rule.place("call"), wanted), day.age


def call_largest(rule: Rule, day: Day) -> Wish:
    """Whoever owes most is called."""
    return _called(rule, day, _by_customer(day, day.open_cents.astype(np.float64)))


def call_riskiest(rule: Rule, day: Day) -> Wish:
    """Whoever is likeliest to stay unpaid is called."""
    return _called(rule, day, day.cases.p_unpaid_180)


def current_practice(rule: Rule, day: Day) -> Wish:
    """Late letters, when somebody thinks of it; the same luck whatever was done before."""
    luck = np.random.default_rng([day.company.seed, 7, day.number]).random(day.company.customers)
    wanted, _ = age_letters(rule, day)
    remembered = (luck[day.customer] < LATE_LETTERS) & (day.age > LATE_FROM)
    return np.where(remembered, wanted, 0), luck[day.customer]


RULES: Mapping[str, Callable[[Rule, Day], Wish]] = {
    "current_practice": current_practice,
    "age_letters": age_letters,
    "age_calls": age_calls,
    "call_largest": call_largest,
    "call_riskiest": call_riskiest,
}


def _called(rule: Rule, day: Day, urgency: Floats) -> Wish:
    """Calls about what is overdue by the days from which the catalogue lets it be called about."""
    from_day = rule.catalogue.action("call").from_day or 1
    wanted = (day.age >= from_day) & is_due(day, "call", CALL_EVERY)
    return np.where(wanted, rule.place("call"), 0), urgency


def _by_customer(day: Day, amount: Floats) -> Floats:
    """What each row's customer has overdue."""
    overdue = np.where(day.age > 0, amount, 0.0)
    total = np.bincount(day.customer, weights=overdue, minlength=day.company.customers)
    by_row: Floats = total.astype(np.float64)[day.customer]
    return by_row
