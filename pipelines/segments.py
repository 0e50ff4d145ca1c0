"""Segments: the night's risk by what its customers and invoices are, not by what they did."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.outlook import BANDS
from pipelines.ledger import rows_of
from pipelines.portfolio_risk import by_code

OF_INVOICES = ("risk_band", "company_code")
OF_CUSTOMERS = ("segment", "industry_code", "country", "collector")
MOST = 12  # of one kind; what is smaller is told together
REST, UNTOLD = "rest", "untold"  # codes of their own: the smaller ones, and where no value is told


def of(scores: pa.Table, customers: pa.Table) -> list[dict[str, Any]]:
    """Each kind of segment with its parts, the largest value at risk first; bands by their order.

    A kind that the ledger does not tell apart (one value, or none) is left out.
    """
    row = rows_of(scores["customer_id"], among=customers["customer_id"])
    known = pa.array(row, mask=row < 0)
    columns = {name: scores[name] for name in OF_INVOICES}
    columns |= {name: customers[name].take(known) for name in OF_CUSTOMERS}
    open_cents, at_risk = (
        scores[name].to_numpy().astype(np.int64) for name in ("open_cents", "value_at_risk_cents")
    )
    late = scores["p_late_30"].to_numpy()
    told = []
    for by, values in columns.items():
        parts = _parts(values.fill_null(UNTOLD), open_cents, at_risk, late)
        if len(parts) > 1:
            told.append({"by": by, "parts": _shown(parts, by)})
    return told


def _parts(
    values: pa.ChunkedArray,
    open_cents: npt.NDArray[np.int64],
    at_risk: npt.NDArray[np.int64],
    late: npt.NDArray[np.float64],
) -> list[dict[str, Any]]:
    """The sums of `by_code`, and what of each part is expected more than 30 days late."""
    parts = by_code(values, np.arange(len(values)), open_cents, at_risk)
    names = np.array(values.to_pylist())
    for part in parts:
        rows = names == part["code"]
        part["late_cents"] = round(float((open_cents[rows] * late[rows]).sum()))
    return parts


def _shown(parts: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    if by == "risk_band":
        return sorted(parts, key=lambda part: -BANDS.index(part["code"]))
    if len(parts) <= MOST:
        return parts
    first, others = parts[: MOST - 1], parts[MOST - 1 :]
    figures = [name for name in others[0] if name != "code"]
    rest = {name: sum(part[name] for part in others) for name in figures}
    return [*first, {"code": REST, **rest}]
