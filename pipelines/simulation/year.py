"""A year of a policy, day by day: who is contacted, who pays when, and what it all costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.cases import NO_DAY
from models.catalogue import Catalogue
from pipelines.simulation.company import (
    CAUSES,
    LAST_AGE,
    OPEN_DISPUTES,
    STUCK_RATE,
    TERMS_DAYS,
    YEAR_DAYS,
    Company,
    trait,
)
from pipelines.simulation.day import FIRST_DAY, Day, Orders, Policy
from pipelines.simulation.paying import BOOST_DAYS, Flow, Outlook
from pipelines.simulation.reactions import FATIGUE_EUR, Reactions

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CONCESSION_DAYS = 30  # an offer of less is good for so long
WORKING_DAYS = 5  # of seven


@dataclass(frozen=True)
class Outcome:
    """What came of a year."""

    settled_age: Floats  # by invoice, at most LAST_AGE ...
    lost: Flags  # ... which is where it counts as lost
    settled_day: Floats  # from the start of the year; infinite where lost
    cost_eur: float
    relationship_eur: float
    given_up_eur: float  # concessions and success fees on what was paid
    contacts: int
    actions: Mapping[str, int]
    most_used: Mapping[str, float]  # by limited channel: its fullest day


def run(
    company: Company,
    reactions: Reactions,
    catalogue: Catalogue,
    policy: Policy,
    *,
    days: int = YEAR_DAYS,
) -> Outcome:
    """The policy's year; after it nobody is contacted, and what is open goes its own way."""
    course = _Course(company, reactions, catalogue)
    for number in range(days):
        day = course.open_on(number)
        if number % 7 < WORKING_DAYS and len(day.rows):
            course.carry_out(day, policy.orders(day))
        course.pass_night(day)
    while len((day := course.open_on(course.today)).rows):
        course.pass_night(day)
    return course.outcome()


@dataclass
class _Course:
    """The state of a year that is being lived."""

    company: Company
    reactions: Reactions
    catalogue: Catalogue
    today: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    cost_eur: float = 0.0
    relationship_eur: float = 0.0
    contacts: int = 0

    def __post_init__(self) -> None:
        company, n = self.company, len(self.company.customer)
        self.flow = Flow.of(company)
        self.settled = np.full(n, np.inf)
        self.passed, self.freeing = np.zeros(n), np.zeros(n)  # chances accumulated
        self.stuck = company.stuck.copy()
        self.boost, self.boost_until = np.ones(n), np.zeros(n)
        self.fee, self.fee_until, self.given_up = np.zeros(n), np.zeros(n), np.zeros(n)
        # what a model would know: how likely each is stuck, given what was done and its silence
        told = np.where(company.disputed, 1.0, _hidden(company))
        self.flowing, self.held = 1 - told, told
        self.last_contact = np.full(company.customers, NO_DAY)
        self.fatigue = np.zeros(company.customers)
        self.done: dict[str, npt.NDArray[np.int32]] = {}
        self.most_used = dict.fromkeys(self.catalogue.capacity, 0.0)

    def open_on(self, number: int) -> Day:
        company = self.company
        age = number - company.due
        is_open = (age >= -TERMS_DAYS) & (age < LAST_AGE) & np.isinf(self.settled)
        rows = np.flatnonzero(is_open)
        held = self.held[rows] / np.maximum(self.held[rows] + self.flowing[rows], 1e-300)
        customer = company.customer[rows]
        return Day(
            number=number,
            company=company,
            rows=rows,
            age=age[rows].astype(np.float64),
            outlook=Outlook(self.flow.take(rows), age[rows].astype(np.float64), held),
            boosted=self.boost_until[rows] > number,
            last_contact=self.last_contact[customer].astype(np.int32),
            done={code: day[rows] for code, day in self.done.items()},
            fatigue=self.fatigue[customer],
            disputed=company.disputed[rows] & self.stuck[rows],
        )

    def carry_out(self, day: Day, orders: Orders) -> None:
        self._pay_for(day, orders)
        moved = orders.effective > 0
        rows, place = day.rows[moved], orders.effective[moved]
        company, customer = self.company, self.company.customer[rows]
        strength = self.reactions.liking[customer, place] * self.reactions.heard(
            self.fatigue[customer]
        )
        boost, freed = self.reactions.of(place, company.kind[customer], strength)
        at_work = np.where(self.boost_until[rows] > day.number, self.boost[rows], 1.0)
        self.boost[rows] = np.where(boost >= 1, np.maximum(boost, at_work), boost)
        self.boost_until[rows] = day.number + BOOST_DAYS
        self.freeing[rows] -= np.log1p(-freed)
        self.stuck[rows] &= self.freeing[rows] < company.freed_at[rows]
        self.flowing[rows] += self.held[rows] * freed
        self.held[rows] *= 1 - freed
        self._note(day, orders)

    def pass_night(self, day: Day) -> None:
        """Who pays: each open invoice's chance accumulates until it reaches its own luck."""
        rows, flow = day.rows, day.outlook.flow
        chance = flow.passed(day.age + 1) - flow.passed(day.age)
        chance *= np.where(self.boost_until[rows] > day.number, self.boost[rows], 1.0)
        self.flowing[rows] *= np.exp(-chance)
        self.held[rows] *= np.exp(-STUCK_RATE)
        self.passed[rows] += np.where(self.stuck[rows], STUCK_RATE, chance)
        # a dispute is seen while it lasts: once it is settled, so is the doubt
        over = self.company.disputed[rows] & ~self.stuck[rows]
        self.held[rows[over]] = 0.0
        self.flowing[rows[over]] = 1.0
        paid = rows[self.passed[rows] >= self.company.pays_at[rows]]
        self.settled[paid] = day.number + 1
        offered = np.where(self.fee_until[paid] > day.number, self.fee[paid], 0.0)
        self.given_up[paid] = offered * self.company.open_cents[paid] / 100
        self.fatigue *= 0.5 ** (1 / self.catalogue.economics.forgotten_days)
        self.today = day.number + 1

    def outcome(self) -> Outcome:
        lost = np.isinf(self.settled)
        return Outcome(
            settled_age=np.where(lost, LAST_AGE, self.settled - self.company.due),
            lost=lost,
            settled_day=self.settled,
            cost_eur=self.cost_eur,
            relationship_eur=self.relationship_eur,
            given_up_eur=float(self.given_up.sum()),
            contacts=self.contacts,
            actions=dict(sorted(self.actions.items())),
            most_used=dict(self.most_used),
        )

    def _pay_for(self, day: Day, orders: Orders) -> None:
        """What the day's actions cost: once for each customer."""
        about = orders.effective > 0
        late = np.zeros(self.company.customers)
        np.maximum.at(late, day.customer[about], day.true_late(30)[about])
        used = dict.fromkeys(self.most_used, 0.0)
        for place, action in enumerate(self.catalogue.enabled, start=1):
            whom = np.flatnonzero(orders.action == place)
            if not len(whom):
                continue
            self.actions[action.code] = self.actions.get(action.code, 0) + len(whom)
            self.cost_eur += action.cost_eur * len(whom)
            self.relationship_eur += action.relationship_eur * float((1 - late[whom]).sum())
            if action.contact:
                self.contacts += len(whom)
                self.relationship_eur += FATIGUE_EUR * float(self.fatigue[whom].sum())
            if action.channel in used:
                limit = self.catalogue.capacity[action.channel]
                used[action.channel] += len(whom) * limit.taken_by(action)
        for channel, amount in used.items():
            self.most_used[channel] = max(self.most_used[channel], amount)

    def _note(self, day: Day, orders: Orders) -> None:
        """What was done, for the rules that look back."""
        for place, action in enumerate(self.catalogue.enabled, start=1):
            rows = day.rows[orders.effective == place]
            if len(rows):
                if action.code not in self.done:
                    self.done[action.code] = np.full(len(self.settled), NO_DAY, np.int32)
                self.done[action.code][rows] = FIRST_DAY + day.number
                if action.success_fee:
                    self.fee[rows], self.fee_until[rows] = action.success_fee, np.inf
                elif action.concession_share:
                    self.fee[rows] = action.concession_share
                    self.fee_until[rows] = day.number + CONCESSION_DAYS
            whom = orders.action == place
            if action.contact and whom.any():
                self.last_contact[whom] = FIRST_DAY + day.number
                self.fatigue[whom] += 1


def _hidden(company: Company) -> Floats:
    """The share of stuck invoices among those of which no dispute is seen."""
    share = trait("stuck_share")[company.kind_of_row]
    paperwork = np.array(CAUSES)[company.kind_of_row] == "administrative"
    seen = np.where(paperwork, OPEN_DISPUTES, 0.0)
    hidden: Floats = share * (1 - seen) / (1 - share * seen)
    return hidden
