"""`make bench-nightly`: one night of an invented company, step by step, as it grows.

Each night runs in a process of its own, on an empty home: it reads the ledger from Parquet, scores,
explains and advises on every open invoice, plans the day, publishes, raises alerts and reports. CPU
time and memory are those of the whole tree of processes, looked at twenty times a second.

`--sizes 100000 1000000` says how many invoices are open; there are about five times as many in the
history, ten times with `--months 24`. The smallest is also run in one process and on Dask.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from models import bundle
from pipelines import night, promotion, synthetic
from pipelines.job import Job
from pipelines.settings import Settings
from pipelines.workers import LOCAL

BUILD = Path(__file__).parents[2] / "build" / "bench"
NIGHTS = BUILD / "nights"
AS_OF = date(2026, 7, 1)
OPEN_PER_CUSTOMER = 9.4  # in an invented ledger of a year or more
STEPS = {  # what is measured, outermost only: (module, attribute) and its name in the table
    ("pipelines.night", "champion"): "load the model",
    ("pipelines.reading", "read"): "read and check the ledger",
    ("pipelines.fingerprint", "of_ledger"): "keep the ledger in buckets",
    ("pipelines.kept_ledgers", "KeptLedgers.keep"): "keep the ledger in buckets",
    ("pipelines.night_scores", "work"): "score, explain, advise",
    ("pipelines.planning", "plan_day"): "plan the day",
    ("pipelines.planning", "table"): "plan the day",
    ("pipelines.plan_record", "advised"): "plan the day",
    ("pipelines.cash_forecast", "of_parts"): "forecast the cash",
    ("pipelines.cash_forecast", "noted"): "forecast the cash",
    ("pipelines.settlement", "settle"): "settle the whole ledger again",
    ("pipelines.settlement", "before"): "settle the whole ledger again",
    ("pipelines.monitoring", "check"): "look at the model",
    ("pipelines.kpis", "noted"): "KPIs and provisions",
    ("pipelines.provision", "matrix"): "KPIs and provisions",
    ("pipelines.customer_rows", "of"): "one row for each customer",
    ("pipelines.store", "write_lookup"): "publish: the lookup",
    ("pipelines.store", "ScoreStore.publish"): "publish: files, hashes, gate",
    ("pipelines.records.alerts", "of_night"): "alerts",
    ("pipelines.night_report", "of_night"): "report",
}
INSIDE = "publish: the lookup"  # the only step inside another: taken off it


@dataclass
class Watched:
    """What a process and all that it started used, from moment to moment."""

    moments: list[tuple[float, float, float]] = field(default_factory=list)  # time, CPU s, MB

    def watch(self, root: int, ended: threading.Event) -> None:
        """Look until the process has ended; CPU time of what ended meanwhile is kept."""
        ticks, spent = os.sysconf("SC_CLK_TCK"), dict[int, float]()
        while not ended.wait(0.05):
            memory = 0.0
            for pid in _tree(root):
                try:
                    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                spent[pid] = (int(fields[11]) + int(fields[12])) / ticks
                memory += int(fields[21]) * os.sysconf("SC_PAGESIZE") / 1e6
            self.moments.append((time.time(), sum(spent.values()), memory))

    def between(self, begin: float, end: float) -> tuple[float, float]:
        """CPU seconds and the most megabytes from one moment to another."""
        before = max((cpu for at, cpu, _ in self.moments if at <= begin), default=0.0)
        after = max((cpu for at, cpu, _ in self.moments if at <= end + 0.05), default=before)
        most = max((mb for at, _, mb in self.moments if begin - 0.1 <= at <= end + 0.1), default=0)
        return after - before, most


def _tree(root: int) -> list[int]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(f"/proc/{entry.name}/stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


@dataclass(frozen=True)
class Ran:
    """One night that was run."""

    told: dict[str, Any]
    steps: dict[str, tuple[float, float, float]]  # wall, CPU, most MB
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(folder: Path, *, workers: int, scheduler: str | None = None) -> Ran:
    """A night of the ledger in the folder, in a process of its own."""
    home = NIGHTS / "home"
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, __file__, "--night", str(folder), "--home", str(home)]
    command += ["--workers", str(workers), *(["--scheduler", scheduler] if scheduler else [])]
    watched, ended = Watched(), threading.Event()
    began = time.time()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watcher = threading.Thread(target=watched.watch, args=(process.pid, ended))
        watcher.start()
        try:
            said, _ = process.communicate()
        finally:
            ended.set()
            watcher.join()
    if process.returncode:
        raise RuntimeError(f"the night ended with the code {process.returncode}")
    *spans, told = map(json.loads, said.splitlines())
    wall = time.time() - began
    steps: dict[str, tuple[float, float, float]] = {}
    for span in spans:
        cpu, mb = watched.between(span["begin"], span["end"])
        _add(steps, span["step"], span["end"] - span["begin"], cpu, mb)
        if span["inside"]:
            _add(steps, span["inside"], span["begin"] - span["end"], -cpu, 0.0)
    total = watched.moments[-1][1]
    measured = [sum(step[at] for step in steps.values()) for at in (0, 1)]
    _add(steps, "start Python, and the rest", wall - measured[0], total - measured[1], 0.0)
    return Ran(told, steps, wall, total, max(mb for _, _, mb in watched.moments))


def _add(
    steps: dict[str, tuple[float, float, float]], name: str, wall: float, cpu: float, mb: float
) -> None:
    before = steps.get(name, (0.0, 0.0, 0.0))
    steps[name] = before[0] + wall, before[1] + cpu, max(before[2], mb)


def one_night(folder: Path, home: Path, *, workers: int, scheduler: str | None) -> None:
    """The night itself, telling when its steps began and ended."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        home=home,
        ledger=str(folder),
        feature_workers=workers,
        dask_scheduler=scheduler,
    )
    version = bundle.install(NIGHTS / "model", among=settings.models_folder)
    bundle.crown(version, among=settings.models_folder)
    under_way: list[str] = []
    for (module, attribute), step in STEPS.items():
        _measured(import_module(module), attribute, step, under_way)
    at = datetime(AS_OF.year, AS_OF.month, AS_OF.day, 5, tzinfo=UTC)
    told = night.run(Job.of(settings, at=at, as_of=AS_OF))
    files = {p.name: p.stat().st_size / 1e6 for p in (home / "scores" / told.snapshot).iterdir()}
    say = {"snapshot": told.snapshot, "invoices": told.invoices, "files_mb": files}
    print(json.dumps(say), flush=True)


def _measured(module: Any, attribute: str, step: str, under_way: list[str]) -> None:
    *path, name = attribute.split(".")
    holder = getattr(module, path[0]) if path else module
    work: Callable[..., Any] = getattr(holder, name)

    @wraps(work)
    def timed(*given: Any, **named: Any) -> Any:
        if under_way and step != INSIDE:
            return work(*given, **named)
        with _span(step, under_way):
            return work(*given, **named)

    setattr(holder, name, timed)


@contextmanager
def _span(step: str, under_way: list[str]) -> Iterator[None]:
    outer = under_way[-1] if under_way else ""
    under_way.append(step)
    begin = time.time()
    try:
        yield
    finally:
        under_way.pop()
        span = {"step": step, "begin": begin, "end": time.time(), "inside": outer}
        print(json.dumps(span), flush=True)


def ledger(open_invoices: int, months: int) -> tuple[Path, dict[str, int]]:
    """The files of an invented company with about so many open invoices, and the rows of each."""
    folder = NIGHTS / f"{open_invoices}-{months}"
    customers = round(open_invoices / OPEN_PER_CUSTOMER)
    if not (folder / "done.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        rows = synthetic.write(
            folder / "ledger", customers=customers, months=months, partitions=customers // 1000 + 1
        )
        (folder / "done.json").write_text(json.dumps(rows))
    read: dict[str, int] = json.loads((folder / "done.json").read_text())
    return folder / "ledger", read


def model() -> None:
    """A model of four hundred other customers, trained once."""
    if (NIGHTS / "model").exists():
        return
    files = NIGHTS / "files"
    files.mkdir(parents=True, exist_ok=True)
    company, _ = synthetic.generate(customers=400, months=24, seed=1)
    promotion.learn(company, cut_off=AS_OF).save(files)
    version, cut = bundle.version_of(files, cut=AS_OF.isoformat()), AS_OF.isoformat()
    to = NIGHTS / "model"
    bundle.export(files, to=to, version=version, created_at=cut, facts={"cut_off": cut})


def limits(folder: Path) -> dict[str, float]:
    """The machine's own: seconds to read the ledger's files once, and to write the scores once."""
    begin = time.perf_counter()
    read = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    took = {"read_s": time.perf_counter() - begin, "ledger_gb": sum(t.nbytes for t in read) / 1e9}
    (scores_file,) = (NIGHTS / "home" / "scores").glob("2026-*/scores.parquet")
    scores: pa.Table = pq.read_table(scores_file)
    begin = time.perf_counter()
    pq.write_table(scores, NIGHTS / "written.parquet", compression="zstd")
    took |= {"write_s": time.perf_counter() - begin, "scores_gb": scores.nbytes / 1e9}
    return took


def table(heads: list[str], ran: list[Ran]) -> str:
    """Seconds of CPU, share and memory of each step of each night."""
    rows = [["step", *(f"{head}: {what}" for head in heads for what in ("wall s", "CPU s", "GB"))]]
    rows.append(["---"] * len(rows[0]))
    for step in ran[-1].steps:
        cells = [of.steps.get(step, (0.0, 0.0, 0.0)) for of in ran]
        figures = [f"{x:.1f}" for wall, cpu, mb in cells for x in (wall, cpu, mb / 1e3)]
        rows.append([step, *figures])
    whole = [(of.wall_s, of.cpu_s, of.peak_mb / 1e3) for of in ran]
    rows.append(["**the night**", *(f"{x:.1f}" for three in whole for x in three)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def figures(ran: dict[int, Ran], one: Ran | None, dask: Ran | None) -> dict[str, float]:
    """What `docs/benchmarks.md` and the targets look at."""
    small, large = ran[min(ran)], ran[max(ran)]
    each = [of.told["invoices"] for of in (small, large)]
    per_invoice = [of.cpu_s / count for of, count in zip((small, large), each, strict=True)]
    by_wall = [of.wall_s / count for of, count in zip((small, large), each, strict=True)]
    found = {
        "open_invoices": each[1],
        "minutes": large.wall_s / 60,
        "minutes_1m": large.wall_s / 60 * 1e6 / each[1],  # as many open, at the same pace
        "cpu_minutes": large.cpu_s / 60,
        "peak_gb": large.peak_mb / 1e3,
        "growth_100k_to_1m": per_invoice[1] / per_invoice[0],
        "growth_wall": by_wall[1] / by_wall[0],
    }
    if one and dask:
        found["dask_overhead"] = dask.cpu_s / one.cpu_s
        found["dask_wall"] = dask.wall_s / one.wall_s
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    asked.add_argument("--months", type=int, default=12)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--without-dask", action="store_true")
    asked.add_argument("--alone", action="store_true", help="one run of each size, no other")
    asked.add_argument("--night", type=Path, help=argparse.SUPPRESS)
    asked.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    asked.add_argument("--scheduler", help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.night:
        one_night(options.night, options.home, workers=options.workers, scheduler=options.scheduler)
        return
    model()
    ran: dict[int, Ran] = {}
    about: dict[int, dict[str, float]] = {}
    one = dask = None
    for size in sorted(options.sizes):
        folder, rows = ledger(size, options.months)
        if size == min(options.sizes) and not options.alone:
            run(folder, workers=1)  # compiles what is not yet
            one = run(folder, workers=1)
            if not options.without_dask:
                dask = run(folder, workers=options.workers, scheduler=LOCAL)
        ran[size] = run(folder, workers=options.workers)
        about[size] = {**limits(folder), "invoices": rows["invoices"]}
        print(f"{size:,}: {ran[size].wall_s:.0f} s, {ran[size].cpu_s:.0f} CPU s", flush=True)
    for other in filter(None, (one, dask)):
        assert other.told["snapshot"] == ran[min(ran)].told["snapshot"], "other bits"

    heads = [f"{of.told['invoices']:,} of {about[size]['invoices']:,}" for size, of in ran.items()]
    text = table(heads, list(ran.values()))
    told = figures(ran, one, dask)
    for size, limit in about.items():
        names = {"ledger_gb": "ledger GB", "read_s": "read once s", "write_s": "scores written s"}
        text += f"\n\n{size:,}: " + ", ".join(f"{names[n]} {limit[n]:.1f}" for n in names)
    for name, of in (("one process", one), ("Dask", dask)):
        if of:
            text += f"\n\n{min(ran):,}, {name}: {of.wall_s:.1f} s, {of.cpu_s:.1f} CPU s"
    (BUILD / "nightly.md").write_text(text + "\n", encoding="utf-8")
    result = {"figures": told, "limits": about, "files_mb": ran[max(ran)].told["files_mb"]}
    (BUILD / "nightly.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    print(text)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
