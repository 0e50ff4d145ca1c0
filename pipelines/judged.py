"""Predictions beside what came: the rows that every figure of a back-test is worked out from."""

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.horizons import HORIZONS_DAYS, column
from pipelines import matured_window
from pipelines.backtest import AVERAGE, CURVE, DATE_COLUMNS, DUE_DATE, OURS
from pipelines.beliefs import RICH, THIN
from pipelines.job import EPOCH
from pipelines.ledger import NEVER, Ledger, days, rows_of
from pipelines.settlement import settle

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Words = npt.NDArray[np.str_]

ANSWERERS = {  # whose columns begin so, and how a reader knows them
    OURS: "Puntuale",
    CURVE: "the customer's curve",
    AVERAGE: "the customer's average delay",
    DUE_DATE: "the due date",
}


@dataclass(frozen=True)
class Judged:
    """Rows of a back-test: who was asked about, what each answerer said, and what came."""

    origin: Words
    test: Words
    history: Words  # rich, thin, none: how many settled invoices the customer had
    company: Words
    country: Words
    customer: Whole
    amount: Floats
    came: Floats  # (n, horizons): 1 still open, 0 not, NaN not to be told
    paid_after: Floats  # days after it was asked about; infinity while open, NaN without a label
    said: dict[str, Floats]  # by answerer: (n, horizons)
    dates: dict[str, Floats]  # by answerer: expected, first and last day, after the asked one

    def take(self, rows: npt.NDArray[np.bool_]) -> "Judged":
        """Some of the rows."""
        parts: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, part in parts.items():
            if isinstance(part, dict):
                parts[name] = {who: values[rows] for who, values in part.items()}
            else:
                parts[name] = part[rows]
        return Judged(**parts)


def judged(predictions: pa.Table, ledger: Ledger) -> Judged:
    """What was said beside what came; days after the ledger's last movement are not told."""
    settlement = settle(ledger)
    last = int(settlement.movements.known_day.max(initial=0))
    invoice = rows_of(predictions["invoice_id"], among=ledger.invoices["invoice_id"])
    customer = settlement.customer[invoice]
    as_of = days(predictions["as_of"])
    settled = settlement.settled_day[invoice].astype(np.float64)
    paid_after = np.where(settled == NEVER, np.inf, settled - as_of)
    paid_after[settlement.cancelled[invoice]] = np.nan

    country_of = rows_of(settlement.customer_ids, among=ledger.customers["customer_id"])
    countries = _words(ledger.customers["country"])
    return Judged(
        origin=_words(predictions["cut"].cast(pa.string())),
        test=_words(predictions["test"]),
        history=_history(predictions["n_settled"].to_numpy()),
        company=_words(ledger.invoices["company_code"])[invoice],
        country=np.append(countries, "")[country_of[customer]],
        customer=customer.astype(np.int64),
        amount=settlement.amount_cents[invoice] / 100,
        came=matured_window.outcomes(ledger, predictions, cut_off=EPOCH + timedelta(days=last)),
        paid_after=paid_after,
        said={
            who: np.column_stack(
                [predictions[f"{who}{column(h)}"].to_numpy() for h in HORIZONS_DAYS]
            )
            for who in ANSWERERS
        },
        dates={
            who: np.column_stack([_after(predictions[f"{who}{c}"], as_of) for c in DATE_COLUMNS])
            for who in ANSWERERS
        },
    )


def _after(column: pa.ChunkedArray, as_of: npt.NDArray[np.int32]) -> Floats:
    day = days(column).astype(np.float64)
    return np.where(day == NEVER, np.nan, day - as_of)


def _words(column: pa.ChunkedArray) -> Words:
    return np.array([word or "" for word in column.to_pylist()], dtype=np.str_)


def _history(settled: Whole) -> Words:
    return np.where(settled >= RICH, "rich", np.where(settled >= THIN, "thin", "none"))
