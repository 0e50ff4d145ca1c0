"""The money that moves: one block's payments and credit notes, and how each invoice ends."""

from dataclasses import dataclass

import numpy as np

from pipelines.invented import temperaments as tempers
from pipelines.invented.customers import METHODS, Customers
from pipelines.invented.invoices import Invoices, count_within
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
    n = len(settle)
    who, country = invoices.customer, customers.country[invoices.customer]
    run = customers.run[who]
    credit_share, credit_day, credit_reason = _credits(rng, invoices, intent, settle)
    credit_day = np.where(credit_day < NEVER, paydays.next_day(credit_day, country=country), NEVER)
    cancelled = (credit_share == 1.0) & (credit_day < settle)
    credited = (credit_share > 0) & (cancelled | ((credit_share < 1.0) & (credit_day <= settle)))
    credit_cents = np.where(credited, np.rint(invoices.cents * credit_share).astype(np.int64), 0)

    manner = _manners(rng, customers, invoices, intent, free=~credited, settle=settle)
    owed = invoices.cents - credit_cents
    paid = settle < NEVER

    # A part comes a week before the rest: booking is up to three days late and never swaps them.
    part_day = paydays.next_day(
        np.minimum(
            settle - rng.integers(9, 40, n), invoices.due_business_day + rng.integers(0, 45, n)
        ),
        country=country,
        run=run,
    )
    partial = manner.partial & (part_day > invoices.issue_day) & (part_day <= settle - 7)
    partial &= part_day <= customers.stop_day[who]
    part_cents = np.where(partial, (invoices.cents * rng.uniform(0.2, 0.7, n)).astype(np.int64), 0)

    # A returned payment is paid again: soon by the sound, much later or never by the others.
    bounced = manner.bounced & paid
    returned_day = paydays.next_day(settle + rng.integers(5, 9, n), country=country)
    again = returned_day + rng.integers(2, 16, n) + np.rint(12 * intent.trouble_months).astype(int)
    again_day = paydays.next_day(again, country=country, run=run)
    again_day = np.where(again_day > customers.stop_day[who], NEVER, again_day)
    final_day = np.where(bounced, again_day, settle)

    missing = np.where(manner.short, (owed * rng.uniform(0.03, 0.10, n)).astype(np.int64), 0)
    missing = np.where(missing > _tolerance(invoices.cents), missing, 0)
    short = (missing > 0) & paid
    how = rng.choice(3, n, p=[0.5, 0.3, 0.2])  # the rest: paid, credited, never
    rest_day = paydays.next_day(final_day + rng.integers(20, 75, n), country=country)
    rest_day = np.where(rest_day > customers.stop_day[who], NEVER, rest_day)
    cents_left_out = np.where(manner.rounded, np.minimum(rng.integers(1, 100, n), owed - 1), 0)
    excess = np.where(manner.over, (owed * rng.uniform(0.01, 0.10, n)).astype(np.int64), 0)
    discount = np.where(manner.discounted, (owed * 0.02).astype(np.int64), 0)
    final_cents = (
        owed - part_cents - np.where(short, missing, 0) - cents_left_out + excess - discount
    )
    twice_day = paydays.next_day(final_day + rng.integers(4, 15, n), country=country)

    pays = ~cancelled
    zero = np.zeros(n, np.int64)
    never = np.full(n, NEVER, np.int64)
    groups = (
        (partial & pays, part_day, part_cents, zero, never),
        (bounced & pays, settle, owed, zero, returned_day),
        (paid & pays, final_day, final_cents, discount, never),
        (short & (how == 0) & pays, rest_day, missing, zero, never),
        (manner.twice & paid & pays, twice_day, owed, zero, never),
    )
    payments = _payments(rng, customers, invoices, groups)
    notes = _credit_notes(
        invoices,
        (credited, credit_day, credit_cents, credit_reason),
        (short & (how == 1) & pays, rest_day, missing, np.full(n, 3)),
    )
    settled = np.where(short, np.where(how == 2, NEVER, rest_day), final_day)
    settled = np.where(cancelled, credit_day, settled)
    return payments, notes, Outcome(settled.astype(np.int64), cancelled, short)


def _tolerance(cents: np.ndarray) -> np.ndarray:
    """What may be left open on a settled invoice: 1.00, or 0.5 % of its amount."""
    return np.asarray(np.maximum(100, cents // 200))


def _credits(
    rng: np.random.Generator, invoices: Invoices, intent: Intent, settle: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share credited, wished day and reason: after a dispute, as a rebate, or in full."""
    n = len(settle)
    toss = rng.random(n)
    soon = invoices.issue_day + 2 + rng.integers(0, 25, n)
    by_dispute = intent.dispute.credited_share > 0
    undisputed = intent.dispute.opened >= NEVER
    rebate = (toss < 0.012) & undisputed
    cancellation = (toss > 0.995) & undisputed
    share = np.select(
        [by_dispute, rebate, cancellation],
        [intent.dispute.credited_share, rng.uniform(0.03, 0.25, n), 1.0],
        0.0,
    )
    day = np.select([by_dispute, rebate | cancellation], [intent.dispute.closed, soon], NEVER)
    return share, day.astype(np.int64), np.where(by_dispute, 0, np.where(cancellation, 2, 1))


def _manners(
    rng: np.random.Generator,
    customers: Customers,
    invoices: Invoices,
    intent: Intent,
    *,
    free: np.ndarray,
    settle: np.ndarray,
) -> _Manner:
    n = len(settle)
    who = invoices.customer
    months = intent.trouble_months
    by_riba = customers.method[who] == METHODS.index("riba")
    bounce = np.where(by_riba, np.clip(0.02 + 0.08 * months, 0, 0.6), 0.0015)
    part = tempers.trait("partial_share")[customers.temperament[who]] + np.clip(
        0.09 * months, 0, 0.5
    )
    early = settle <= invoices.issue_day + 12
    chances = (
        bounce,
        part,
        np.full(n, 0.012),
        np.where(early, 0.35, 0.0),
        np.full(n, 0.015),
        np.full(n, 0.004),
        np.full(n, 0.0015),
    )
    toss = rng.random((len(chances), n))
    taken = ~free
    chosen = []
    for chance, own in zip(chances, toss, strict=True):
        hit = (own < chance) & ~taken
        taken = taken | hit
        chosen.append(hit)
    return _Manner(*chosen)


def _payments(
    rng: np.random.Generator,
    customers: Customers,
    invoices: Invoices,
    groups: tuple[tuple[np.ndarray, ...], ...],
) -> Payments:
    rows = [np.flatnonzero(chosen & (day < NEVER)) for chosen, day, *_ in groups]
    invoice = np.concatenate(rows)
    day, cents, discount, returned = (
        np.concatenate([group[k][row] for group, row in zip(groups, rows, strict=True)])
        for k in range(1, 5)
    )
    customer = invoices.customer[invoice]

    # Now and then a sum comes in with no reference and stays unallocated.
    stray = np.flatnonzero(rng.random(len(invoice)) < 0.004)
    stray_cents = (cents[stray] * rng.uniform(0.1, 0.6, len(stray))).astype(np.int64) + 1
    invoice = np.r_[invoice, np.full(len(stray), -1)]
    day, customer = np.r_[day, day[stray]], np.r_[customer, customer[stray]]
    cents, discount = np.r_[cents, stray_cents], np.r_[discount, 0 * stray]
    returned = np.r_[returned, np.full(len(stray), NEVER)]

    says = (rng.random(len(invoice)) < 0.35) & (returned >= NEVER)
    booked = np.where(says, day + rng.choice(4, len(invoice), p=[0.35, 0.4, 0.15, 0.1]), NEVER)
    order = np.lexsort((invoice, day, customer))
    number = count_within(customer[order])
    return Payments(
        customer=customer[order],
        invoice=invoice[order],
        day=day[order],
        cents=cents[order],
        discount_cents=discount[order],
        returned_day=returned[order],
        recorded_day=booked[order],
        number=number,
    )


def _credit_notes(invoices: Invoices, *groups: tuple[np.ndarray, ...]) -> CreditNotes:
    rows = [np.flatnonzero(chosen & (day < NEVER)) for chosen, day, *_ in groups]
    invoice = np.concatenate(rows)
    day, cents, reason = (
        np.concatenate([group[k][row] for group, row in zip(groups, rows, strict=True)])
        for k in range(1, 4)
    )
    order = np.lexsort((invoice, day, invoices.customer[invoice]))
    number = count_within(invoices.customer[invoice[order]])
    return CreditNotes(invoice[order], day[order], cents[order], reason[order], number)
