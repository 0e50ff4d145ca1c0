"""Files become raw tables: text as text, with the line of every row, or are refused whole.

A file that is cut short, of another type than its name says, without a header or in another
encoding is not read in part: nothing of it goes on.
"""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from pipelines.intake.cells import Format, listed

MAX_COLUMNS = 500  # a ledger's export has tens: more is a table laid on its side, or an attack
MAX_BYTES = 4 << 30  # one file; larger ledgers come in parts
MAX_EXPANSION = 200  # Parquet compresses repeated values 100 times; beyond this it is a bomb
SUFFIXES = (".parquet", ".csv", ".txt", ".tsv")
_MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"7z\xbc\xaf": "a 7z archive",
}


class IntakeRefused(ValueError):  # noqa: N818 - the name says what happened, to a person
    """A source that is refused whole; `faults` lists every reason found."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True)
class Raw:
    """Rows as they came, with the source's name and the line of each row."""

    source: str
    table: pa.Table
    lines: np.ndarray
    typed: bool  # the source has types: text where a number or a date belongs is a broken contract
    numeric: frozenset[str] = frozenset()  # text cells that a database wrote from numbers


def read_file(path: Path, form: Format) -> Raw:
    """The rows of one CSV or Parquet file; IntakeRefused where it is not to be trusted whole."""
    size = path.stat().st_size
    if size == 0:
        raise IntakeRefused([f"{path.name}: expected rows, got an empty file"])
    if size > MAX_BYTES:
        raise IntakeRefused([f"{path.name}: {size:,} bytes, at most {MAX_BYTES:,}: split the file"])
    raw = _parquet(path) if path.suffix == ".parquet" else _csv(path, form)
    if len(raw.table.column_names) > MAX_COLUMNS:
        count = len(raw.table.column_names)
        raise IntakeRefused([f"{path.name}: {count:,} columns, at most {MAX_COLUMNS}"])
    names = [name.strip() for name in raw.table.column_names]
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise IntakeRefused([f"{path.name}: columns named twice: {', '.join(twice)}"])
    return replace(raw, table=raw.table.rename_columns(names))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parquet(path: Path) -> Raw:
    try:
        file = pq.ParquetFile(path)
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        expanded = sum(group.total_byte_size for group in groups)
        if expanded > max(MAX_EXPANSION * path.stat().st_size, 1 << 26):
            raise IntakeRefused(
                [f"{path.name}: {expanded:,} bytes once expanded: too many for its size"]
            )
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0]
        raise IntakeRefused(
            [f"{path.name}: expected a whole Parquet file, got: {why}; export it again"]
        ) from error
    return Raw(path.name, table, np.arange(1, table.num_rows + 1), typed=True)


def _csv(path: Path, form: Format) -> Raw:
    data = path.read_bytes()
    text = _from_header(path.name, _decoded(path.name, data, form), form)
    if text.count('"') % 2:
        _closed_quotes(path.name, text, form)
    ragged: list[tuple[int, int, int]] = []

    def collect(row: pcsv.InvalidRow) -> str:
        ragged.append((row.number, row.expected_columns, row.actual_columns))
        return "skip"

    try:
        table = pcsv.read_csv(
            io.BytesIO(text.encode()),
            read_options=pcsv.ReadOptions(use_threads=False, block_size=1 << 26),
            parse_options=pcsv.ParseOptions(
                delimiter=form.separator, newlines_in_values=True, invalid_row_handler=collect
            ),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(_header(path.name, text, form), pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        why = str(error).splitlines()[0]
        raise IntakeRefused([f"{path.name}: expected rows of CSV, got: {why}"]) from error
    if ragged:
        cut = np.array([number for number, _, _ in ragged])
        _, expected, actual = ragged[0]
        raise IntakeRefused(
            [
                f"{path.name}: expected {expected} columns in every row, got {actual} "
                f"({listed(cut)}): the file is cut short, or its separator is not "
                f"{form.separator!r}; nothing of it was read"
            ]
        )
    lines = _lines(table, text, form) + (form.header_line - 1)
    return Raw(path.name, table, lines, typed=False)


def _decoded(name: str, data: bytes, form: Format) -> str:
    """The file's text in the stated encoding, its line ends kept, its byte order mark gone."""
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            advice = "export it as CSV or Parquet"
            raise IntakeRefused([f"{name}: expected CSV, got {kind}: {advice}"])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and "16" not in form.encoding:
        raise IntakeRefused([f"{name}: UTF-16 text: state encoding = 'utf-16' in the mapping"])
    try:
        text = data.decode(form.encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise IntakeRefused(
            [
                f"{name}: line {line} is not {form.encoding}: state the encoding in the mapping "
                "(for example encoding = 'cp1252')"
            ]
        ) from error
    except LookupError as error:
        raise IntakeRefused([f"{name}: unknown encoding {form.encoding!r}"]) from error
    if "\0" in text:
        raise IntakeRefused([f"{name}: expected text, got binary data"])
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise IntakeRefused([f"{name}: expected rows, got an empty file"])
    return text


def _from_header(name: str, text: str, form: Format) -> str:
    """The text without the lines above its heads."""
    for _ in range(form.header_line - 1):
        _, _, text = text.partition("\n")
    if not text.strip():
        raise IntakeRefused(
            [f"{name}: expected column heads on line {form.header_line}, got fewer lines"]
        )
    return text


def _closed_quotes(name: str, text: str, form: Format) -> None:
    """Refuses a file that ends inside a quoted cell; a lone inch mark is just a character."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=form.separator, strict=True):
            pass
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise IntakeRefused(
                [f"{name}: the file ends inside a quoted cell: it is cut short; nothing was read"]
            ) from error


def _header(name: str, text: str, form: Format) -> list[str]:
    first = next(csv.reader(io.StringIO(text, newline=""), delimiter=form.separator))
    if len(first) == 1 and any(mark in first[0] for mark in ",;\t|"):
        raise IntakeRefused(
            [
                f"{name}: one column named {first[0][:80]!r}: the separator is not "
                f"{form.separator!r}; state it in the mapping"
            ]
        )
    return first


def _lines(table: pa.Table, text: str, form: Format) -> np.ndarray:
    """The line on which each row starts; exact with quoted line breaks and blank lines too."""
    rows = table.num_rows
    breaks = text.count("\n") if "\n" in text else text.count("\r")
    if breaks + (not text.endswith(("\n", "\r"))) == rows + 1:
        return np.arange(2, rows + 2)
    inside = np.zeros(rows, np.int64)
    for column in table.columns:
        inside += pc.count_substring(column, "\n").to_numpy()
    if breaks + (not text.endswith("\n")) == rows + 1 + int(inside.sum()):
        return 2 + np.arange(rows) + np.concatenate(([0], np.cumsum(inside[:-1])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=form.separator)
    starts, before = [], 0
    for cells in reader:
        if cells:
            starts.append(before + 1)
        before = reader.line_num
    return np.array(starts[1:], np.int64)
