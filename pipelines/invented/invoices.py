"""What the invented company bills: one block's invoices with their terms, due dates and amounts."""

from dataclasses import dataclass

import numpy as np

from pipelines.invented.customers import Customers
from pipelines.invented.paydays import Paydays


@dataclass(frozen=True)
class Terms:
    """Payment terms as an invoice prints them."""

    code: str
    days: int
    end_of_month: bool = False
    instalments: int = 1  # every 30 days


TERMS = (
    Terms("30DF", 30),
    Terms("60DF", 60),
    Terms("90DF", 90),
    Terms("30FM", 30, end_of_month=True),
    Terms("60FM", 60, end_of_month=True),
    Terms("90FM", 90, end_of_month=True),
    Terms("30-60-90FM", 30, end_of_month=True, instalments=3),
)
MOST_IN_A_MONTH = 120  # of one customer
SMALLEST_CENTS = 2_500
DISCOUNT_PCT, DISCOUNT_DAYS = 2.0, 10  # for prompt payment
SPLIT_FROM_CENTS = 150_000  # smaller invoices are due in one go


@dataclass(frozen=True)
class Invoices:
    """One block's invoices, one row per instalment, sorted by customer and issue day."""

    customer: np.ndarray  # row in the block's customers
    document: np.ndarray  # 1, 2, ... within the customer; instalments share it
    line: np.ndarray  # 1, 2, ... within the customer
    instalment: np.ndarray
    terms: np.ndarray
    terms_days: np.ndarray
    issue_day: np.ndarray
    due_day: np.ndarray
    due_business_day: np.ndarray
    cents: np.ndarray
    discounted: np.ndarray  # offers a discount for prompt payment
    size: np.ndarray  # log amount, in standard deviations of the customer's own


def draw(
    rng: np.random.Generator, customers: Customers, *, until: int, paydays: Paydays
) -> Invoices:
    """The invoices that these customers received up to `until`."""
    customer, issue_day = _issued(rng, customers, until=until, paydays=paydays)
    n = len(customer)
    terms = np.where(rng.random(n) < 0.06, rng.integers(0, 6, n), customers.terms[customer])
    size = rng.standard_normal(n)
    eur = customers.usual_eur[customer] * np.exp(0.8 * size)
    cents = np.maximum(np.rint(eur * 100).astype(np.int64), SMALLEST_CENTS)
    document = count_within(customer)

    instalments = np.array([t.instalments for t in TERMS])[terms]
    instalments = np.where(cents >= SPLIT_FROM_CENTS, instalments, 1)
    row = np.repeat(np.arange(n), instalments)
    instalment = count_within(row)
    cents = _share(cents[row], parts=instalments[row], part=instalment)

    terms_days = np.array([t.days for t in TERMS])[terms[row]] + 30 * (instalment - 1)
    due_day = issue_day[row] + terms_days
    to_month_end = np.array([t.end_of_month for t in TERMS])[terms[row]]
    due_day = np.where(to_month_end, _month_end(due_day), due_day)
    return Invoices(
        customer=customer[row],
        document=document[row],
        line=count_within(customer[row]),
        instalment=instalment,
        terms=terms[row],
        terms_days=terms_days,
        issue_day=issue_day[row],
        due_day=due_day,
        due_business_day=paydays.next_day(due_day, country=customers.country[customer[row]]),
        cents=cents,
        discounted=customers.takes_discounts[customer[row]] & (terms[row] == 0),
        size=size[row],
    )


def _issued(
    rng: np.random.Generator, customers: Customers, *, until: int, paydays: Paydays
) -> tuple[np.ndarray, np.ndarray]:
    """Customer row and issue day of each document, sorted by both."""
    months = (until - customers.first_day + 1) / 30.44
    most = np.where(customers.is_a("newcomer"), 5, np.ceil(MOST_IN_A_MONTH * months))
    count = np.clip(rng.poisson(customers.rate * months), 1, most).astype(np.int64)
    customer = np.repeat(np.arange(len(count)), count)

    span = until - customers.first_day[customer] + 1
    day = customers.first_day[customer] + (rng.random(len(customer)) * span).astype(np.int64)
    # A third of the bills leave at the end of the month; holidays move a bill to the next day.
    day = np.where(rng.random(len(day)) < 0.35, _month_end(day), day)
    day = np.minimum(day, until)
    rolled = paydays.next_day(day, country=customers.country[customer])
    day = np.where(rolled <= until, rolled, day)

    # Who is in trouble is supplied less, and no more once it has stopped paying.
    in_trouble = day > customers.onset_day[customer] + 100
    stopped = day > customers.stop_day[customer] + 20
    supplied = ~stopped & (~in_trouble | (rng.random(len(day)) < 0.7))
    first = np.r_[True, customer[1:] != customer[:-1]]
    customer, day = customer[supplied | first], day[supplied | first]
    order = np.lexsort((day, customer))
    return customer[order], day[order]


def count_within(group: np.ndarray) -> np.ndarray:
    """1, 2, 3, ... within each run of equal values."""
    if not len(group):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    lengths = np.diff(np.r_[starts, len(group)])
    return np.asarray(np.arange(len(group)) - np.repeat(starts, lengths) + 1)


def _share(cents: np.ndarray, *, parts: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Equal instalments that add up to the cent: the first takes what is left over."""
    each = cents // parts
    return np.asarray(np.where(part == 1, cents - each * (parts - 1), each))


def _month_end(day: np.ndarray) -> np.ndarray:
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    last = (month + 1).astype("datetime64[D]") - 1
    return np.asarray(last.astype(np.int64))
