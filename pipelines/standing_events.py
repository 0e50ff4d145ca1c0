"""Standing as events: the credit that a customer is granted, and what agencies say of it."""

import numpy as np
import pyarrow as pa

from pipelines.events import Events, firsts
from pipelines.ledger import Ledger, cents, claims, days, floats, numbered
from pipelines.ordering import Rows, order
from pipelines.settlement import Settlement

SAFETY_PARTS = 1_000_000  # ratings are kept in whole millionths of their scale: sums are exact
NOT_KNOWN = -1  # stands for an insured amount that nobody told


def of(ledger: Ledger, settlement: Settlement) -> dict[str, Events]:
    """Each customer's limits and ratings, on the days from which they hold."""
    owner, customers = settlement.refers.customer, len(settlement.customer_ids)
    rated, rerated = _ratings(ledger.external_ratings, owner["external_ratings"], customers)
    return {
        "limits": _limits(ledger.credit_limits, owner["credit_limits"], customers),
        "rated": rated,
        "rerated": rerated,
    }


def _limits(limits: pa.Table, owner: Rows, customers: int) -> Events:
    if not len(owner):
        return Events.none(customers, "amount", "insured")
    amount = cents(limits["amount_cents"])
    insured = cents(limits["insured_amount_cents"], missing=NOT_KNOWN)
    mine = np.flatnonzero(owner >= 0)
    amount, insured = amount[mine], insured[mine]
    day = days(limits["valid_from"])[mine]
    ties = (amount, insured)
    return Events.of(owner[mine], day, customers, ties, amount=amount, insured=insured)


def _ratings(ratings: pa.Table, owner: Rows, customers: int) -> tuple[Events, Events]:
    """All ratings; and those by an agency that had rated the customer before, with the change."""
    if not len(owner):
        return Events.none(customers, "safety"), Events.none(customers, "change")
    safety, is_told = _safety(ratings)
    agency, agencies = numbered(ratings["provider"])
    told = np.flatnonzero((owner >= 0) & is_told)
    owner, safety, day = owner[told], safety[told], days(ratings["rated_on"])[told]

    pair = owner * (len(agencies) + 1) + agency[told]
    rows = order(pair, day, safety)
    again = np.flatnonzero(~firsts(pair[rows]))
    now, before = rows[again], rows[again - 1]
    return (
        Events.of(owner, day, customers, (safety,), safety=safety),
        Events.of(owner[now], day[now], customers, change=safety[now] - safety[before]),
    )


def _safety(ratings: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Each score from 0 to 1 (the safest) in whole millionths, and where its scale tells it."""
    score, low, high = (floats(ratings[column]) for column in ("score", "scale_min", "scale_max"))
    is_safer = claims(ratings["higher_is_safer"])
    is_told = (is_safer >= 0) & (high > low)
    with np.errstate(all="ignore"):
        share = np.where(is_told, (score - low) / (high - low), 0.0)
    safe = np.where(is_safer != 0, share, 1 - share)
    return np.rint(SAFETY_PARTS * np.minimum(np.maximum(safe, 0), 1)).astype(np.int64), is_told
