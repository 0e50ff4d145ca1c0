"""A night's customers, one row each: what a worklist shows, filters and sorts by.

Every figure is made of the night's own rows; figures weighted by the open amount are those of
`GET /v1/customers`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models import outlook
from models.reasons import EVERYTHING_ELSE
from pipelines.ledger import rows_of
from pipelines.score_schema import SCORE_SCHEMA

Rows = npt.NDArray[np.int64]

_SCORED = {field.name: field.type for field in SCORE_SCHEMA}
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("customer_name", pa.string()),
        ("collector", pa.string()),
        ("company_codes", pa.list_(pa.string())),
        ("n_invoices", pa.int64()),
        ("open_cents", pa.int64()),
        ("overdue_cents", pa.int64()),
        ("value_at_risk_cents", pa.int64()),
        ("p_late_30", pa.float64()),
        ("risk_band", pa.string()),
        # of the invoice with the largest value at risk
        ("lead_invoice_id", pa.string()),
        ("expected_date", pa.date32()),
        ("date_lo", pa.date32()),
        ("date_hi", pa.date32()),
        ("reason", _SCORED["reasons"].value_type),
        # each warning once, with its earliest day and its worst severity
        ("signals", _SCORED["signals"]),
    ]
)
_SUMMED = [  # what every invoice tells of its customer; all else is told by one of them
    *("customer_id", "open_cents", "value_at_risk_cents", "p_late_30", "days_past_due"),
    *("risk_band", "company_code", "signals"),
]
_SEVERITY = ("low", "medium", "high", "critical")


def of(scores: pa.Table, customers: pa.Table) -> pa.Table:
    """One row for each customer of the scores, in the order of customer_id, in SCHEMA.

    `customers` is the ledger's table: it tells who looks after each.
    """
    order = [
        ("customer_id", "ascending"),
        ("value_at_risk_cents", "descending"),
        ("invoice_id", "ascending"),
    ]
    by_customer = pc.sort_indices(scores, sort_keys=order)
    whole, scores = scores, scores.select(_SUMMED).take(by_customer).combine_chunks()
    ids = scores["customer_id"].combine_chunks()
    encoded = ids.dictionary_encode()
    owner = encoded.indices.to_numpy().astype(np.int64)
    count = len(encoded.dictionary)
    lead = whole.take(by_customer.take(pa.array(np.flatnonzero(np.diff(owner, prepend=-1)))))

    open_cents, at_risk = (
        scores[name].to_numpy().astype(np.int64) for name in ("open_cents", "value_at_risk_cents")
    )
    total = _sums(open_cents, owner, count)
    late = np.bincount(owner, weights=open_cents * scores["p_late_30"].to_numpy(), minlength=count)
    overdue = np.where(scores["days_past_due"].to_numpy() > 0, open_cents, 0)
    place = {band: at for at, band in enumerate(outlook.BANDS)}
    worst = np.zeros(count, np.int64)
    np.maximum.at(worst, owner, np.array([place[b] for b in scores["risk_band"].to_pylist()]))
    known = rows_of(lead["customer_id"], among=customers["customer_id"])
    columns: dict[str, Any] = {
        "customer_id": encoded.dictionary,
        "customer_name": lead["customer_name"],
        "collector": customers["collector"].take(pa.array(known, mask=known < 0)),
        "company_codes": _different(scores["company_code"].to_pylist(), owner, count),
        "n_invoices": np.bincount(owner, minlength=count),
        "open_cents": total,
        "overdue_cents": _sums(overdue, owner, count),
        "value_at_risk_cents": _sums(at_risk, owner, count),
        "p_late_30": np.divide(late, total, out=np.zeros(count), where=total > 0),
        "risk_band": [outlook.BANDS[at] for at in worst.tolist()],
        "lead_invoice_id": lead["invoice_id"],
        **{name: lead[name] for name in ("expected_date", "date_lo", "date_hi")},
        "reason": [_first(reasons) for reasons in lead["reasons"].to_pylist()],
        "signals": _signals(scores["signals"].combine_chunks(), owner, count),
    }
    return pa.table([_array(columns[f.name], f.type) for f in SCHEMA], schema=SCHEMA)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _sums(cents: Rows, owner: Rows, count: int) -> Rows:
    """Whole sums by customer: cents stay exact."""
    total = np.zeros(count, np.int64)
    np.add.at(total, owner, cents)
    return total


def _different(codes: list[str | None], owner: Rows, count: int) -> list[list[str]]:
    found: list[set[str]] = [set() for _ in range(count)]
    for code, at in zip(codes, owner.tolist(), strict=True):
        if code is not None:
            found[at].add(code)
    return [sorted(of_one) for of_one in found]


def _first(reasons: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The strongest reason that has a name."""
    named = (reason for reason in reasons if reason["feature_group"] != EVERYTHING_ELSE)
    return next(named, None)


def _signals(carried: pa.ListArray, owner: Rows, count: int) -> list[list[dict[str, Any]]]:
    found: list[dict[str, dict[str, Any]]] = [{} for _ in range(count)]
    row = pc.list_parent_indices(carried).to_numpy()
    for at, signal in zip(owner[row].tolist(), carried.flatten().to_pylist(), strict=True):
        before = found[at].setdefault(signal["code"], signal)
        found[at][signal["code"]] = _joined(before, signal)
    return [sorted(of_one.values(), key=_by_severity) for of_one in found]


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The worse of the two, since the earlier of their days."""
    worse = max(one, other, key=lambda signal: _SEVERITY.index(signal["severity"]))
    days = [signal["since"] for signal in (one, other) if signal["since"] is not None]
    return {**worse, "since": min(days, default=None)}


def _by_severity(signal: dict[str, Any]) -> tuple[int, str]:
    return -_SEVERITY.index(signal["severity"]), signal["code"]
