"""The leak test on a ledger's own past: another future must not change what is said of a day."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.late_payment import LatePaymentModel
from pipelines import backtest
from pipelines.backtest import Backtest
from pipelines.ledger import Ledger, conform, days
from pipelines.settlement import is_open, settle
from pipelines.tables import TABLES

_HUGE_CENTS = 10**9  # nothing that follows it can be overlooked


@dataclass(frozen=True)
class LeakVerdict:
    """Whether the portfolio of an origin got the same bits with another future."""

    origin: int
    rows: int
    same_model: bool
    different_rows: int

    @property
    def passed(self) -> bool:
        return self.same_model and not self.different_rows


def check(
    ledger: Ledger, predictions: pa.Table, model: LatePaymentModel, *, origin: int, seed: int = 0
) -> LeakVerdict:
    """Train and predict again with the future of the origin replaced, and compare to the bit.

    All that happened or was recorded on the origin or later is deleted; in its place everything
    open is paid, credited and disputed, and every customer buys again.
    """
    other = another_future(ledger, origin)
    again = backtest.train(other, cut_off=origin, seed=seed)
    then = _portfolio(backtest.predict(other, again, origin=origin), origin)
    first = _portfolio(predictions, origin)
    different = max(first.num_rows, then.num_rows)
    if first["invoice_id"].equals(then["invoice_id"]):
        alike = [
            pc.equal(a, b).fill_null(False).to_numpy() | (_null(a) & _null(b))
            for a, b in zip(first.columns, then.columns, strict=True)
        ]
        different = int((~np.logical_and.reduce(alike)).sum())
    same = again.tree_text == model.tree_text and again.weights == model.weights
    return LeakVerdict(origin, first.num_rows, same, different)


def of_first_origin(ledger: Ledger, replayed: Backtest, *, seed: int = 0) -> LeakVerdict:
    """The leak test at a back-test's first origin, where there is least to train on."""
    origin = int(days(replayed.predictions["cut"].combine_chunks()).min())
    day = str(np.datetime64(origin, "D"))
    model = next(model for model in replayed.models if model.facts["cut_off"] == day)
    return check(ledger, replayed.predictions, model, origin=origin, seed=seed)


def another_future(ledger: Ledger, origin: int) -> Ledger:
    """The ledger as it was known when the origin began, followed by extreme events."""
    past = ledger.known_before(origin)
    rows = np.flatnonzero(is_open(settle(past), origin))
    open_then = past.invoices.take(pa.array(rows))
    ids, customers = (open_then[c].to_pylist() for c in ("invoice_id", "customer_id"))
    day, amount = [origin] * len(ids), [_HUGE_CENTS] * len(ids)
    about = {"invoice_id": ids, "customer_id": customers, "amount_cents": amount}
    more = {
        "payments": {**about, "paid_on": day},
        "credit_notes": {**about, "issued_on": day},
        "disputes": {"invoice_id": ids, "opened_on": day},
        "invoices": {
            **about,
            "invoice_id": [f"{name} bought again" for name in ids],
            "issue_date": day,
            "due_date": [origin + 1] * len(ids),
        },
    }
    tables = past.tables()
    for name, columns in more.items():
        added = conform(columns, to=TABLES[name])
        tables[name] = pa.concat_tables([tables[name], added])
    return Ledger(**tables)


def _portfolio(predictions: pa.Table, origin: int) -> pa.Table:
    of_origin = pc.equal(predictions["cut"].cast(pa.int32()), origin)
    asked = pc.and_(of_origin, pc.equal(predictions["test"], "portfolio"))
    return predictions.filter(asked).sort_by("invoice_id").combine_chunks()


def _null(column: pa.ChunkedArray) -> np.ndarray:
    nulls: np.ndarray = column.is_null().to_numpy()
    return nulls
