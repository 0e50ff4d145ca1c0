"""How a file is written, from a look at it: encoding, separator, the line of its heads, cells."""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.cells import Format
from pipelines.intake.column_looks import Look, look_at
from pipelines.intake.files import Raw, read_file

SEPARATORS = (";", ",", "\t", "|")
LINES_LOOKED_AT = 200  # from the top: titles that reports put above their heads are shorter
FULL_HEAD = 0.6  # the share of a row's cells that heads fill; a title fills one


@dataclass(frozen=True)
class FileLook:
    """A file's rows, how they are written, and a look at each of its columns."""

    path: Path
    form: Format
    raw: Raw
    columns: dict[str, Look]

    @property
    def stem(self) -> str:
        return self.path.stem

    def text(self, column: str) -> pa.Array:
        """The column's cells as trimmed text, null where empty."""
        return as_text(self.raw.table[column])


def look(path: Path) -> FileLook:
    """A look at one CSV or Parquet file; raises IntakeRefused where it can't be read whole."""
    form = Format() if path.suffix == ".parquet" else written(path.read_bytes())
    raw = read_file(path, form)
    columns = {
        name: look_at(name, raw.table[name], as_text(raw.table[name]))
        for name in raw.table.column_names
        if name
    }
    return FileLook(path, form, raw, columns)


def written(data: bytes) -> Format:
    """The encoding, the separator and the line of the heads that make the rows most alike."""
    encoding = _encoding(data)
    lines = data.decode(encoding, errors="replace").removeprefix("\ufeff").splitlines()
    first = lines[:LINES_LOOKED_AT]
    if first and first[0].casefold().startswith("sep=") and len(first[0]) == len("sep=;"):
        return Format(encoding=encoding, separator=first[0][4], header_line=2)  # Excel says so
    separator = max(SEPARATORS, key=lambda mark: _evenness(first, mark))
    return Format(encoding=encoding, separator=separator, header_line=_head(first, separator))


def as_text(cells: pa.ChunkedArray) -> pa.Array:
    whole = cells.combine_chunks()
    if pa.types.is_timestamp(whole.type):
        whole = whole.cast(pa.date32(), safe=False)
    text = pc.utf8_trim_whitespace(whole.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def _encoding(data: bytes) -> str:
    """A byte order mark says it; else what decodes as UTF-8 is, and the rest is Windows'."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"  # in which every byte is a letter


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=separator))


def _evenness(lines: list[str], separator: str) -> float:
    """How many columns most rows have, and how many rows agree: their product."""
    widths = Counter(len(row) for row in _rows(lines, separator) if row)
    if not widths:
        return 0.0
    width, rows = max(widths.items(), key=lambda item: (item[0] > 1) * item[1] * item[0])
    return (width - 1) * rows / sum(widths.values())


def _head(lines: list[str], separator: str) -> int:
    """The first line whose cells are as many as the rows', filled, and words."""
    rows = [next(iter(_rows([line], separator)), []) for line in lines]
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 1
    width = widths.most_common(1)[0][0]
    for number, row in enumerate(rows, 1):
        filled = [cell for cell in row if cell.strip()]
        if len(row) == width and len(filled) >= FULL_HEAD * width:
            return number
    return 1
