"""What others think of a customer: credit limits and their cuts, external ratings, legal events."""

from dataclasses import dataclass

import numpy as np

from pipelines.invented.customers import Customers
from pipelines.ledger import NEVER

LIMIT_REASONS = ("opening", "review", "insurer_cut", "payment_record")
LEGAL_KINDS = ("protest", "insolvency_petition", "composition", "liquidation")
RATING_EVERY_DAYS = 182


@dataclass(frozen=True)
class Standing:
    """One block's limits, ratings and legal events: (customer, day, ...) columns of each."""

    limits: dict[str, np.ndarray]
    ratings: dict[str, np.ndarray]
    legal: dict[str, np.ndarray]


def draw(rng: np.random.Generator, customers: Customers, *, start: int, until: int) -> Standing:
    """The standing of these customers from `start` on, also after `until`."""
    return Standing(
        _limits(rng, customers, start),
        _ratings(rng, customers, start, until),
        _legal(rng, customers),
    )


def _limits(rng: np.random.Generator, customers: Customers, start: int) -> dict[str, np.ndarray]:
    """An opening limit, a review, and for who slides a cut, most often before trouble shows."""
    n = len(customers.number)
    monthly_cents = (
        customers.rate * customers.usual_eur * 138
    )  # 1.38: mean over median of the amounts
    opening = _rounded(monthly_cents * rng.uniform(2.0, 6.0, n))
    opened_day = np.maximum(customers.since_day, start - 400)
    reviewed = _rounded(opening * rng.choice([0.9, 1.0, 1.25, 1.5], n))
    review_day = np.maximum(customers.first_day, start) + rng.integers(90, 400, n)

    slides = customers.onset_day < NEVER
    warned = np.where(slides, rng.random(n) < 0.65, rng.random(n) < 0.04)
    warn_day = np.where(
        slides, customers.onset_day - rng.integers(15, 75, n), start + rng.integers(60, 700, n)
    )
    warn_day = np.maximum(warn_day, opened_day + 1)
    cut = _rounded(opening * rng.uniform(0.3, 0.7, n))
    late_cut = slides & (rng.random(n) < 0.5)
    late_day = np.maximum(customers.onset_day + rng.integers(40, 150, n), warn_day + 1)
    # A review never raises a limit again that was cut.
    reviews = (rng.random(n) < 0.6) & ~(warned & (review_day >= warn_day))
    reviews &= ~(late_cut & (review_day >= late_day))

    has_limit = rng.random(n) < 0.85
    insured_share = np.where(rng.random(n) < 0.6, rng.choice([0.5, 0.8, 0.9, 1.0], n), 0.0)
    steps = (
        (has_limit, opened_day, opening),
        (has_limit & reviews, review_day, reviewed),
        (has_limit & warned, warn_day, cut),
        (has_limit & late_cut, late_day, _rounded(opening * 0.15)),
    )
    rows = [np.flatnonzero(chosen) for chosen, _, _ in steps]
    customer = np.concatenate(rows)
    cents = np.concatenate([c[row] for (_, _, c), row in zip(steps, rows, strict=True)])
    columns = {
        "customer": customer,
        "day": np.concatenate([d[row] for (_, d, _), row in zip(steps, rows, strict=True)]),
        "cents": cents,
        "insured_cents": np.rint(cents * insured_share[customer]).astype(np.int64),
        "reason": np.repeat(np.arange(4), [len(row) for row in rows]),
    }
    return _sorted(columns)


def _ratings(
    rng: np.random.Generator, customers: Customers, start: int, until: int
) -> dict[str, np.ndarray]:
    """A score every half year for most companies; it falls from a month before the onset."""
    n = len(customers.number)
    times = np.arange(8)
    customer = np.repeat(np.arange(n), len(times))
    day = (
        start - 100 + np.tile(times, n) * RATING_EVERY_DAYS + np.repeat(rng.integers(0, 180, n), 8)
    )
    own = np.repeat(np.clip(rng.normal(68, 12, n) - customers.delay_days * 0.5, 15, 95), 8)
    months = np.clip((day - customers.onset_day[customer] + 30) / 30.44, 0, 8)
    score = np.clip(np.rint(own - 5.0 * months + rng.normal(0, 4, len(day))), 1, 100)
    rated = np.repeat((rng.random(n) < 0.6) & ~customers.is_natural, 8)
    rated &= (day >= customers.since_day[customer]) & (day <= until)
    columns = {"customer": customer, "day": day, "score": score}
    return _sorted({name: values[rated] for name, values in columns.items()})


def _legal(rng: np.random.Generator, customers: Customers) -> dict[str, np.ndarray]:
    n = len(customers.number)
    happens = (customers.stop_day < NEVER) & (rng.random(n) < 0.4)
    day = customers.stop_day + rng.integers(-20, 120, n)
    kind = rng.integers(0, len(LEGAL_KINDS), n)
    row = np.flatnonzero(happens)
    return _sorted({"customer": row, "day": day[row], "kind": kind[row]})


def _rounded(cents: np.ndarray) -> np.ndarray:
    """Limits come in steps of 500 EUR, none below 1,000."""
    return np.maximum(np.rint(cents / 50_000).astype(np.int64) * 50_000, 100_000)


def _sorted(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    order = np.lexsort((columns["day"], columns["customer"]))
    return {name: values[order] for name, values in columns.items()}
