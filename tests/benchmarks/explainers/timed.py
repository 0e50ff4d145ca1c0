"""One engine's explanations of the same rows, timed on one core: CPU seconds and peak memory.

An engine is a script with `engine(model)`, which gives a function from rows to contributions; what
it prepares once for a model is not timed, nor are imports and compilation.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Explain = Callable[[np.ndarray], np.ndarray]
WARM_ROWS = 300
ONE_ROW_CALLS = 2_000


def main(engine: Callable[[Path], Explain]) -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("model", type=Path, help="LightGBM's text")
    asked.add_argument("rows", type=Path)
    asked.add_argument("--count", type=int, default=0, help="of the first rows; 0: all")
    asked.add_argument("--save", type=Path)
    asked.add_argument("--one-by-one", action="store_true")
    options = asked.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    X = np.load(options.rows)
    X = np.ascontiguousarray(X[: options.count or len(X)])
    explain = engine(options.model)
    explain(X[:WARM_ROWS])

    if options.one_by_one:
        print(json.dumps(one_by_one(explain, X)))
        return
    before, cpu, wall = peak_mb(), time.process_time(), time.perf_counter()
    told = explain(X)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if options.save:
        np.save(options.save, told)
    said = {"rows": len(X), "cpu_s": cpu, "wall_s": wall, "peak_mb": peak_mb() - before}
    print(json.dumps(said))


def one_by_one(explain: Explain, X: np.ndarray) -> dict[str, float]:
    spent = []
    for i in range(ONE_ROW_CALLS):
        row = X[i % len(X)][None, :]
        begun = time.perf_counter()
        explain(row)
        spent.append(time.perf_counter() - begun)
    p50, p99 = np.percentile(spent, [50, 99]) * 1e3
    return {"p50_ms": p50, "p99_ms": p99}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
