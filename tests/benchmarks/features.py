"""`make bench-features`: the same 54 features of the same invented ledgers, ours and the peers'.

Every engine runs in a process of its own pinned to one core (ours also on two), from Parquet to
columns in memory; imports and compilation are not counted. Peers' answers are compared with ours.
Ours are float32, as the model reads them, but for the line that says otherwise.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "feature_engines"))

import invented_files
import one_customer
import pyarrow.parquet as pq
from measured import FEATURES

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "bench"
PEERS = BUILD / "env" / "bin" / "python"
THREE_DATES = "issue,due,late"
CLOSE = {"rtol": 1e-6, "atol": 1e-6}  # floats added up in another order
TWO_MINUTES = 120.0
TIMES = 3  # what takes seconds runs so often, the best counts: others use the machine too
# For every engine: what it frees is kept for its next arrays, not handed back to the system. The
# C library takes no larger threshold than 32 MiB and ignores one that is; threads share one heap.
KEEP_FREED = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    engine: str
    dates: str
    invoices: int
    cores: int
    said: dict[str, Any]
    input_mb: float
    check: str = ""

    @property
    def us_per_row(self) -> float:
        return 1e6 * float(self.said["cpu_s"]) / self.said["rows"]

    def cells(self) -> list[str]:
        said = self.said
        return [
            self.engine,
            "issue" if self.dates == "issue" else "3 dates",
            f"{self.invoices:,}",
            f"{said['rows']:,}",
            str(self.cores),
            f"{self.us_per_row:,.2f}",
            f"{said['rows'] / said['wall_s']:,.0f}",
            self._peak_over(self.input_mb),
            self._peak_over(said["output_mb"]),
            self.check,
        ]

    def _peak_over(self, size_mb: float) -> str:
        """Nothing where the run took no more memory than its warm-up."""
        peak = float(self.said["peak_mb"])
        return f"{peak / size_mb:.1f}" if peak > size_mb else ""


HEADS = [
    *("engine", "as of", "ledger", "rows", "cores", "CPU µs/row", "rows/s", "peak/input"),
    *("peak/output", "against ours"),
]


class Bench:
    """Runs engines and keeps what they said."""

    def __init__(self) -> None:
        self.lines: list[Measured] = []
        self.warm = self.ledger(3_000)

    def ledger(self, invoices: int) -> Path:
        folder = BUILD / "ledgers" / str(invoices)
        invented_files.write(folder, invoices=invoices)
        return folder

    def run(
        self,
        engine: str,
        script: str,
        invoices: int,
        *options: str,
        dates: str = "issue",
        rows: int = 0,
        cores: int = 1,
        python: Path = PEERS,
        keep: bool = True,
        times: int = 1,
    ) -> Measured:
        folder, sample = self.ledger(invoices), BUILD / f"sample-{script}-{dates}.npz"
        command = [str(python), str(HERE / "feature_engines" / f"{script}.py"), str(folder)]
        command += ["--warm", str(self.warm), "--dates", dates, "--rows", str(rows)]
        command += ["--cores", str(cores), "--sample", str(sample), *options]
        said = min((_said(command) for _ in range(times)), key=lambda said: float(said["cpu_s"]))
        check = ""
        if python == PEERS and script.startswith("with_"):
            check = compared(folder, sample, dates)
        line = Measured(engine, dates, invoices, cores, said, _input_mb(folder), check)
        if keep:
            self.lines.append(line)
            print(" | ".join(line.cells()), flush=True)
        return line

    def ours(self, engine: str, invoices: int, *options: str, **more: Any) -> Measured:
        return self.run(
            engine,
            "with_puntuale",
            invoices,
            *options,
            python=Path(sys.executable),
            times=TIMES,
            **more,
        )


def _said(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | KEEP_FREED
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def compared(folder: Path, sample: Path, dates: str) -> str:
    """How many of the peer's sampled answers are ours; AssertionError where a feature is not."""
    from with_puntuale import run

    peer = dict(np.load(sample))
    files = sorted(folder.glob("invoices-*.parquet"))
    # the first bucket is enough: a row's values do not depend on who else is there
    first = sample.with_suffix("") / "first"
    first.mkdir(parents=True, exist_ok=True)
    for path in (files[0], files[0].with_name(files[0].name.replace("invoices", "payments"))):
        link = first / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
    ours = run(first, dates.split(","), 0)
    place = {key: at for at, key in enumerate(zip(ours["invoice"], ours["t"], strict=True))}
    at = [place.get(key, -1) for key in zip(peer["invoice"], peer["t"], strict=True)]
    mine = np.flatnonzero(np.array(at) >= 0)
    names = [name for name in FEATURES if name in peer]
    wrong = {}
    for name in names:
        theirs, own = peer[name][mine].astype(float), ours[name][np.array(at)[mine]]
        same = np.isclose(theirs, own, equal_nan=True, **CLOSE)
        if not same.all():
            bad = np.flatnonzero(~same)[0]
            wrong[name] = (int((~same).sum()), theirs[bad], own[bad], peer["invoice"][mine][bad])
    if wrong:
        raise AssertionError(f"{sample.stem}: of {len(mine)} rows these differ: {wrong}")
    return f"{len(names)} features x {len(mine):,} rows equal"


def _input_mb(folder: Path) -> float:
    """The columns that are read, uncompressed."""
    files = [*folder.glob("*.parquet")]
    rows = dict.fromkeys(("invoices", "payments"), 0)
    for path in files:
        rows[path.name.split("-")[0]] += pq.read_metadata(path).num_rows
    return (rows["invoices"] * 28 + rows["payments"] * 20) / 1e6  # whole numbers of 4 and 8 bytes


def table(lines: list[Measured]) -> str:
    rows = [HEADS, ["---"] * len(HEADS), *(line.cells() for line in lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def online() -> dict[str, Any]:
    folder = BUILD / "one_customer"
    one_customer.write(folder)
    script = [sys.executable, str(HERE / "one_customer.py"), str(folder)]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--small", type=int, default=100_000)
    asked.add_argument("--middle", type=int, default=1_000_000)
    asked.add_argument("--large", type=int, default=5_000_000, help="ours only")
    asked.add_argument("--pandas-rows", type=int, default=2_000)
    asked.add_argument("--featuretools-seconds", type=float, default=TWO_MINUTES)
    options = asked.parse_args()
    small, middle, large = options.small, options.middle, options.large
    bench = Bench()
    for size in (small, middle, large):
        bench.ledger(size)

    ours = {size: bench.ours("puntuale", size) for size in (small, middle, large)}
    bench.ours("puntuale in float64", middle, "--float64")
    bench.ours("puntuale", middle, dates=THREE_DATES)
    bench.ours("puntuale", middle, cores=2)
    book = bench.ours("puntuale, the whole book", middle, "--book")
    for size in (small, middle):
        polars = bench.run("polars", "with_polars", size, "--text-ids", times=TIMES)
    numbered = bench.run("polars, ids numbered before", "with_polars", middle, times=TIMES)
    bench.run("polars", "with_polars", middle, "--text-ids", dates=THREE_DATES)
    for size in (small, middle):
        duckdb = bench.run("duckdb windows", "with_duckdb", size)
    pandas = bench.run("pandas by group", "with_pandas", small, rows=options.pandas_rows)
    bench.run("pandas by group", "with_pandas", small, rows=options.pandas_rows, dates=THREE_DATES)
    trial = bench.run("featuretools", "with_featuretools", small, rows=500, keep=False)
    rows = int(500 * options.featuretools_seconds / trial.said["wall_s"])
    featuretools = bench.run("featuretools", "with_featuretools", small, rows=min(rows, small))
    for name, flag in (("limit: read the columns", ()), ("limit: sort the keys", ("--sort",))):
        bench.run(name, "limits", middle, *flag)
    said = online()

    us = ours[middle].us_per_row
    figures = {
        "us_per_row_1m": book.us_per_row,
        "us_per_row_54_1m": us,
        "ratio_polars": polars.us_per_row / us,
        "ratio_polars_numbered": numbered.us_per_row / us,
        "ratio_duckdb": duckdb.us_per_row / us,
        "ratio_pandas": pandas.us_per_row / us,
        "ratio_featuretools": featuretools.us_per_row / us,
        "growth_100k_to_5m": ours[large].us_per_row / ours[small].us_per_row,
        "peak_over_output": book.said["peak_mb"] / book.said["output_mb"],
        "one_customer_p50_ms": said["p50_ms"],
        "one_customer_p99_ms": said["p99_ms"],
    }
    text = table(bench.lines)
    (BUILD / "features.md").write_text(text + "\n", encoding="utf-8")
    lines = [dict(zip(HEADS, line.cells(), strict=True)) for line in bench.lines]
    result = {"figures": figures, "one_customer": said, "lines": lines}
    (BUILD / "features.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    print(text)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
