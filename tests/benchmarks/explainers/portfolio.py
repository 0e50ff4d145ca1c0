"""Open invoices scored at every horizon and explained in words, on two cores, into Parquet.

Each of two processes takes half of the days; an invoice counts on each day on which it is open. A
score is the whole curve with its dates; the five first reasons of those that are likelier late
than `TOLD_FROM` are put into sentences.
"""

import argparse
import json
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path

import ledger_and_model as made
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models import outlook
from models.horizons import PROBABILITY_COLUMNS
from models.late_payment import LatePaymentModel
from pipelines import landmarks
from pipelines.asked import Asked
from pipelines.explaining import reason_columns
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.score_schema import SCORE_SCHEMA
from serving.phrases import reason_text

TOLD_FROM = 0.30  # of p_late_30: where the risk bands say "high"
CORES = 2
_here: tuple[Prepared, LatePaymentModel, Peers]


def begin(folder: Path, cores: "Queue[int]") -> None:
    """Takes a core of its own, reads what it works on, and warms up."""
    os.sched_setaffinity(0, {cores.get()})
    global _here
    model = made.model(folder)
    _here = landmarks.prepare(made.ledger()), model, Peers.from_columns(model.peers)
    answer(int(np.datetime64(made.AS_OF).astype(int)), 500)


def answer(day: int, most: int) -> pa.Table:
    """The first `most` invoices open on the day, with probabilities, reasons and texts."""
    prepared, model, peers = _here
    invoice = made.open_on(prepared, day)[:most]
    taken = landmarks.take(prepared, invoice, np.full(len(invoice), day, np.int32), peers=peers)
    asked = Asked(taken, prepared, invoice, day, peers)
    ahead = outlook.questions(taken.as_of, taken.due_day)
    curve = model.predict_curve(taken, ahead)
    seen = outlook.read(curve, ahead, as_of=taken.as_of, due_day=taken.due_day)
    why = reason_columns(asked, seen, model)["reasons"]
    told = pa.array(why, SCORE_SCHEMA.field("reasons").type)
    late = seen.probabilities[:, PROBABILITY_COLUMNS.index("p_late_30")] >= TOLD_FROM
    texts = np.full(len(invoice), None)
    for i, row in zip(np.flatnonzero(late), told.filter(pa.array(late)).to_pylist(), strict=True):
        texts[i] = [reason_text(reason, "it", "EUR") for reason in row]
    return pa.table(
        {
            "invoice": invoice,
            **dict(zip(PROBABILITY_COLUMNS, seen.probabilities.T, strict=True)),
            "expected_day": seen.expected_date,
            "reasons": told,
            "texts": pa.array(texts.tolist(), pa.list_(pa.string())),
        }
    )


def work(days: list[tuple[int, int]], out: Path) -> dict[str, float]:
    """Answers for some days and so many invoices of each, written to one file."""
    told, cpu, writer = 0, time.process_time(), None
    for day, most in days:
        table = answer(day, most)
        told += table.num_rows - table["texts"].null_count
        writer = writer or pq.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return {"told": told, "cpu_s": time.process_time() - cpu, "peak_mb": peak}


def days(prepared: Prepared, count: int) -> list[tuple[int, int]]:
    """The ledger's last days, with how many open invoices of each, until they are `count`."""
    found: list[tuple[int, int]] = []
    day = int(np.datetime64(made.AS_OF).astype(int))
    while count > 0:
        is_open = len(made.open_on(prepared, day))
        found.append((day, min(is_open, count)))
        count, day = count - is_open, day - 1
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--count", type=int, required=True)
    options = asked.parse_args()
    cores = sorted(os.sched_getaffinity(0))[-CORES:]
    os.sched_setaffinity(0, cores)
    every = days(landmarks.prepare(made.ledger()), options.count)
    spawned = get_context("spawn")
    free = spawned.Queue()
    for core in cores:
        free.put(core)
    with ProcessPoolExecutor(CORES, spawned, begin, (options.folder, free)) as pool:
        list(pool.map(time.sleep, [1.0] * CORES))  # both are ready before the clock starts
        wall = time.perf_counter()
        parts = [(every[at::CORES], options.folder / f"scored-{at}.parquet") for at in range(CORES)]
        said = list(pool.map(work, *zip(*parts, strict=True)))
        wall = time.perf_counter() - wall
    total = {name: sum(part[name] for part in said) for name in said[0]}
    print(json.dumps({"rows": options.count, "wall_s": wall, **total}))


if __name__ == "__main__":
    main()
