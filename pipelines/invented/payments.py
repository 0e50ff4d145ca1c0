"""The money that moves: one block's payments and credit notes, and how each invoice ends."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.invented import temperaments as tempers
from pipelines.invented.customers import METHODS, Customers
from pipelines.invented.invoices import DISCOUNT_DAYS, Invoices, count_within
from pipelines.invented.paydays import Paydays
from pipelines.invented.settling import Intent
from pipelines.ledger import NEVER

CREDIT_REASONS = ("dispute", "rebate", "cancellation", "short_payment")


@dataclass(frozen=True)
class Payments:
    """One block's payments, a value per payment, in the order of customer, day, invoice."""

    customer: np.ndarray
    invoice: np.ndarray  # row in the block's invoices; -1: unallocated cash
    day: np.ndarray
    cents: np.ndarray
    discount_cents: np.ndarray
    returned_day: np.ndarray
    recorded_day: np.ndarray  # NEVER: not said
    number: np.ndarray  # 1, 2, ... within the customer


@dataclass(frozen=True)
class CreditNotes:
    """One block's credit notes, each on one invoice."""

    invoice: np.ndarray
    day: np.ndarray
    cents: np.ndarray
    reason: np.ndarray
    number: np.ndarray  # 1, 2, ... within the customer


@dataclass(frozen=True)
class Outcome:
    """How each invoice ended, a value per invoice."""

    settled_day: np.ndarray  # NEVER: not at all
    cancelled: np.ndarray  # by credit notes in full
    short: np.ndarray


@dataclass(frozen=True)
class _Manner:
    """In which manner each invoice is paid; an invoice has one manner at most."""

    bounced: np.ndarray  # first payment returned
    partial: np.ndarray
    short: np.ndarray
    discounted: np.ndarray
    rounded: np.ndarray
    over: np.ndarray
    twice: np.ndarray


@dataclass(frozen=True)
class _Flow:
    """One kind of movement, a value per invoice: whose, when and how much."""

    chosen: np.ndarray
    day: np.ndarray
    cents: np.ndarray
    discount_cents: np.ndarray | int = 0
    returned_day: np.ndarray | int = int(NEVER)
    reason: np.ndarray | int = 0

    def rows(self) -> np.ndarray:
        return np.flatnonzero(self.chosen & (self.day < NEVER))

    def __getitem__(self, name: str) -> np.ndarray:
        """The named values of the flow's own rows."""
        values = np.broadcast_to(getattr(self, name), self.day.shape)
        return np.asarray(values[self.rows()])


@dataclass(frozen=True)
class _Desk:
    """Where one block's invoices lie when the day comes on which their customers mean to pay."""

    rng: np.random.Generator
    customers: Customers
    invoices: Invoices
    intent: Intent
    settle: np.ndarray
    paydays: Paydays

    def business_day(self, day: np.ndarray) -> np.ndarray:
        return self.paydays.next_day(day, country=self.customers.country[self.invoices.customer])

    def payday(self, day: np.ndarray) -> np.ndarray:
        """The customer's next payment day, NEVER once it has stopped paying."""
        who = self.invoices.customer
        run, country = self.customers.run[who], self.customers.country[who]
        found = self.paydays.next_day(day, country=country, run=run)
        return np.where(found > self.customers.stop_day[who], NEVER, found)

    def days_between(self, low: int, high: int) -> np.ndarray:
        return self.rng.integers(low, high, len(self.settle))

    def share_of(self, cents: np.ndarray, low: float, high: float) -> np.ndarray:
        return np.asarray((cents * self.rng.uniform(low, high, len(cents))).astype(np.int64))


def draw(
    rng: np.random.Generator,
    customers: Customers,
    invoices: Invoices,
    intent: Intent,
    settle: np.ndarray,
    *,
    paydays: Paydays,
) -> tuple[Payments, CreditNotes, Outcome]:
    """All payments and credit notes, also after the ledger's end, and how each invoice ends."""
    desk = _Desk(rng, customers, invoices, intent, settle, paydays)
    credit, cancelled = _credit(desk)
    owed = invoices.cents - np.where(credit.chosen, credit.cents, 0)
    pays = ~cancelled & (settle < NEVER)
    manner = _manners(desk, free=~credit.chosen)

    part = _part(desk, manner.partial)
    bounced = _bounced(desk, manner.bounced & pays, owed)
    final_day = np.where(bounced.chosen, _paid_again(desk, bounced.returned_day), settle)
    rest, rest_is = _rest(desk, manner.short & pays, owed, final_day)
    left_out = np.where(manner.rounded, rng.integers(1, 100, len(owed)), 0)
    excess = np.where(manner.over, desk.share_of(owed, 0.01, 0.10), 0)
    discount = np.where(manner.discounted, owed // 50, 0)
    taken_off = left_out + discount + np.where(part.chosen, part.cents, 0)
    taken_off += np.where(rest.chosen, rest.cents, 0)
    final = _Flow(pays, final_day, owed - taken_off + excess, discount_cents=discount)
    twice = _Flow(
        manner.twice & pays, desk.business_day(final_day + desk.days_between(4, 15)), owed
    )

    by_payment = replace(rest, chosen=rest.chosen & (rest_is == "paid"))
    by_credit = replace(rest, chosen=rest.chosen & (rest_is == "credited"))
    settled = np.where(rest.chosen, np.where(rest_is == "lost", NEVER, rest.day), final_day)
    settled = np.where(cancelled, credit.day, settled).astype(np.int64)
    return (
        _payments(desk, (part, bounced, final, by_payment, twice)),
        _credit_notes(desk, (credit, by_credit)),
        Outcome(settled, cancelled, rest.chosen),
    )


def _credit(desk: _Desk) -> tuple[_Flow, np.ndarray]:
    """Credit notes that close a dispute, grant a rebate or cancel; and what they cancel."""
    rng, dispute, n = desk.rng, desk.intent.dispute, len(desk.settle)
    toss, undisputed = rng.random(n), dispute.opened >= NEVER
    rebate, cancellation = (toss < 0.012) & undisputed, (toss > 0.995) & undisputed
    closes = dispute.credited_share > 0
    soon = desk.invoices.issue_day + desk.days_between(2, 27)
    rebate_share = np.where(rebate, rng.uniform(0.03, 0.25, n), 0.0)
    share = np.select([closes, cancellation], [dispute.credited_share, 1.0], rebate_share)
    day = desk.business_day(np.where(closes, dispute.closed, soon))

    in_full = share == 1.0
    cancelled = in_full & (day < desk.settle)
    partly = (share > 0) & ~in_full & (day <= desk.settle) & (day < NEVER)
    return _Flow(
        cancelled | partly,
        day,
        np.rint(desk.invoices.cents * share).astype(np.int64),
        reason=np.select([closes, cancellation], [0, 2], 1),
    ), cancelled


def _manners(desk: _Desk, *, free: np.ndarray) -> _Manner:
    """How each invoice is paid, where it is `free` of credit notes: else it is just paid."""
    who, months, n = desk.invoices.customer, desk.intent.trouble_months, len(desk.settle)
    by_riba = desk.customers.method[who] == METHODS.index("riba")
    usual_part = tempers.trait("partial_share")[desk.customers.temperament[who]]
    in_time = desk.settle <= desk.invoices.issue_day + DISCOUNT_DAYS
    chances = {
        "bounced": np.where(by_riba, np.clip(0.02 + 0.08 * months, 0, 0.6), 0.0015),
        "discounted": np.where(in_time & desk.invoices.discounted, 1.0, 0.0),
        "partial": usual_part + np.clip(0.09 * months, 0, 0.5),
        "short": np.full(n, 0.012),
        "rounded": np.full(n, 0.015),
        "over": np.full(n, 0.004),
        "twice": np.full(n, 0.0015),
    }
    chosen = {}
    for name, chance in chances.items():
        chosen[name] = (desk.rng.random(n) < chance) & free
        free = free & ~chosen[name]
    return _Manner(**chosen)


def _part(desk: _Desk, wanted: np.ndarray) -> _Flow:
    """First parts, a week before the rest: booked three days late they still come first."""
    due = desk.invoices.due_business_day
    day = np.minimum(desk.settle - desk.days_between(9, 40), due + desk.days_between(0, 45))
    day = desk.payday(day)
    fits = (day > desk.invoices.issue_day) & (day <= desk.settle - 7) & (day < NEVER)
    return _Flow(wanted & fits, day, desk.share_of(desk.invoices.cents, 0.2, 0.7))


def _bounced(desk: _Desk, chosen: np.ndarray, owed: np.ndarray) -> _Flow:
    """Payments that the bank sends back a week after the day on which they were to settle."""
    back = desk.business_day(desk.settle + desk.days_between(5, 9))
    return _Flow(chosen, desk.settle, owed, returned_day=back)


def _paid_again(desk: _Desk, returned_day: np.ndarray | int) -> np.ndarray:
    """A returned payment is paid again: soon by the sound, much later or never by the others."""
    trouble = np.rint(12 * desk.intent.trouble_months).astype(np.int64)
    return desk.payday(returned_day + desk.days_between(2, 16) + trouble)


def _rest(
    desk: _Desk, wanted: np.ndarray, owed: np.ndarray, final_day: np.ndarray
) -> tuple[_Flow, np.ndarray]:
    """What a short payment leaves out, and whether it is paid in the end, credited or lost."""
    missing = desk.share_of(owed, 0.03, 0.10)
    tolerated = np.maximum(100, desk.invoices.cents // 200)  # 1.00, or 0.5 %: that would settle
    day = desk.business_day(final_day + desk.days_between(20, 75))
    day = np.where(day > desk.customers.stop_day[desk.invoices.customer], NEVER, day)
    rest_is = desk.rng.choice(["paid", "credited", "lost"], len(owed), p=[0.5, 0.3, 0.2])
    return _Flow(wanted & (missing > tolerated), day, missing, reason=3), rest_is


def _payments(desk: _Desk, flows: tuple[_Flow, ...]) -> Payments:
    invoice = np.concatenate([flow.rows() for flow in flows])
    names = ("day", "cents", "discount_cents", "returned_day")
    day, cents, discount, returned = (
        np.concatenate([flow[name] for flow in flows]) for name in names
    )
    customer = desk.invoices.customer[invoice]

    # Now and then a sum comes in with no reference and stays unallocated.
    stray = np.flatnonzero(desk.rng.random(len(invoice)) < 0.004)
    invoice = np.r_[invoice, np.full(len(stray), -1)]
    day, customer = np.r_[day, day[stray]], np.r_[customer, customer[stray]]
    cents = np.r_[cents, desk.share_of(cents[stray], 0.1, 0.6) + 1]
    discount = np.r_[discount, np.zeros(len(stray), np.int64)]
    returned = np.r_[returned, np.full(len(stray), NEVER)]

    says = (desk.rng.random(len(invoice)) < 0.35) & (returned >= NEVER)
    lag = desk.rng.choice(4, len(invoice), p=[0.35, 0.4, 0.15, 0.1])
    recorded = np.where(says, day + lag, NEVER)
    order = np.lexsort((invoice, day, customer))
    return Payments(
        customer=customer[order],
        invoice=invoice[order],
        day=day[order],
        cents=cents[order],
        discount_cents=discount[order],
        returned_day=returned[order],
        recorded_day=recorded[order],
        number=count_within(customer[order]),
    )


def _credit_notes(desk: _Desk, flows: tuple[_Flow, ...]) -> CreditNotes:
    invoice = np.concatenate([flow.rows() for flow in flows])
    day, cents, reason = (
        np.concatenate([flow[name] for flow in flows]) for name in ("day", "cents", "reason")
    )
    customer = desk.invoices.customer[invoice]
    order = np.lexsort((invoice, day, customer))
    number = count_within(customer[order])
    return CreditNotes(invoice[order], day[order], cents[order], reason[order], number)
