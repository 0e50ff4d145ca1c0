"""How long a million open invoices take to decide: the plan, and the advice for each alone.

Run it: python tests/benchmarks/decide.py [invoices]. `make bench-policy` calls `seconds`.
"""

import sys
import time
from datetime import date
from typing import NamedTuple

import numpy as np

from models.actions import decide
from models.cases import NO_DAY, Cases
from models.catalogue import Catalogue
from models.causes import CODES
from models.legal import ReferenceRates
from models.plan import plan

AS_OF = (date(2026, 3, 10) - date(1970, 1, 1)).days
INVOICES_A_CUSTOMER = 5


class Figures(NamedTuple):
    """CPU seconds for all invoices, and how near the plan comes to its bound."""

    invoices: int
    plan_s: float
    advice_s: float
    share_of_bound: float


def invented(invoices: int, *, seed: int = 0) -> Cases:
    """Open invoices as a large company has them: some promised, disputed, just contacted."""
    rng = np.random.default_rng(seed)
    customers = max(invoices // INVOICES_A_CUSTOMER, 1)
    customer = rng.integers(0, customers, invoices)
    p = np.sort(rng.random((invoices, 5)) ** 2, axis=1)[:, ::-1]
    late = rng.integers(-40, 200, invoices)

    def some(share: float, day: object) -> object:
        return np.where(rng.random(invoices) < share, day, NO_DAY)

    done = {
        code: some(share, AS_OF - rng.integers(1, 90, invoices))
        for code, share in (("reminder_1", 0.4), ("reminder_2", 0.2), ("call", 0.2))
    }
    return Cases.of(
        cause=rng.integers(0, len(CODES), invoices).astype(np.int8),
        customer=customer,
        open_cents=rng.lognormal(11.5, 1.3, invoices).astype(np.int64),
        due_day=AS_OF - late,
        **{f"p_late_{h}": p[:, i] for i, h in enumerate((0, 30, 60, 90))},
        p_unpaid_180=0.3 * p[:, 4],
        expected_days_late=np.maximum(late, 0) + rng.gamma(2, 15, invoices),
        debtor=(2 * (rng.random(customers) < 0.1))[customer],
        promise_day=some(0.05, AS_OF + 5),
        disputed_cents=np.where(rng.random(invoices) < 0.03, 1 << 40, 0),
        last_contact_day=(AS_OF - rng.integers(1, 60, customers))[customer],
        n_settled=rng.integers(0, 40, customers)[customer],
        late30_share=rng.random(customers)[customer],
        has_contract=rng.random(invoices) < 0.5,
        worst_signal=rng.integers(0, 4, invoices),
        done_day=done,
    )


def measure(invoices: int = 1_000_000) -> Figures:
    cases, catalogue, rates = invented(invoices), Catalogue.load(), ReferenceRates.load()
    start = time.process_time()
    told = plan(cases, catalogue, rates, as_of=AS_OF)
    planned = time.process_time()
    decide(cases, catalogue, rates, as_of=AS_OF)
    advised = time.process_time()
    share = float(told.expected_value_cents.sum()) / told.bound_cents
    return Figures(invoices, planned - start, advised - planned, share)


def seconds(invoices: int = 1_000_000) -> float:
    """CPU seconds to decide on so many open invoices: the plan and the advice for each."""
    figures = measure(invoices)
    return figures.plan_s + figures.advice_s


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    print(f"{found.invoices:,} open invoices")
    print(f"the day's plan                {found.plan_s:8.1f} CPU-s")
    print(f"the advice for each alone     {found.advice_s:8.1f} CPU-s")
    print(f"worth of the plan / its bound {found.share_of_bound:12.7f}")
