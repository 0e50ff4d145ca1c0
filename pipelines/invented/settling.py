"""When the invented customers would settle if nobody wrote to them: delays, troubles, disputes."""

from dataclasses import dataclass

import numpy as np

from pipelines.invented import temperaments as tempers
from pipelines.invented.customers import METHODS, Customers
from pipelines.invented.invoices import Invoices
from pipelines.invented.paydays import Paydays
from pipelines.ledger import NEVER

DISPUTE_REASONS = ("price", "quantity", "quality", "missing_document", "not_received", "other")
OUTCOMES = ("accepted", "partly_accepted", "rejected")
AUGUST = 7  # months count from 0
AUGUST_DAYS = 4.0  # Italian offices close: everyone pays a little later
CATCH_UP_MONTHS = 9.0  # who comes out of its troubles is back to its habits after these


@dataclass(frozen=True)
class Dispute:
    """One block's disputes, a value per invoice; NEVER where there is none."""

    opened: np.ndarray
    closed: np.ndarray
    reason: np.ndarray
    outcome: np.ndarray
    credited_share: np.ndarray  # of the invoice, by the credit note that closes it


@dataclass(frozen=True)
class Intent:
    """One block's intended settlements, a value per invoice."""

    settle_day: np.ndarray
    forgotten: np.ndarray
    in_trouble: np.ndarray
    trouble_months: np.ndarray
    dispute: Dispute


def draw(
    rng: np.random.Generator, customers: Customers, invoices: Invoices, *, paydays: Paydays
) -> Intent:
    """When each invoice would be settled without any contact."""
    who = invoices.customer
    n = len(who)
    due = invoices.due_business_day
    delay = customers.delay_days[who] + _mood(rng, customers, invoices)
    delay += tempers.trait("noise_days")[customers.temperament[who]] * rng.standard_normal(n)
    delay += 1.2 * invoices.size  # a larger invoice waits a little longer
    delay += _season(customers, invoices)
    forgotten = rng.random(n) < tempers.trait("forgotten_share")[customers.temperament[who]]
    delay += np.where(forgotten, 8.0 + rng.exponential(42.0, n), 0.0)

    months = _trouble_months(customers, invoices)
    delay += months * customers.slope_days[who] * np.exp(0.35 * rng.standard_normal(n))
    collected = customers.method[who] == METHODS.index(
        "riba"
    )  # the bank presents it on the due day
    delay = np.where(collected & ~forgotten & (months == 0), 0.0, delay)

    earliest = invoices.issue_day + 1
    wished = np.maximum(due + np.rint(delay).astype(np.int64), earliest)
    # Half the discounts on offer are taken, some days before they end: holidays may follow.
    prompt = invoices.discounted & (months == 0) & (rng.random(n) < 0.5)
    wished = np.where(prompt, invoices.issue_day + rng.integers(3, 8, n), wished)
    settle = paydays.next_day(wished, country=customers.country[who], run=customers.run[who])
    settle = np.where(settle > customers.stop_day[who], NEVER, settle)

    dispute = _disputes(rng, customers, invoices, settle)
    reply = paydays.next_day(
        dispute.closed + 2 + rng.integers(0, 9, n),
        country=customers.country[who],
        run=customers.run[who],
    )
    settle = np.where(dispute.opened < NEVER, np.maximum(settle, reply), settle)
    return Intent(settle.astype(np.int64), forgotten, months > 0, months, dispute)


def _mood(rng: np.random.Generator, customers: Customers, invoices: Invoices) -> np.ndarray:
    """Monthly shocks of each customer that fade: what the last delays say about the next."""
    month = _month(invoices.due_day)
    month = month - month.min()
    n_customers = len(customers.number)
    shocks = rng.standard_normal(
        (240, n_customers)
    )  # 20 years: the same draws for any length of ledger
    size = tempers.trait("mood_days")[customers.temperament]
    mood = np.empty_like(shocks[: month.max() + 1])
    mood[0] = shocks[0] * size
    for m in range(1, len(mood)):
        mood[m] = 0.75 * mood[m - 1] + 0.66 * shocks[m] * size
    return np.asarray(mood[month, invoices.customer])


def _season(customers: Customers, invoices: Invoices) -> np.ndarray:
    month = _month(invoices.due_day) % 12
    angle = 2 * np.pi * (month - customers.season_month[invoices.customer]) / 12
    own = customers.season_days[invoices.customer] * np.maximum(np.cos(angle), 0.0) ** 2
    return np.asarray(own + np.where(month == AUGUST, AUGUST_DAYS, 0.0))


def _trouble_months(customers: Customers, invoices: Invoices) -> np.ndarray:
    """Months of trouble that weigh on each invoice; they fade where the customer recovers."""
    since = (invoices.due_business_day - customers.onset_day[invoices.customer]) / 30.44
    recovers = customers.stop_day[invoices.customer] == NEVER
    weigh = np.where(recovers, np.minimum(since, np.maximum(CATCH_UP_MONTHS - since, 0.0)), since)
    return np.asarray(np.clip(weigh, 0.0, 12.0))


def _disputes(
    rng: np.random.Generator, customers: Customers, invoices: Invoices, settle: np.ndarray
) -> Dispute:
    n = len(settle)
    chance = tempers.trait("dispute_share")[customers.temperament[invoices.customer]]
    window = invoices.due_business_day + 12 - invoices.issue_day
    opened = invoices.issue_day + 3 + (rng.random(n) * window).astype(np.int64)
    disputed = (rng.random(n) < chance) & (opened < settle)

    long = rng.random(n) < 0.10
    lasts = 6 + rng.gamma(2.0, 11.0, n) + np.where(long, rng.exponential(150.0, n), 0.0)
    outcome = rng.choice(3, n, p=[0.15, 0.45, 0.40])
    share = np.select([outcome == 0, outcome == 1], [1.0, rng.uniform(0.05, 0.35, n)], 0.0)
    return Dispute(
        opened=np.where(disputed, opened, NEVER),
        closed=np.where(disputed, opened + lasts.astype(np.int64), NEVER),
        reason=rng.choice(6, n, p=[0.22, 0.18, 0.20, 0.18, 0.14, 0.08]),
        outcome=outcome,
        credited_share=np.where(disputed, share, 0.0),
    )


def _month(day: np.ndarray) -> np.ndarray:
    """Months since January 1970."""
    return np.asarray(day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
