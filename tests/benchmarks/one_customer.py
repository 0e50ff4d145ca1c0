"""A request's features: one customer's ledger of about 200 invoices to one row, in milliseconds."""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines import features, streams
from pipelines.features import Peers
from pipelines.ledger import TABLES, Ledger
from pipelines.settlement import settle
from serving import process

INVOICES = 200


def write(folder: Path) -> None:
    """The files of the customer who has about so many invoices, and the peers' table."""
    from pipelines import synthetic

    ledger, _ = synthetic.generate(customers=60, months=24, seed=3)
    counts = ledger.invoices["customer_id"].value_counts()
    nearest = int(np.argmin(abs(counts.field("counts").to_numpy() - INVOICES)))
    one = ledger.of_customers(counts.field("values").slice(nearest, 1))
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in one.tables().items():
        pq.write_table(table, folder / f"{name}.parquet")
    peers = Peers.build(ledger, settle(ledger))
    pq.write_table(peers.as_columns(), folder / "peers.parquet")


def main(folder: Path, times: int = 1_000) -> None:
    process.keep_out()  # as in the process that serves: no pandas on the way
    ledger = Ledger(**{name: pq.read_table(folder / f"{name}.parquet") for name in TABLES})
    peers = Peers.from_columns(pq.read_table(folder / "peers.parquet"))
    last = np.array([ledger.invoices.num_rows - 1])
    as_of = settle(ledger).issue_day[last] + 10

    def request() -> None:
        settlement = settle(ledger)
        features.compute(streams.build(ledger, settlement), last, as_of, peers)

    for _ in range(50):
        request()
    gc.freeze()  # as a server does once it has started: what was imported is not searched again
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        request()
        spent.append(1e3 * (time.perf_counter() - began))
    p50, p99 = np.percentile(spent, [50, 99])
    print(json.dumps({"invoices": ledger.invoices.num_rows, "p50_ms": p50, "p99_ms": p99}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
