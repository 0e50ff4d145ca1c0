"""The simulated company: its customers, a year of their invoices, and the draws that decide them.

Customers are of four temperaments, named by the cause of their delays. The same seed gives the same
customers in every year and to every policy; another year has other invoices.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import causes

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

YEAR_DAYS = 365
LAST_AGE = 180  # days past due after which what is still open counts as lost
TERMS_DAYS = 30
PAYING_DAYS = 20  # how long the days in which a customer usually pays last


@dataclass(frozen=True)
class Temperament:
    """How one kind of customer pays when nobody asks: daily chances by the age of the invoice."""

    cause: str  # of being late, as the truth has it
    share: float  # of the customers
    start_day: float  # from the due date, when most of them begin to pay ...
    start_spread: float
    before: float  # daily chance before that ...
    within: float  # ... in the days in which they usually pay ...
    after: float  # ... and after them
    stuck_share: float  # invoices that would hardly ever be paid: disputed, lost, no money
    late30_share: float  # of earlier invoices, as the ledger shows it


TEMPERAMENTS = (
    Temperament("unknown", 0.42, -3.0, 3.0, 0.004, 0.16, 0.06, 0.015, 0.03),  # sure payers
    Temperament("habit", 0.30, 8.0, 7.0, 0.004, 0.06, 0.03, 0.03, 0.25),
    Temperament("difficulty", 0.16, 4.0, 6.0, 0.003, 0.025, 0.012, 0.22, 0.28),
    Temperament("administrative", 0.12, 1.0, 4.0, 0.004, 0.08, 0.04, 0.30, 0.12),
)
CAUSES = tuple(t.cause for t in TEMPERAMENTS)
STUCK_RATE = 0.003  # the daily chance that a stuck invoice is paid all the same
OPEN_DISPUTES = 0.5  # of the stuck invoices of administrative customers: the others say nothing
HINT_RIGHT, HINT_UNKNOWN = 0.70, 0.20  # how often the cause hint is right, says nothing; else wrong
PATIENCE_SPREAD = 0.5  # customers differ by this (of the logarithm) in what contacts achieve
P_NOISE = 0.35  # of the log-odds: what the model's probabilities are off by, for good


@dataclass(frozen=True)
class Company:
    """Customers, invoices due in one year, and every invoice's own luck."""

    seed: int
    kind: Rows  # by customer: place in TEMPERAMENTS
    n_settled: Floats
    late30_share: Floats
    worst_signal: Floats
    patience: Floats  # by customer: factor on what every contact achieves, 1 on average

    customer: Rows  # by invoice
    open_cents: Rows
    due: Rows  # days from the start of the year
    start: Floats  # age at which its paying days begin
    stuck: Flags
    disputed: Flags
    hint: npt.NDArray[np.int8]  # place in causes.CODES
    has_contract: Flags
    noise: Floats
    pays_at: Floats  # accumulated chance at which it is paid, whatever is done
    freed_at: Floats  # accumulated chance at which a stuck one comes free

    @property
    def kind_of_row(self) -> Rows:
        return self.kind[self.customer]

    @property
    def customers(self) -> int:
        return len(self.kind)


def trait(name: str) -> Floats:
    """One trait of all temperaments, to be indexed by kind."""
    return np.array([getattr(t, name) for t in TEMPERAMENTS], np.float64)


def found(seed: int, *, year: int = 2, customers: int = 600) -> Company:
    """The company of a seed with the invoices of one of its years."""
    random = np.random.default_rng([seed, 0])
    kind = random.choice(len(TEMPERAMENTS), customers, p=trait("share"))
    a_month = random.gamma(2.0, 0.6, customers)
    size = random.normal(np.log(2_500), 1.0, customers)
    start = random.normal(trait("start_day")[kind], trait("start_spread")[kind])
    troubled = np.array(CAUSES)[kind] == "difficulty"
    n_settled = random.gamma(2.0, 12.0, customers).astype(np.int64)
    late30_share = random.beta(2, 2 / trait("late30_share")[kind] - 2)
    signal = random.random(customers) < np.where(troubled, 0.6, 0.1)
    patience = random.lognormal(-(PATIENCE_SPREAD**2) / 2, PATIENCE_SPREAD, customers)
    wrong = random.integers(0, len(CAUSES), customers)

    random = np.random.default_rng([seed, year])
    customer = np.repeat(np.arange(customers), random.poisson(12 * a_month))
    rows = len(customer)
    of = kind[customer]
    stuck = random.random(rows) < trait("stuck_share")[of]
    paperwork = np.array(CAUSES)[of] == "administrative"
    disputed = stuck & paperwork & (random.random(rows) < OPEN_DISPUTES)
    told = random.random(rows)
    hint = np.where(told < 1 - HINT_UNKNOWN, wrong[customer], CAUSES.index("unknown"))
    hint = np.where(told < HINT_RIGHT, of, hint)
    hint = np.where(disputed, CAUSES.index("administrative"), hint)  # a dispute is seen
    return Company(
        seed=seed,
        kind=kind,
        n_settled=n_settled.astype(np.float64),
        late30_share=late30_share,
        worst_signal=np.where(signal, 2.0, 0.0),
        patience=patience,
        customer=customer,
        open_cents=(100 * random.lognormal(size[customer], 0.6)).astype(np.int64) + 1,
        due=random.integers(0, YEAR_DAYS, rows),
        start=start[customer],
        stuck=stuck,
        disputed=disputed,
        hint=np.array([causes.CODES.index(c) for c in CAUSES], np.int8)[hint],
        has_contract=random.random(rows) < 0.7,
        noise=random.normal(0, P_NOISE, rows),
        pays_at=random.exponential(size=rows),
        freed_at=random.exponential(size=rows),
    )
