"""Given features: invoices scored from what the model looks at, worked out before, without rows.

`looked_at` writes down all that the model looks at of open invoices, as plain values that fit into
JSON; `score` answers from them with the bits that `pipelines.scoring` gives for the ledger they
came from. There is no advice: it takes what was agreed, contested and done, which is no feature.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import cohorts
from models.bundle import Bundle
from models.customer_curve import PaymentRecords
from models.late_payment import Snapshots
from models.outlook import Economics
from pipelines import features, landmarks
from pipelines.asked import Looked
from pipelines.beliefs import believe, check_book
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import NEVER, Ledger
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.scoring import open_rows
from pipelines.settlement import left_cents

Row = Mapping[str, Any]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

LEFT_TO_THE_LEDGER = (
    *("customer_id", "customer_name", "company_code", "issue_date", "due_date", "amount_cents"),
    "action",
)
GIVEN_SCHEMA = pa.schema([f for f in SCORE_SCHEMA if f.name not in LEFT_TO_THE_LEDGER])


def looked_at(
    ledger: Ledger, as_of: int, model: Bundle, *, invoices: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """What the model looks at of each open invoice (or of `invoices`), in the order of their ids.

    Days of the customer's record count back from `as_of` (days since 1970-01-01); what was not
    known on it is left out. `features` holds the book's values, None where missing.
    """
    check_book(model.model)
    prepared = landmarks.prepare(ledger.known_before(as_of + 1))
    rows = open_rows(prepared, as_of, invoices)
    day = np.full(len(rows), as_of, np.int32)
    peers = Peers.from_columns(model.model.peers)
    taken = landmarks.take(prepared, rows, day, peers=peers)
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks().take(pa.array(rows)).to_pylist()
    left = left_cents(prepared.settlement, as_of)[rows].tolist()
    paid_by_weekday = landmarks.weekday_payments(prepared, rows, day).astype(int).tolist()
    groups = {
        name: prepared.streams.groups[name].take(pa.array(rows)).to_pylist()
        for name in ("country", "company", "terms")
    }
    return [
        {
            "invoice_id": ids[i],
            "due_business_date": int(taken.due_day[i]),
            "open_cents": left[i],
            "country": groups["country"][i],
            "company_code": groups["company"][i],
            "terms_code": groups["terms"][i],
            "weekday_payments": paid_by_weekday[i],
            "record": _record(prepared, taken, i),
            "features": {
                name: None if np.isnan(value) else value
                for name, value in zip(features.BOOK, taken.features[i].tolist(), strict=True)
            },
        }
        for i in range(len(rows))
    ]


def _record(prepared: Prepared, taken: Snapshots, row: int) -> dict[str, list[Any]]:
    """The customer's recent invoices as they looked then, the first known first."""
    part = slice(int(taken.recent[0][row]), int(taken.recent[1][row]))
    records, as_of = prepared.records, int(taken.as_of[row])
    seen = records.closed_known_day[part] < as_of
    closed = (as_of - records.closed_day[part]).tolist()
    return {
        "known_days_ago": (as_of - records.known_day[part]).tolist(),
        "due_days_ago": (as_of - records.due_day[part]).tolist(),
        "closed_days_ago": [c if s else None for c, s in zip(closed, seen.tolist(), strict=True)],
        "is_cancelled": (records.cancelled[part] & seen).tolist(),
    }


def score(
    rows: Sequence[Row], as_of: int, model: Bundle, *, economics: Economics | None = None
) -> pa.Table:
    """One row in GIVEN_SCHEMA for each of `rows`, in their order, as `looked_at` gives them.

    Signals are those that begin: since when one stands, only the history tells.
    """
    check_book(model.model)
    if not rows:
        return GIVEN_SCHEMA.empty_table()
    cents = np.array([row["open_cents"] for row in rows], np.int64)
    believed = believe(
        Looked(_snapshots(rows, as_of)),
        cents,
        model,
        standing=None,
        economics=economics or Economics(),
    )
    known = {
        "invoice_id": [row["invoice_id"] for row in rows],
        "as_of": np.full(len(rows), as_of, np.int32),
    }
    columns = {**known, **believed.columns}
    return pa.table(
        [pa.array(columns[field.name], field.type) for field in GIVEN_SCHEMA], schema=GIVEN_SCHEMA
    )


def _snapshots(rows: Sequence[Row], as_of: int) -> Snapshots:
    records = [row["record"] for row in rows]
    start = np.concatenate([[0], np.cumsum([len(r["known_days_ago"]) for r in records])])
    names = sorted({cohorts.key(row["company_code"], row["terms_code"]) for row in rows})
    place = {name: at for at, name in enumerate(names)}
    country = pa.array([row["country"] for row in rows], pa.string())
    calendar, working_days = landmarks.calendars_of(country)
    payments = np.array([row["weekday_payments"] for row in rows], np.float64).reshape(-1, 7)
    return Snapshots(
        features=np.array(
            [[row["features"][name] for name in features.BOOK] for row in rows], np.float64
        ),
        feature_names=tuple(features.BOOK),
        as_of=np.full(len(rows), as_of, np.int32),
        due_day=np.array([row["due_business_date"] for row in rows], np.int32),
        records=_records(records, start, as_of),
        recent=(start[:-1], start[1:]),
        cohort_names=names,
        cohort=np.array(
            [place[cohorts.key(row["company_code"], row["terms_code"])] for row in rows], np.int64
        ),
        calendar=calendar,
        working_days=working_days,
        weekday_share=landmarks.weekday_share(payments),
    )


def _records(records: Sequence[Row], start: Rows, as_of: int) -> PaymentRecords:
    """Each invoice's record as a customer's of its own, whose invoices are in order."""

    def days(name: str) -> Days:
        told = [as_of - ago for record in records for ago in record[name]]
        return np.array(told, np.int32)

    closed = [ago for record in records for ago in record["closed_days_ago"]]
    is_open = np.array([ago is None for ago in closed], np.bool_)
    day = np.array([NEVER if ago is None else as_of - ago for ago in closed], np.int32)
    return PaymentRecords(
        start=start.astype(np.int64),
        known_day=days("known_days_ago"),
        due_day=days("due_days_ago"),
        closed_day=day,
        closed_known_day=np.where(is_open, NEVER, as_of - 1).astype(np.int32),
        cancelled=np.array([c for record in records for c in record["is_cancelled"]], np.bool_),
    )
