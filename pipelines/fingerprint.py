"""A short name for the content of a ledger: the same rows in any order have the same one."""

import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ledger import TABLES, Ledger


def of_ledger(ledger: Ledger) -> str:
    """The hash of every value of every table."""
    digest = hashlib.sha256()
    for name, table in ledger.tables().items():
        digest.update(f"{name} {table.num_rows}\n".encode())
        _add(digest, _in_order(table, TABLES[name].key))
    return digest.hexdigest()[:16]


def _in_order(table: pa.Table, key: str | None) -> pa.Table:
    named = key is not None and table[key].null_count == 0
    columns = [key] if named else table.column_names
    return table.sort_by([(column, "ascending") for column in columns])


def _add(digest: "hashlib._Hash", table: pa.Table) -> None:
    """Feed each column as two arrays without nulls: what is missing, and the rest."""
    for field in table.schema:
        column = table[field.name].combine_chunks()
        if pa.types.is_date32(field.type):
            column = column.cast(pa.int32())
        blank = pa.scalar("" if pa.types.is_string(field.type) else 0).cast(column.type)
        parts = [pc.is_null(column), column.fill_null(blank)]
        digest.update(field.name.encode())
        digest.update(pa.record_batch(parts, names=["missing", "values"]).serialize())
