"""A ledger in buckets of customers: one folder a bucket, one Parquet file a table.

A row belongs to the customer of the invoice that it names, else to its own. Ledgers larger than
memory stream through: invoices and the rows that name them meet shard by shard.
"""

import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models import durable
from pipelines import stable_hash
from pipelines.ledger import Ledger, conform, rows_of, violations
from pipelines.tables import TABLES

Buckets = npt.NDArray[np.int64]

ROWS = 1 << 17  # read at a time
MOST = 512  # buckets: each keeps a file open while a table is split
A_BUCKET = 10_000  # invoices, about: read to find one customer
FACTS = "partitions.json"
NAMES_INVOICES = tuple(
    name
    for name, table in TABLES.items()
    if name != "invoices" and "invoice_id" in table.schema.names
)


def partition(source: Ledger | str | Path, to: str | Path, *, partitions: int) -> Path:
    """Split a ledger, or a folder of Parquet files that hold one, into buckets by customer.

    The folder appears whole or not at all. Raises ValueError for rows that break a rule: only
    `sources.read` puts rows in quarantine.
    """
    to = Path(to)
    if not 1 <= partitions <= MOST:
        raise ValueError(f"partitions must be from 1 to {MOST}, got: {partitions}")
    if to.exists():
        raise FileExistsError(f"{to} exists already and is never written over")
    if isinstance(source, Ledger):
        with durable.folder(to) as filled:
            rows = _split_in_memory(source, filled, partitions)
            _note(filled, partitions, rows)
        return to
    read = _Source(source)
    with durable.folder(to) as filled:
        rows = _split(read, filled, partitions)
        _note(filled, partitions, rows)
    return to


def _note(filled: Path, partitions: int, rows: dict[str, int]) -> None:
    facts = {"partitions": partitions, "rows": rows}
    (filled / FACTS).write_text(json.dumps(facts, indent=1))


def fitting(ledger: Ledger) -> int:
    """Into how many buckets a ledger is divided: by its rows alone, so that it is always so."""
    return min(1 + int(ledger.invoices.num_rows) // A_BUCKET, MOST)


def folders(partitioned: str | Path) -> list[Path]:
    """The folders of a partitioned ledger's buckets."""
    root = Path(partitioned)
    try:
        facts = json.loads((root / FACTS).read_text())
    except FileNotFoundError:
        raise ValueError(
            f"{root} must be a folder made by `partition`, got one without {FACTS}"
        ) from None
    return [root / _name(bucket) for bucket in range(facts["partitions"])]


def is_whole(partitioned: str | Path) -> bool:
    """Whether the buckets still hold as many rows of each table as were put into them."""
    try:
        counts = json.loads((Path(partitioned) / FACTS).read_text())["rows"]
        return all(
            count == sum(_rows_in(folder / f"{name}.parquet") for folder in folders(partitioned))
            for name, count in counts.items()
        )
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return False


def _rows_in(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows) if path.exists() else 0


def folder_of(partitioned: str | Path, customer_id: str) -> Path:
    """The folder of the bucket that holds a customer's rows, if the ledger has any."""
    every = folders(partitioned)
    place = _place(pa.chunked_array([pa.array([customer_id])]), len(every))
    return every[int(place[0])]


def read(bucket: Path, *, columns: Mapping[str, Sequence[str]] | None = None) -> Ledger:
    """One bucket's ledger; where `columns` are named the others are not read, and are null."""
    tables = {}
    for name, declared in TABLES.items():
        path = bucket / f"{name}.parquet"
        wanted = declared.schema.names if columns is None else columns.get(name)
        if wanted and path.exists():
            tables[name] = pq.read_table(path, columns=list(wanted), use_threads=False)
    return Ledger.of(**tables)


def write(table: pa.Table, path: Path) -> None:
    """Put a Parquet file at the path, all of it or nothing, whoever writes it at the same time."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{durable.TEMPORARY}")
    pq.write_table(table, temporary, compression="none", use_dictionary=False)
    durable.flush(temporary)
    os.replace(temporary, path)
    durable.flush(path.parent)


def _split_in_memory(ledger: Ledger, to: Path, partitions: int) -> dict[str, int]:
    """Write the rows of a ledger that is here into their buckets; the rows of each table."""
    for bucket in range(partitions):
        (to / _name(bucket)).mkdir()
    invoices = ledger.invoices["invoice_id"]
    of_invoices = _place(ledger.invoices["customer_id"], partitions)
    known = pa.table({"invoice_id": invoices, "bucket": of_invoices})
    for name, table in ledger.tables().items():
        if not table.num_rows:
            continue
        shard = np.zeros(table.num_rows, np.int64)
        if name in NAMES_INVOICES:
            place = _bucket_of_each(table, known, partitions)
            shard = _place_once(table["invoice_id"], partitions)  # in the order of files' rows
        else:
            is_one = name == "invoices"
            place = of_invoices if is_one else _place(table["customer_id"], partitions)
        order = np.lexsort((shard, place))
        ends = np.append(0, np.cumsum(np.bincount(place, minlength=partitions))).tolist()
        for number, (begin, end) in enumerate(itertools.pairwise(ends)):
            if end > begin:
                part = table.take(pa.array(order[begin:end]))
                pq.write_table(part, to / _name(number) / f"{name}.parquet", compression="zstd")
    return {name: table.num_rows for name, table in ledger.tables().items()}


class _Source:
    """Batches of a table's accepted rows, from files."""

    def __init__(self, source: str | Path) -> None:
        self.folder = Path(source)
        if not self._files("invoices"):
            raise ValueError(
                f"{self.folder} must hold invoices.parquet and the ledger's other tables; "
                "read CSV files, databases and foreign exports with `sources.read`"
            )

    def batches(self, name: str) -> Iterator[pa.Table]:
        for path in self._files(name):
            for batch in _batches(path):
                yield _accepted(name, batch, path)

    def _files(self, name: str) -> list[Path]:
        patterns = (f"{name}.parquet", f"{name}[-_.]*.parquet", f"{name}/**/*.parquet")
        return sorted({path for p in patterns for path in self.folder.glob(p)})


def _batches(path: Path) -> Iterator[pa.Table]:
    # Pages are read as they are needed: a file of one row group takes no more memory than many.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
        for batch in file.iter_batches(ROWS, use_threads=False):
            yield pa.Table.from_batches([batch])


def _accepted(name: str, rows: pa.Table, path: Path) -> pa.Table:
    """The rows in the ledger's own columns and types; money as files carry it becomes cents."""
    declared = TABLES[name]
    columns = {c: rows[c] for c in rows.column_names if c in declared.schema.names}
    for column in declared.columns:
        if column.kind == "amount" and column.name in rows.column_names:
            units = rows[column.name].cast(pa.decimal128(20, 2))
            columns[column.stored] = pc.multiply(units, pa.scalar(Decimal(100))).cast(pa.int64())
    table = conform(pa.table(columns), to=declared)
    if broken := violations(name, table):
        first = broken[0]
        raise ValueError(
            f"{path.name}: {len(broken):,} values break a rule; first {first.rule}: {first.column} "
            f"must be {first.expected}, got: {first.found}; read it with `sources.read` first"
        )
    return table


def _split(source: _Source, to: Path, partitions: int) -> dict[str, int]:
    """Write every table's rows into their buckets; the rows of each table."""
    with durable.aside(to) as pieces:
        rows = {
            name: _by_customer(source, name, to, partitions)
            for name in TABLES
            if name not in (*NAMES_INVOICES, "invoices")
        }
        rows["invoices"] = _by_customer(source, "invoices", to, partitions, known=pieces)
        for name in NAMES_INVOICES:
            rows[name] = _by_invoice(source, name, to, partitions, pieces)
    return rows


def _by_customer(
    source: _Source, name: str, to: Path, partitions: int, known: Path | None = None
) -> int:
    """Each row to its customer's bucket; for the rows to come, in shards, where invoices went."""
    count = 0
    with _Files(to, f"{name}.parquet") as files, _Files(known or to, "known.parquet") as went:
        for rows in source.batches(name):
            bucket = _place(rows["customer_id"], partitions)
            files.add(rows, bucket)
            if known:
                ids = pa.table({"invoice_id": rows["invoice_id"], "bucket": bucket})
                went.add(ids, _place_once(rows["invoice_id"], partitions))
            count += rows.num_rows
    return count


def _by_invoice(source: _Source, name: str, to: Path, partitions: int, pieces: Path) -> int:
    """Each row to the bucket of the invoice it names, shard by shard, else of its customer."""
    count = 0
    with _Files(pieces, f"{name}.parquet") as files:
        for rows in source.batches(name):
            files.add(rows, _place_once(rows["invoice_id"], partitions))
            count += rows.num_rows
    with _Files(to, f"{name}.parquet") as files:
        for shard in range(partitions):
            piece, known = (pieces / _name(shard) / f for f in (f"{name}.parquet", "known.parquet"))
            if not piece.exists():
                continue
            went = pq.read_table(known) if known.exists() else None
            for rows in _batches(piece):
                files.add(rows, _bucket_of_each(rows, went, partitions))
            piece.unlink()
    return count


def _bucket_of_each(rows: pa.Table, went: pa.Table | None, partitions: int) -> Buckets:
    own = (
        _place(rows["customer_id"], partitions)
        if "customer_id" in rows.column_names
        else np.zeros(rows.num_rows, np.int64)  # names nothing that is known: kept, in the first
    )
    if went is None or not went.num_rows:
        return own
    at = rows_of(rows["invoice_id"], among=went["invoice_id"])
    return np.where(at >= 0, went["bucket"].to_numpy()[at], own)


def _place(customer_ids: pa.ChunkedArray, partitions: int) -> Buckets:
    number = stable_hash.of_customers(customer_ids) % np.uint64(partitions)
    return number.astype(np.int64)


def _place_once(invoice_ids: pa.ChunkedArray, partitions: int) -> Buckets:
    number = stable_hash.of_strings(invoice_ids) % np.uint64(partitions)
    return number.astype(np.int64)


def _name(bucket: int) -> str:
    return f"bucket={bucket:04d}"


class _Files(ExitStack):
    """One file of a name in each bucket's folder, made when its first row comes."""

    def __init__(self, root: Path, name: str) -> None:
        super().__init__()
        self.root, self.name = root, name
        self.open: dict[int, pq.ParquetWriter] = {}

    def __enter__(self) -> "_Files":
        super().__enter__()
        return self

    def add(self, rows: pa.Table, bucket: Buckets) -> None:
        if not rows.num_rows:
            return
        order = np.argsort(bucket, kind="stable")
        ordered = rows.take(pa.array(order))
        edges = np.flatnonzero(np.diff(bucket[order], prepend=-1))
        ends = np.append(edges[1:], len(order))
        for begin, end in zip(edges.tolist(), ends.tolist(), strict=True):
            part = ordered.slice(begin, end - begin)
            self._writer(int(bucket[order[begin]]), rows.schema).write_table(part)

    def _writer(self, bucket: int, schema: pa.Schema) -> pq.ParquetWriter:
        if bucket not in self.open:
            folder = self.root / _name(bucket)
            folder.mkdir(exist_ok=True)
            path = folder / self.name
            self.open[bucket] = self.enter_context(
                pq.ParquetWriter(path, schema, compression="zstd")
            )
        return self.open[bucket]
