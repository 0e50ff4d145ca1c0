"""One engine's run, measured: CPU seconds, peak memory, and a sample of its answers to be checked.

An engine is a script with `run(folder, dates, rows)` that gives columns by name, `invoice` and `t`
among them. Its process is pinned to one core; a small ledger warms it up before the clock starts.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Columns = dict[str, np.ndarray]
Run = Callable[[Path, list[str], int], Columns]
SAMPLE = 20_000  # answers kept for the comparison
FEATURES = """
n_invoices n_invoices_90 tenure_days days_since_last_invoice n_settled n_open delay_mean
delay_mean_90 delay_mean_180 delay_mean_365 delay_std delay_std_90 delay_std_180 delay_std_365
delay_max delay_max_90 delay_max_180 delay_max_365 delay_last delay_ewm_fast delay_ewm_slow
delay_trend_n10 delay_trend_365 delay_shift late0_share late0_share_90 late0_share_365 late30_share
late30_share_365 days_since_payment gap_mean_365 gap_std_365 gap_cv_365 burstiness n_paydays_365
silence_ratio outstanding overdue n_overdue oldest_overdue_age overdue_share paid_ratio_90
paid_ratio_365 short_share n_partial_365 amount_z amount_ratio terms_days terms_diff due_dow due_dom
due_month days_to_due paid_share
""".split()

# The days as of which an invoice is asked about, from its own dates.
DATES = {
    "issue": lambda issue, due: issue,
    "due": lambda issue, due: due,
    "late": lambda issue, due: due + 20,
}


def main(run: Run) -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("folder", type=Path)
    asked.add_argument("--warm", type=Path, required=True)
    asked.add_argument("--dates", default="issue")
    asked.add_argument("--rows", type=int, default=0, help="stop at about so many rows; 0: all")
    asked.add_argument("--cores", type=int, default=1)
    asked.add_argument("--sample", type=Path)
    options = asked.parse_args()
    free = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, free[-options.cores :])
    dates = options.dates.split(",")

    run(options.warm, dates, min(options.rows, 50))
    before, cpu, wall = peak_mb(), cpu_seconds(), time.perf_counter()
    columns = run(options.folder, dates, options.rows)
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    rows = len(next(iter(columns.values())))
    size = sum(values.nbytes for values in columns.values()) / 1e6
    if options.sample and "invoice" in columns:
        some = np.random.default_rng(0).choice(rows, min(rows, SAMPLE), replace=False)
        np.savez(options.sample, **{name: values[some] for name, values in columns.items()})
    said = {"rows": rows, "columns": len(columns), "cpu_s": cpu, "wall_s": wall}
    print(json.dumps({**said, "peak_mb": peak_mb() - before, "output_mb": size}))


def cpu_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    times = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(t.ru_utime + t.ru_stime for t in times)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
