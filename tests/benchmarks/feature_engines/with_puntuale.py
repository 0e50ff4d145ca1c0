"""Our engine: the ledger's own text ids, bucket of customers after bucket, on one core or more."""

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measured import DATES, FEATURES, Columns, main

from pipelines import features, streams
from pipelines.as_of import evaluate
from pipelines.features import BOOK, Peers
from pipelines.ledger import Ledger
from pipelines.settlement import settle

NODES = [BOOK[name].node for name in FEATURES]
CORES = int(sys.argv[sys.argv.index("--cores") + 1]) if "--cores" in sys.argv else 1


def run(folder: Path, dates: list[str], rows: int) -> Columns:
    """The 54 features of all invoices."""
    return _together(folder, partial(of_bucket, dates=dates))


def of_bucket(files: tuple[Path, Path], *, dates: list[str]) -> tuple[np.ndarray, ...]:
    ledger, number = read(*files)
    settlement = settle(ledger)
    streamed = streams.build(ledger, settlement)
    asked = [DATES[date](settlement.issue_day, settlement.due_day) for date in dates]
    invoice, as_of = np.tile(np.arange(len(number)), len(dates)), np.concatenate(asked)
    values = evaluate(
        NODES,
        streamed.events,
        owners={"customer": streamed.customer[invoice], "invoice": invoice},
        as_of=as_of,
        inputs={name: column[invoice] for name, column in streamed.inputs.items()},
    )
    return number[invoice], as_of, values


def whole_book(folder: Path, dates: list[str], rows: int) -> Columns:
    """Every feature of the book, the peers' rates among them."""
    pa.set_cpu_count(1)
    parts = []
    for files in _buckets(folder):
        ledger, number = read(*files)
        settlement = settle(ledger)
        peers = Peers.build(ledger, settlement)
        as_of = settlement.issue_day
        every = np.arange(len(number))
        values = features.compute(streams.build(ledger, settlement), every, as_of, peers)
        parts.append((number, as_of, values))
    return _columns(parts, list(BOOK))


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


def _together(folder: Path, task: partial[tuple[np.ndarray, ...]]) -> Columns:
    pa.set_cpu_count(1)
    buckets = _buckets(folder)
    if CORES == 1 or len(buckets) == 1:
        return _columns([task(files) for files in buckets], FEATURES)
    with ProcessPoolExecutor(CORES, get_context("fork")) as pool:
        return _columns(list(pool.map(task, buckets)), FEATURES)


def _columns(parts: list[tuple[np.ndarray, ...]], names: list[str]) -> Columns:
    """The buckets one below the other, each let go once it is copied."""
    rows = sum(len(values) for _, _, values in parts)
    columns = {"invoice": np.empty(rows, np.int64), "t": np.empty(rows, np.int32)}
    columns |= {name: np.empty(rows) for name in names}
    end = rows
    while parts:
        invoice, as_of, values = parts.pop()
        here = slice(end - len(values), end)
        end -= len(values)
        columns["invoice"][here], columns["t"][here] = invoice, as_of
        for at, name in enumerate(names):
            columns[name][here] = values[:, at]
    return columns


def _buckets(folder: Path) -> list[tuple[Path, Path]]:
    invoices = sorted(folder.glob("invoices-*.parquet"))
    return [(path, path.with_name(path.name.replace("invoices", "payments"))) for path in invoices]


if __name__ == "__main__":
    book = "--book" in sys.argv
    if book:
        sys.argv.remove("--book")
    main(whole_book if book else run)
