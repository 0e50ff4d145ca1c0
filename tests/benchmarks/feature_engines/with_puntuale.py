"""Our engine: the ledger's own text ids, bucket of customers after bucket, on one core or more.

The answers are float32, as the model reads them; `--float64` asks for the book's own precision.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measured import DATES, FEATURES, Columns, main

from pipelines import features, streams
from pipelines.as_of import fill
from pipelines.features import BOOK, Peers
from pipelines.ledger import Ledger
from pipelines.settlement import settle

NODES = [BOOK[name].node for name in FEATURES]
CORES = int(sys.argv[sys.argv.index("--cores") + 1]) if "--cores" in sys.argv else 1
KIND = np.float64 if "--float64" in sys.argv else np.float32


@dataclass(frozen=True)
class Place:
    """Where a bucket's answers go: some rows of all columns."""

    invoice: np.ndarray
    t: np.ndarray
    values: np.ndarray


Task = Callable[[Path, Path, list[str], Place], None]


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """The 54 features of all invoices."""
    return _together(folder, FEATURES, of_bucket, dates)


def of_bucket(invoices: Path, payments: Path, dates: list[str], to: Place) -> None:
    ledger, number = read(invoices, payments)
    settlement = settle(ledger)
    streamed = streams.build(ledger, settlement)
    invoice = np.tile(np.arange(len(number)), len(dates))
    to.invoice[:] = number[invoice]
    to.t[:] = np.concatenate(
        [DATES[date](settlement.issue_day, settlement.due_day) for date in dates]
    )
    fill(
        to.values,
        NODES,
        streamed.events,
        owners={"customer": streamed.customer[invoice], "invoice": invoice},
        as_of=to.t,
        inputs={name: column[invoice] for name, column in streamed.inputs.items()},
    )


def whole_book(folder: Path, dates: list[str], rows: int) -> Columns:
    """Every feature of the book, the peers' rates among them."""
    return _together(folder, list(BOOK), of_bucket_with_peers, dates)


def of_bucket_with_peers(invoices: Path, payments: Path, dates: list[str], to: Place) -> None:
    ledger, number = read(invoices, payments)
    settlement = settle(ledger)
    peers = Peers.build(ledger, settlement)
    streamed = streams.build(ledger, settlement)
    to.invoice[:], to.t[:] = number, settlement.issue_day
    features.fill(to.values, streamed, np.arange(len(number)), to.t, peers)


def read(invoices: Path, payments: Path) -> tuple[Ledger, np.ndarray]:
    """A bucket's ledger, and the numbers that peers have for its invoices."""
    known = ["invoice_id", "customer_id", "issue_date", "due_date", "amount_cents"]
    paid = ["invoice_id", "paid_on", "amount_cents"]
    table = pq.read_table(invoices, columns=[*known, "invoice"], use_threads=False)
    ledger = Ledger.of(
        invoices=table.select(known),
        payments=pq.read_table(payments, columns=paid, use_threads=False),
    )
    return ledger, table["invoice"].to_numpy()


def _together(folder: Path, names: list[str], task: Task, dates: list[str]) -> Columns:
    """The buckets one below the other: each is written straight to its place, by whichever core."""
    pa.set_cpu_count(1)
    files = sorted(folder.glob("invoices-*.parquet"))
    ends = len(dates) * np.cumsum([pq.read_metadata(invoices).num_rows for invoices in files])
    rows = int(ends[-1])
    whole = Place(
        np.empty(rows, np.int64), np.empty(rows, np.int32), np.empty((len(names), rows), KIND)
    )

    def of(invoices: Path, begin: int, end: int) -> None:
        here = slice(begin, end)
        payments = invoices.with_name(invoices.name.replace("invoices", "payments"))
        to = Place(whole.invoice[here], whole.t[here], whole.values[:, here].T)
        task(invoices, payments, dates, to)

    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(of, files, np.append(0, ends[:-1]).tolist(), ends.tolist()))
    return {"invoice": whole.invoice, "t": whole.t, **dict(zip(names, whole.values, strict=True))}


if __name__ == "__main__":
    book = "--book" in sys.argv
    sys.argv[:] = [word for word in sys.argv if word not in ("--book", "--float64")]
    main(whole_book if book else run)
