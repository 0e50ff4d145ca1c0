"""Our engine: the ledger's own text ids, bucket of customers after bucket, on one core or more.

The answers are float32, as the model reads them; `--float64` asks for the book's own precision.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
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


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """The 54 features of all invoices."""
    return _together(folder, FEATURES, partial(of_bucket, dates=dates), len(dates))


def of_bucket(files: tuple[Path, Path], *, dates: list[str]) -> tuple[np.ndarray, ...]:
    ledger, number = read(*files)
    settlement = settle(ledger)
    streamed = streams.build(ledger, settlement)
    asked = [DATES[date](settlement.issue_day, settlement.due_day) for date in dates]
    invoice, as_of = np.tile(np.arange(len(number)), len(dates)), np.concatenate(asked)
    values = np.empty((len(NODES), len(as_of)), KIND).T
    fill(
        values,
        NODES,
        streamed.events,
        owners={"customer": streamed.customer[invoice], "invoice": invoice},
        as_of=as_of,
        inputs={name: column[invoice] for name, column in streamed.inputs.items()},
    )
    return number[invoice], as_of, values


def whole_book(folder: Path, dates: list[str], rows: int) -> Columns:
    """Every feature of the book, the peers' rates among them."""
    return _together(folder, list(BOOK), of_bucket_with_peers, 1)


def of_bucket_with_peers(files: tuple[Path, Path]) -> tuple[np.ndarray, ...]:
    ledger, number = read(*files)
    settlement = settle(ledger)
    peers = Peers.build(ledger, settlement)
    as_of = settlement.issue_day
    streamed = streams.build(ledger, settlement)
    values = np.empty((len(BOOK), len(as_of)), KIND).T
    features.fill(values, streamed, np.arange(len(number)), as_of, peers)
    return number, as_of, values


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


def _together(
    folder: Path,
    names: list[str],
    task: Callable[[tuple[Path, Path]], tuple[np.ndarray, ...]],
    days: int,
) -> Columns:
    """The buckets one below the other."""
    pa.set_cpu_count(1)
    buckets = _buckets(folder)
    rows = days * sum(pq.read_metadata(invoices).num_rows for invoices, _ in buckets)
    columns = {"invoice": np.empty(rows, np.int64), "t": np.empty(rows, np.int32)}
    columns |= dict(zip(names, np.empty((len(names), rows), KIND), strict=True))
    # What the warm-up compiled here, the forked processes have too.
    several = CORES > 1 and len(buckets) > 1
    pool = ProcessPoolExecutor(CORES, get_context("fork")) if several else None
    begin = 0
    for invoice, as_of, values in (pool.map if pool else map)(task, buckets):
        here = slice(begin, begin + len(values))
        begin += len(values)
        columns["invoice"][here], columns["t"][here] = invoice, as_of
        for at, name in enumerate(names):
            columns[name][here] = values[:, at]
    if pool:
        pool.shutdown()
    return columns


def _buckets(folder: Path) -> list[tuple[Path, Path]]:
    invoices = sorted(folder.glob("invoices-*.parquet"))
    return [(path, path.with_name(path.name.replace("invoices", "payments"))) for path in invoices]


if __name__ == "__main__":
    book = "--book" in sys.argv
    sys.argv[:] = [word for word in sys.argv if word not in ("--book", "--float64")]
    main(whole_book if book else run)
