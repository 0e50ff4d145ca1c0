"""The provision matrix: what to set aside for open invoices by how overdue they are.

The simplified approach of IFRS 9 (5.5.15, B5.5.35): expected losses from past loss rates by ageing
bucket. A loss here is what is still open 180 days after it was due, times the share that is lost of
it. Rates come from matured invoices alone: those due at least 180 days before the day. Beside each
bucket stands the model's own expected loss of the same invoices.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import outlook
from models.outlook import Economics
from pipelines.kpis import BUCKETS
from pipelines.ledger import Ledger
from pipelines.settlement import Settlement, open_cents, settle

Rows = npt.NDArray[np.int64]

LOST_AFTER_DAYS = 180
APART_DAYS = 30  # between one past day and the next
PAST_DAYS = 24  # two years of them
EDGES = np.array([1, 31, 61, 91])  # days past due at which a bucket begins
_OLDEST = np.array([0, 30, 60, 90, 91], np.int32)  # days past due that stand for each bucket


def matrix(
    ledger: Ledger,
    scores: pa.Table,
    as_of: int,
    *,
    economics: Economics | None = None,
    settlement: Settlement | None = None,
) -> list[dict[str, Any]]:
    """By bucket of BUCKETS what is open, the past rate of loss, the provision, the expected loss.

    `rate` is of what was open in the bucket on days 30 apart over two years, as far as it has
    matured: the share still open 180 days past due, times the loss given that; None where nothing
    has matured, and then no provision is told either. Cents are whole, rounded half to even.
    """
    settlement = settlement or settle(ledger.known_before(as_of))
    exposed, lost = past_losses(settlement, as_of)
    share = outlook.lgd(_OLDEST, economics or Economics())
    now = _by_bucket(settlement, as_of)
    place = np.searchsorted(EDGES, scores["days_past_due"].to_numpy(), side="right")
    expected = np.zeros(len(BUCKETS), np.int64)
    np.add.at(expected, place, scores["expected_loss_cents"].to_numpy())
    told = []
    for at, bucket in enumerate(BUCKETS):
        rate = float(lost[at] / exposed[at] * share[at]) if exposed[at] else None
        told.append(
            {
                "bucket": bucket,
                "open_cents": int(now[at]),
                "matured_cents": int(exposed[at]),
                "rate": rate,
                "provision_cents": None if rate is None else round(int(now[at]) * rate),
                "expected_loss_cents": int(expected[at]),
            }
        )
    return told


def past_losses(settlement: Settlement, as_of: int) -> tuple[Rows, Rows]:
    """By bucket, over the past days: what was open of matured invoices, and of that what was lost.

    An invoice is lost when it was not settled by the 180th day after it was due; then all that was
    open of it on the past day counts, so part payments in between make the loss larger than it was.
    """
    matured = settlement.due_day.astype(np.int64) + LOST_AFTER_DAYS < as_of
    late_by = settlement.settled_day.astype(np.int64) - settlement.due_day
    exposed, lost = np.zeros((2, len(BUCKETS)), np.int64)
    for back in range(1, PAST_DAYS + 1):
        day = as_of - APART_DAYS * back
        exposed += _by_bucket(settlement, day, among=matured)
        lost += _by_bucket(settlement, day, among=matured & (late_by > LOST_AFTER_DAYS))
    return exposed, lost


def _by_bucket(
    settlement: Settlement, day: int, *, among: npt.NDArray[np.bool_] | None = None
) -> Rows:
    left = open_cents(settlement, day)
    if among is not None:
        left = np.where(among, left, 0)
    total = np.zeros(len(BUCKETS), np.int64)
    past_due = day - settlement.due_day.astype(np.int64)
    np.add.at(total, np.searchsorted(EDGES, past_due, side="right"), left)
    return total
