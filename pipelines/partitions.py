"""Partitions: features of a whole ledger, by buckets of customers, wherever there is room.

    partition("accepted/", to="buckets/", partitions=20)
    compute("buckets/", to="features/", questions=Questions.on_issue(as_of=20_600), workers=2)

The bits do not depend on the number of buckets, nor on whether they are worked out here, in a pool
of processes or on a Dask cluster. Each bucket's file appears whole or not at all: what a killed
worker or run had not finished is done by the next one, and what it had done is not done again.
"""

import hashlib
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models import durable
from pipelines import buckets, features, incremental, peer_sums
from pipelines.buckets import partition
from pipelines.features import BOOK, Peers
from pipelines.incremental import Answers, Earlier, Facts
from pipelines.ledger import Ledger
from pipelines.questions import Questions
from pipelines.settlement import settle
from pipelines.workers import crew

__all__ = ["Bucket", "Differs", "Questions", "Run", "compute", "partition", "read", "whole"]

RUN = "run.json"
_MARK = b"puntuale"  # the key in a file's metadata under which it says what it was made of
_DECIDES_BITS = ("numpy", "numba", "holidays")  # another version may give others


class Differs(RuntimeError):  # noqa: N818 - the name says what happened
    """Answers that were kept are not what is worked out anew: the check has found a fault."""


class _Facts(TypedDict):
    """What a finished run says of itself."""

    as_of: int
    rows: list[int]  # of each bucket


@dataclass(frozen=True)
class Bucket:
    """One bucket that was worked out, and what it took."""

    number: int
    rows: int
    kept: int  # of these rows, taken from the earlier run
    was_done: bool  # by this run before it was killed, or by the same run before
    invoices: int  # read at a time: memory follows them
    cpu_seconds: float
    peak_mb: int  # of the worker, so far


@dataclass(frozen=True)
class Run:
    """A table of features in buckets."""

    folder: Path
    questions: Questions
    buckets: tuple[Bucket, ...]

    @property
    def rows(self) -> int:
        return sum(bucket.rows for bucket in self.buckets)

    @property
    def kept(self) -> int:
        return sum(bucket.kept for bucket in self.buckets)


@dataclass(frozen=True)
class _Work:
    """What a worker needs to know; everything large is on the disk."""

    buckets: tuple[Path, ...]
    to: Path
    questions: Questions
    earlier: Path | None
    check: bool
    for_later: bool

    def result(self, number: int) -> Path:
        return self.to / self.buckets[number].name


def compute(
    partitioned: str | Path,
    to: str | Path,
    *,
    questions: Questions,
    peers: Peers | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    earlier: str | Path | None = None,
    check: bool = False,
    for_later: bool = False,
) -> Run:
    """Write each bucket's features to `to`; buckets that are there already are left alone.

    `peers` are those of a model, or else counted first over all buckets. `earlier` is the folder
    of an earlier run on the same customers: what still stands of it is kept; with `check` all of
    it is worked out again too, and `Differs` raised unless every bit is the same. A run made
    `for_later` can be such an earlier one. One run at a time may write to a folder; a scheduler's
    workers must see all folders under the same paths.
    """
    work = _Work(
        tuple(path.resolve() for path in buckets.folders(partitioned)),
        Path(to).resolve(),
        questions,
        None if earlier is None else Path(earlier).resolve(),
        check,
        for_later,
    )
    _prepare(work)
    with crew(workers=workers, scheduler=scheduler) as do:
        numbers = range(len(work.buckets))
        if peers is None:
            do(_Counting(work), numbers)
            parts = [pq.read_table(work.result(n) / "peers.parquet") for n in numbers]
            peers = peer_sums.added(parts)
        buckets.write(peers.as_columns(), work.to / "peers.parquet")
        done = tuple(do(_Answering(work), numbers))
    facts: _Facts = {"as_of": questions.as_of, "rows": [bucket.rows for bucket in done]}
    durable.write(work.to / RUN, json.dumps(facts).encode())
    return Run(work.to, questions, done)


def read(folder: str | Path) -> Iterator[pa.Table]:
    """A finished run's answers, bucket by bucket: invoice_id, as_of and the book in float32."""
    folder = Path(folder)
    for number in range(len(_facts(folder)["rows"])):
        yield pq.read_table(folder / f"bucket={number:04d}" / "features.parquet")


def whole(ledger: Ledger, questions: Questions, *, peers: Peers | None = None) -> pa.Table:
    """The same table in one piece and in memory, without an engine of partitions."""
    settlement = settle(ledger)
    invoice, as_of = questions.of(settlement)
    if peers is None:
        peers = Peers.build(ledger, settlement, known_until=questions.as_of)
    answers = incremental.answer(ledger, settlement, invoice, as_of, peers=peers)
    return _table(ledger, invoice, as_of, answers)


def _prepare(work: _Work) -> None:
    if work.earlier == work.to:
        raise ValueError(f"to must be another folder than earlier's, got: {work.to}")
    durable.make(work.to)
    (work.to / RUN).unlink(missing_ok=True)  # said again once every bucket is there
    for number in range(len(work.buckets)):
        durable.make(work.result(number))
        durable.sweep(work.result(number))
    if work.earlier and len(_facts(work.earlier)["rows"]) != len(work.buckets):
        raise ValueError(
            f"{work.earlier} must have as many buckets as the ledger has, {len(work.buckets)}, "
            f"got: {len(_facts(work.earlier)['rows'])}"
        )


@dataclass(frozen=True)
class _Counting:
    """The task that counts the peers of one bucket."""

    work: _Work

    def __call__(self, number: int) -> None:
        source, path = self.work.buckets[number], self.work.result(number) / "peers.parquet"
        mark = _mark(_content(source), str(self.work.questions.as_of))
        if _has(path, mark):
            return
        ledger = buckets.read(source, columns=incremental.READ)
        counted = Peers.build(ledger, settle(ledger), known_until=self.work.questions.as_of)
        buckets.write(_marked(counted.as_columns(), mark), path)


@dataclass(frozen=True)
class _Answering:
    """The task that answers the questions about one bucket."""

    work: _Work

    def __call__(self, number: int) -> Bucket:
        begin = time.process_time()
        work, result = self.work, self.work.result(number)
        peers_file = work.to / "peers.parquet"
        made_of = (_sha256(peers_file), repr(work.questions), str(work.for_later))
        mark = _mark(_content(work.buckets[number]), *made_of)
        path = result / "features.parquet"
        if _has(path, mark) and not work.check:
            rows = pq.read_metadata(path).num_rows
            return Bucket(number, rows, 0, True, 0, time.process_time() - begin, _peak_mb())

        ledger = buckets.read(work.buckets[number], columns=incremental.READ)
        facts = Facts.of(ledger) if work.for_later or work.earlier else None
        peers = _peers(peers_file, _sha256(peers_file))
        table, kept = self._answers(ledger, peers, number, facts)
        if work.for_later and facts:
            known = facts.digests(known_before=work.questions.as_of)
            buckets.write(known, result / "customers.parquet")
        buckets.write(_marked(table, mark), path)  # last: it says that the bucket is done
        spent = time.process_time() - begin
        invoices = ledger.invoices.num_rows
        return Bucket(number, table.num_rows, kept, False, invoices, spent, _peak_mb())

    def _answers(
        self, ledger: Ledger, peers: Peers, number: int, facts: Facts | None
    ) -> tuple[pa.Table, int]:
        work = self.work
        settlement = settle(ledger)
        invoice, as_of = work.questions.of(settlement)
        earlier = self._earlier(number)
        answers = incremental.answer(
            ledger, settlement, invoice, as_of, peers=peers, earlier=earlier, facts=facts
        )
        if work.check and earlier:
            again = incremental.answer(ledger, settlement, invoice, as_of, peers=peers)
            _compare(answers, again, number)
        return _table(ledger, invoice, as_of, answers), answers.kept

    def _earlier(self, number: int) -> Earlier | None:
        """What the earlier run says of this bucket, if it was made in the same way."""
        if self.work.earlier is None:
            return None
        bucket = self.work.earlier / self.work.buckets[number].name
        made_by = pq.read_schema(bucket / "features.parquet").metadata[_MARK].split(b" ")[0]
        if made_by != _way().encode():
            return None
        if not (bucket / "customers.parquet").exists():
            raise ValueError(
                f"{self.work.earlier} must be made with for_later=True, got one without"
            )
        return Earlier.read(bucket, as_of=_facts(self.work.earlier)["as_of"])


def _compare(kept: Answers, again: Answers, number: int) -> None:
    same = incremental.same_bits(kept.values, again.values)
    if not same.all():
        row, column = np.nonzero(~same)
        names = [list(BOOK)[at] for at in np.unique(column)]
        raise Differs(
            f"bucket {number}: {len(np.unique(row)):,} of {len(same):,} rows are not what is "
            f"worked out anew, in {', '.join(names)}; run without `earlier`"
        )


def _table(ledger: Ledger, invoice: np.ndarray, as_of: np.ndarray, answers: Answers) -> pa.Table:
    ids = ledger.invoices["invoice_id"].combine_chunks().take(pa.array(invoice))
    columns = dict(zip(BOOK, answers.values.T, strict=True))
    return pa.table({"invoice_id": ids, "as_of": pa.array(as_of, pa.date32()), **columns})


def _facts(folder: Path) -> _Facts:
    try:
        facts: _Facts = json.loads((folder / RUN).read_text())
    except FileNotFoundError:
        raise ValueError(
            f"{folder} must be a finished run's folder, got one without {RUN}; run `compute` again"
        ) from None
    return facts


@cache
def _way() -> str:
    """What decides the bits, but the data: the book, and what it is worked out with."""
    made_with = [f"{name} {version(name)}" for name in _DECIDES_BITS] + ["float32"]
    return hashlib.sha256(repr((features.fingerprint(), made_with)).encode()).hexdigest()


def _mark(*made_of: str) -> bytes:
    return f"{_way()} {hashlib.sha256(repr(made_of).encode()).hexdigest()}".encode()


def _marked(table: pa.Table, mark: bytes) -> pa.Table:
    return table.replace_schema_metadata({_MARK: mark})


def _has(path: Path, mark: bytes) -> bool:
    return path.exists() and (pq.read_schema(path).metadata or {}).get(_MARK) == mark


def _content(bucket: Path) -> str:
    """The hash of a bucket's files."""
    return repr([(path.name, _sha256(path)) for path in sorted(bucket.glob("*.parquet"))])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _peers(path: Path, content: str) -> Peers:
    """The peers, read once by each worker; other content under the same path is another table."""
    return Peers.from_columns(pq.read_table(path, use_threads=False).replace_schema_metadata(None))


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
