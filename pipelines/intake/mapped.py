"""Raw rows become typed rows of the ledger's tables, as a mapping says and no further.

What no part of a mapping takes is left out and counted; a cell that cannot be read stays with its
row as a fault, for quarantine to keep.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake.cells import Cells, Format, blank_as_null, normal_text, read_cells
from pipelines.intake.files import IntakeRefused, Raw
from pipelines.intake.mapping import Link, Origin, Part
from pipelines.tables import TABLES, Column, Table


@dataclass(frozen=True)
class Fault:
    """One cell that could not be read, of one row of a table."""

    row: int
    column: str
    rule: str
    value: str
    expected: str


@dataclass(frozen=True)
class Rows:
    """Typed rows of one table: columns as a ledger stores them, and where each row came from."""

    table: pa.Table
    sources: pa.Array
    lines: np.ndarray
    faults: tuple[Fault, ...] = ()

    def take(self, rows: np.ndarray) -> "Rows":
        position = {int(row): new for new, row in enumerate(rows)}
        kept = [replace(f, row=position[f.row]) for f in self.faults if f.row in position]
        chosen = pa.array(rows)
        return Rows(
            self.table.take(chosen), self.sources.take(chosen), self.lines[rows], tuple(kept)
        )


@dataclass
class Reading:
    """What reading a source gave: rows by table, what was left out, and faults of the whole."""

    rows: dict[str, list[Rows]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def gathered(self) -> dict[str, Rows]:
        """The rows of each table, joined; IntakeRefused if anything was refused."""
        if self.refused:
            raise IntakeRefused(list(dict.fromkeys(self.refused)))
        return {name: join_rows(parts) for name, parts in self.rows.items()}


def join_rows(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    faults: list[Fault] = []
    offset = 0
    for part in parts:
        faults += [replace(fault, row=fault.row + offset) for fault in part.faults]
        offset += part.table.num_rows
    columns = list(dict.fromkeys(c for part in parts for c in part.table.column_names))
    schema = pa.unify_schemas([part.table.schema for part in parts])
    return Rows(
        pa.concat_tables([p.table for p in parts], promote_options="default")
        .cast(schema)
        .select(columns)
        .combine_chunks(),
        pa.concat_arrays([p.sources for p in parts]),
        np.concatenate([p.lines for p in parts]),
        tuple(faults),
    )


def own_names(table: Table, raw: Raw) -> Part:
    """The part that takes the ledger's own column names from a file named after the table."""
    names = [c.name for c in table.columns if c.name in raw.table.column_names]
    return Part(raw.source, table.name, {name: Origin(column=name) for name in names})


def apply(
    parts: Iterable[tuple[Part, Sequence[Raw]]], files: Mapping[str, Raw], form: Format
) -> Reading:
    """Every part applied to its files; `files` are those that joins may name."""
    reading = Reading()
    taken: dict[str, np.ndarray] = {}
    for part, raws in parts:
        pieces = []
        for raw in raws:
            if absent := _absent(part, raw, files):
                reading.refused.append(absent)
                continue
            keep = _chosen(part, raw, files, form)
            if part.join is not None:
                _take_joined(part.join, raw, keep, files, form, taken)
            if part.one_row_per is None:
                taken[raw.source] = taken.get(raw.source, np.zeros(len(keep), bool)) | keep
            piece = _typed(part, raw, np.flatnonzero(keep), files, form, reading)
            pieces.append(piece)
        if pieces:
            rows = join_rows(pieces)
            reading.rows.setdefault(part.table, []).append(_finished(part, rows))
    for source, used in taken.items():
        if count := int((~used).sum()):
            reading.left_out[source] = count
    return reading


def _take_joined(
    link: Link,
    raw: Raw,
    keep: np.ndarray,
    files: Mapping[str, Raw],
    form: Format,
    taken: dict[str, np.ndarray],
) -> None:
    """Counts the other file's rows that the join uses as taken."""
    other = files[link.file]
    wanted = _words(raw.table[link.on], form).filter(pa.array(keep))
    used = _among(_words(other.table[link.to], form), wanted)
    taken[other.source] = taken.get(other.source, np.zeros(len(used), bool)) | used


def _absent(part: Part, raw: Raw, files: Mapping[str, Raw]) -> str:
    """Which columns the part needs and its files lack; empty when none."""
    present = set(raw.table.column_names)
    needed = {c for origin in part.columns.values() for c in origin.columns()}
    needed |= {*part.where, *part.unless, *part.filled, *part.nonzero}
    for link in (part.join, part.without):
        if link is None:
            continue
        needed.add(link.on)
        if link.file not in files:
            return f"{raw.source}: expected a file {link.file} beside it, got none"
        other = set(files[link.file].table.column_names)
        if link.to not in other:
            return f"{link.file}: expected a column {link.to}, got: {', '.join(sorted(other))}"
        if link is part.join:
            present |= {f"{link.file}.{column}" for column in other}
    if absent := sorted(needed - present):
        return (
            f"{raw.source}: expected columns {', '.join(absent)}, "
            f"got: {', '.join(raw.table.column_names[:30])}"
        )
    return ""


def _chosen(part: Part, raw: Raw, files: Mapping[str, Raw], form: Format) -> np.ndarray:
    """The rows that the part's conditions take."""
    keep = np.ones(raw.table.num_rows, bool)
    for column, values in part.where.items():
        keep &= _among(_words(raw.table[column], form), values)
    for column, values in part.unless.items():
        keep &= ~_among(_words(raw.table[column], form), values)
    for column in part.filled:
        keep &= np.asarray(_words(raw.table[column], form).is_valid())
    for column in part.nonzero:
        text = _words(raw.table[column], form)
        zero = pc.match_substring_regex(text, r"^[-+]?0*[.,]?0*$").fill_null(True)
        keep &= ~np.asarray(zero)
    if part.without is not None:
        others = _words(files[part.without.file].table[part.without.to], form)
        keep &= ~_among(_words(raw.table[part.without.on], form), others.unique())
    return keep


def _words(cells: pa.ChunkedArray, form: Format) -> pa.Array:
    text = cells.combine_chunks().cast(pa.string())
    return normal_text(blank_as_null(text, form))


def _among(words: pa.Array, values: Sequence[str] | pa.Array) -> np.ndarray:
    wanted = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    return np.asarray(pc.is_in(words, value_set=wanted.drop_null()).fill_null(False))


def _typed(
    part: Part,
    raw: Raw,
    rows: np.ndarray,
    files: Mapping[str, Raw],
    form: Format,
    reading: Reading,
) -> Rows:
    """The chosen rows with each column read as its kind; unreadable cells become faults."""
    is_whole = len(rows) == raw.table.num_rows
    table = raw.table if is_whole else raw.table.take(pa.array(rows))
    if part.join is not None:
        table = _joined(table, part.join, files[part.join.file], form)
    lines = raw.lines[rows]
    arrays: dict[str, pa.Array] = {}
    faults: list[Fault] = []
    for name, origin in part.columns.items():
        column = TABLES[part.table].column(name)
        given = _given(table, origin, form)
        if refusal := _type_kept(raw, column, origin, given, form):
            reading.refused.append(f"{raw.source}: {name}: {refusal}")
            continue
        cells = read_cells(given, column, _own_form(raw, origin, form), lines)
        if cells.refused:
            reading.refused.append(f"{raw.source}: {origin.column or name}: {cells.refused}")
            continue
        faults += _faults(column, cells, given)
        arrays[column.stored] = _derived(cells.values, column, origin)
    sources = pa.array([raw.source]).take(pa.array(np.zeros(len(rows), np.int32)))
    return Rows(pa.table(arrays), sources, lines, tuple(faults))


def _given(table: pa.Table, origin: Origin, form: Format) -> pa.Array:
    """The cells that the origin names, before they are read."""
    if origin.constant is not None:
        nothing = np.zeros(table.num_rows, np.int32)
        return pa.array([origin.constant]).take(pa.array(nothing))
    if origin.column is not None:
        cells = table[origin.column].combine_chunks()
        if not origin.values:
            return cells
        return _translated(_words(table[origin.column], form), origin.values)
    words = [_words(table[column], form) for column in origin.first_of or origin.ids]
    if origin.first_of:
        return pc.coalesce(*words)
    return pc.binary_join_element_wise(*words, "-", null_handling="skip")


def _translated(words: pa.Array, values: Mapping[str, str]) -> pa.Array:
    position = pc.index_in(words, value_set=pa.array(list(values)))
    return pc.coalesce(pa.array(list(values.values())).take(position), words)


def _type_kept(raw: Raw, column: Column, origin: Origin, given: pa.Array, form: Format) -> str:
    """Why text in a typed file is refused: a number that became text is a changed contract."""
    if not raw.typed or column.kind in ("id", "text") or origin.constant or origin.values:
        return ""
    kind = given.type.value_type if pa.types.is_dictionary(given.type) else given.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return ""
    own = _own_form(raw, origin, form)
    if (column.kind == "date" and own.date) or (column.kind != "date" and own.decimal):
        return ""
    return f"expected a typed column ({column.kind}), got text; state its format in the mapping"


def _own_form(raw: Raw, origin: Origin, form: Format) -> Format:
    """The format of one column: what the mapping says of it, else of all; numbers have a point."""
    decimal = "." if origin.column in raw.numeric else origin.decimal or form.decimal
    return replace(form, date=origin.date or form.date, decimal=decimal)


def _joined(table: pa.Table, link: Link, other: Raw, form: Format) -> pa.Table:
    """The table with the other file's columns beside it; the first match counts."""
    row = pc.index_in(_words(table[link.on], form), value_set=_words(other.table[link.to], form))
    beside = other.table.take(row)
    for name in beside.column_names:
        table = table.append_column(f"{link.file}.{name}", beside[name])
    return table


def _faults(column: Column, cells: Cells, given: pa.Array) -> list[Fault]:
    rule = f"unreadable_{column.kind}"
    return [
        Fault(row, column.name, rule, str(given[row].as_py()), cells.expected)
        for row in np.flatnonzero(cells.unread).tolist()
    ]


def _derived(values: pa.Array, column: Column, origin: Origin) -> pa.Array:
    """What the mapping does to a column once it is read: days moved, signs and rates turned."""
    if column.kind == "date" and (shift := origin.plus_days - origin.minus_days):
        days = pc.add(values.cast(pa.int32()), pa.scalar(shift, pa.int32()))
        return days.cast(pa.date32())
    if origin.absolute:
        values = pc.abs(values)
    if origin.negate:
        values = pc.negate(values)
    if origin.inverse:
        values = pc.divide(1.0, values)
    return values


def _finished(part: Part, rows: Rows) -> Rows:
    """What a part asks of its rows together: one per id, and ids that count their occurrences."""
    for name, origin in part.columns.items():
        if origin.occurrence:
            place = rows.table.schema.get_field_index(name)
            counted = _counted(rows.table[name].combine_chunks())
            rows = replace(rows, table=rows.table.set_column(place, name, counted))
    if part.one_row_per is not None:
        codes = rows.table[part.one_row_per].combine_chunks().dictionary_encode().indices
        first = np.unique(codes.fill_null(-1).to_numpy(), return_index=True)[1]
        rows = rows.take(np.sort(first))
    return rows


def _counted(ids: pa.Array) -> pa.Array:
    """Each id with #2, #3 ... where it comes again, in the order of the rows."""
    codes = ids.dictionary_encode().indices.fill_null(-1).to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
    nth = np.empty(len(codes), np.int64)
    lengths = np.diff(np.append(starts, len(codes)))
    nth[order] = np.arange(len(codes)) - np.repeat(starts, lengths) + 1
    suffix = pc.binary_join_element_wise("#", pa.array(nth).cast(pa.string()), "")
    return pc.if_else(
        pa.array(nth == 1), ids, pc.binary_join_element_wise(ids, suffix, "", null_handling="skip")
    )
