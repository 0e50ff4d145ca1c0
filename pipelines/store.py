"""Scores at rest: one immutable snapshot a night, and a pointer to the one that is read.

A night is written aside, flushed, renamed, read again and only then pointed at: a reader sees the
old night or the new one. One writer at a time holds the lock; its run number is a fence, so that a
writer who woke up late cannot publish over a newer one. A writer who holds the lock for longer than
a night may last is stuck: the next one takes the store over, and the fence keeps the first out.
"""

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models import durable
from models.horizons import PROBABILITY_COLUMNS
from pipelines import gate
from pipelines.gate import Portfolio
from pipelines.lookup import write_lookup
from pipelines.snapshot import (
    CUSTOMERS,
    LOOKUP,
    MANIFEST,
    PLAN,
    QUARANTINE,
    SCORES,
    Snapshot,
    SnapshotDamaged,
    sha256,
    verify,
)

CURRENT, LOCK, RUN, FENCE = "CURRENT", "LOCK", "RUN", "FENCE"
STUCK_SECONDS = 4 * 3600  # the longest that a night may last, as its systemd unit says too
FENCE_SECONDS = 30  # far longer than the two small files take that are read and written behind it
_SUMMED = ("open_cents", "value_at_risk_cents", "expected_loss_cents", "cost_of_delay_cents")
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")


class StoreBusy(RuntimeError):  # noqa: N818 - the name says what happened
    """Another run is writing to the store."""


class RunOvertaken(RuntimeError):  # noqa: N818 - the name says what happened
    """A newer run has begun since this one took the lock."""


@dataclass(frozen=True)
class Run:
    """The right to publish, until a run with a higher number begins."""

    number: int


class ScoreStore:
    """The snapshots below a folder."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time.time) -> None:
        """`clock` tells how long a lock has been held; a wrong one costs a run, never a night."""
        self.root, self._clock = root, clock
        self._open: Snapshot | None = None

    @contextmanager
    def writing(self) -> Iterator[Run]:
        """Hold the store for one run; StoreBusy when another one does that is not stuck."""
        durable.make(self.root)
        with self._locked():
            with self._fenced():
                self._sweep()
                run = Run(self._last_run() + 1)
                durable.write(self.root / RUN, f"{run.number}\n".encode())
            yield run

    def publish(
        self,
        as_of: date,
        scores: pa.Table,
        *,
        run: Run,
        portfolio: Portfolio | None = None,
        quarantine: pa.Table | None = None,
        plan: pa.Table | None = None,
        customers: pa.Table | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """Make these scores the ones that are read, and give back the name of their snapshot.

        `plan` is the day's, by customer; `customers` what lists show of each. The same again
        changes nothing. Raises PublishRefused when they must not be read.
        """
        with durable.aside(self.root) as aside:
            name = _fill(aside, as_of, scores, plan, quarantine, customers)
            written, planned = self._checked(aside, as_of, portfolio)
            if not self._holds(name):
                write_lookup(aside / LOOKUP, written, plan=planned, customers=customers)
                manifest = _manifest(aside, written, as_of=as_of, run=run, facts=facts or {})
                (aside / MANIFEST).write_text(manifest, encoding="utf-8")
                durable.place(aside, self.root / name)
                verify(self.root / name)
        self.point(name, run=run)
        return name

    def rehearse(
        self,
        as_of: date,
        scores: pa.Table,
        *,
        portfolio: Portfolio | None = None,
        quarantine: pa.Table | None = None,
        plan: pa.Table | None = None,
        customers: pa.Table | None = None,
    ) -> str:
        """The name that `publish` would give; PublishRefused where it would. Nothing is changed."""
        with TemporaryDirectory(prefix="puntuale-") as folder:
            name = _fill(Path(folder), as_of, scores, plan, quarantine, customers)
            self._checked(Path(folder), as_of, portfolio)
        return name

    def point(self, name: str, *, run: Run) -> None:
        """Let this snapshot be the one that is read; going back is pointing to an older one."""
        if name not in self.names():
            raise ValueError(f"snapshot must be one of {self.names()}, got: {name[:60]!r}")
        with self._fenced():
            if (last := self._last_run()) != run.number:
                raise RunOvertaken(f"run {run.number} is too late, run {last} has begun since")
            if self.current_name() != name:
                durable.write(self.root / CURRENT, f"{name}\n".encode())

    def current_name(self) -> str | None:
        """The snapshot that is read, None before the first night."""
        try:
            return (self.root / CURRENT).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def current(self) -> Snapshot | None:
        """The snapshot that is read, opened again only after the pointer has moved."""
        name = self.current_name()
        if name is None:
            return None
        if self._open is None or self._open.name != name:
            self._open = self.snapshot(name)
        return self._open

    def snapshot(self, name: str) -> Snapshot:
        """Any published snapshot by its name; SnapshotDamaged where it is not whole."""
        if not _NAME.fullmatch(name):
            raise SnapshotDamaged(f"{name[:60]!r} is no name of a snapshot")
        return Snapshot(self.root / name)

    def names(self) -> list[str]:
        """The snapshots there are, by date."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if _NAME.fullmatch(path.name))

    def facts(self) -> list[dict[str, Any]]:
        """What each published night noted of itself, by date; what cannot be read is passed over.

        Only the manifests are read: to check the hash of every file of a fortnight takes minutes.
        """
        noted = []
        for name in self.names():
            with suppress(OSError, ValueError, KeyError):
                noted.append(dict(json.loads((self.root / name / MANIFEST).read_bytes())["facts"]))
        return noted

    def prune(self, *, keep: int, run: Run) -> list[str]:
        """Remove all but the snapshots written last; the one that is read always stays."""
        if self._last_run() != run.number:
            raise RunOvertaken(f"run {run.number} is too late, run {self._last_run()} has begun")
        by_age = sorted(self.names(), key=lambda name: (self._run_of(name), name))
        gone = [
            name for name in by_age[: max(len(by_age) - keep, 0)] if name != self.current_name()
        ]
        for name in gone:
            durable.remove(self.root / name)
        return gone

    def _sweep(self) -> None:
        """Remove what killed runs left here, and beside the nights in the folders of records."""
        durable.sweep(self.root)
        for path in self.root.iterdir():
            if path.is_dir() and not _NAME.fullmatch(path.name):
                durable.sweep(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock of the one writer, in a new file where who holds the old one is stuck."""
        path = self.root / LOCK
        with path.open("a") as lock:
            if _take(lock):
                os.utime(path, (self._clock(),) * 2)  # since when it is held
                yield
                return
        if self._clock() - path.stat().st_mtime < STUCK_SECONDS:
            raise StoreBusy(f"another run is writing to {self.root}; let it end")
        path.unlink(missing_ok=True)  # whoever is stuck keeps a file that has no name
        with path.open("a") as lock:
            if not _take(lock):
                raise StoreBusy(f"another run has just taken over {self.root}; let it end")
            os.utime(path, (self._clock(),) * 2)
            yield

    @contextmanager
    def _fenced(self) -> Iterator[None]:
        """Nobody else looks at the run's number or moves the pointer meanwhile."""
        with (self.root / FENCE).open("a") as fence:
            end = time.monotonic() + FENCE_SECONDS
            while not _take(fence):
                if time.monotonic() > end:
                    raise StoreBusy(f"a run was stopped while it published to {self.root}: end it")
                time.sleep(0.05)
            yield

    def _checked(
        self, aside: Path, as_of: date, portfolio: Portfolio | None
    ) -> tuple[pa.Table, pa.Table | None]:
        """The scores and the plan as they were written, if they may be read by everybody."""
        written = pq.read_table(aside / SCORES)
        planned = pq.read_table(aside / PLAN) if (aside / PLAN).exists() else None
        before = self._last_scores()
        gate.check(written, as_of=as_of, portfolio=portfolio, plan=planned, before=before)
        return written, planned

    def _holds(self, name: str) -> bool:
        """Whether the snapshot is there and whole; one that is not makes room for its equal."""
        if not (self.root / name).exists():
            return False
        try:
            verify(self.root / name)
        except SnapshotDamaged:
            durable.remove(self.root / name)
            return False
        return True

    def _last_scores(self) -> pa.Table | None:
        """The probabilities that are read now; None where there are none, or they are damaged."""
        with suppress(SnapshotDamaged, OSError):
            if (snapshot := self.current()) is not None:
                return pq.read_table(snapshot.folder / SCORES, columns=list(PROBABILITY_COLUMNS))
        return None

    def _run_of(self, name: str) -> int:
        try:
            return int(json.loads((self.root / name / MANIFEST).read_bytes())["run"])
        except (OSError, ValueError, KeyError):
            return 0  # not readable: the first to go

    def _last_run(self) -> int:
        try:
            return int((self.root / RUN).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0


def _take(file: IO[str]) -> bool:
    """Whether the file's lock is ours now; it is given back when the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fill(
    folder: Path,
    as_of: date,
    scores: pa.Table,
    plan: pa.Table | None,
    quarantine: pa.Table | None,
    customers: pa.Table | None,
) -> str:
    """Write the night's tables into a folder; the name that such a night has."""
    ids = scores["invoice_id"]
    in_order = pc.all(pc.less_equal(ids[:-1], ids[1:]), min_count=0).as_py()
    sorted_scores = scores if in_order else scores.sort_by("invoice_id")  # a large one is as it is
    tables = {SCORES: sorted_scores, QUARANTINE: quarantine, PLAN: plan, CUSTOMERS: customers}
    for file, table in tables.items():
        if table is not None:
            pq.write_table(table.combine_chunks(), folder / file, compression="zstd")
    return f"{as_of}-{_content(folder)}"


def _content(folder: Path) -> str:
    """A short hash of the scores, the plan and the quarantine: the same night has the same one."""
    digests = "".join(sha256(path) for path in sorted(folder.iterdir()))
    return hashlib.sha256(digests.encode()).hexdigest()[:12]


def _manifest(
    folder: Path, scores: pa.Table, *, as_of: date, run: Run, facts: Mapping[str, Any]
) -> str:
    quarantine = folder / QUARANTINE
    fields = {
        "format": 2,
        "as_of": as_of.isoformat(),
        "model_version": scores["model_version"][0].as_py() if scores.num_rows else "",
        "run": run.number,
        "rows": scores.num_rows,
        "sums": {name: pc.sum(scores[name]).as_py() or 0 for name in _SUMMED},
        "quarantined": pq.read_metadata(quarantine).num_rows if quarantine.exists() else 0,
        "files": {path.name: sha256(path) for path in sorted(folder.iterdir())},
        "facts": dict(facts),
    }
    return json.dumps(fields, indent=2, sort_keys=True, allow_nan=False) + "\n"
