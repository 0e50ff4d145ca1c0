"""Cells become values: the text or the typed column of a source read as money, days, flags and ids.

Nothing is guessed. A cell that cannot be read is a fault of its row; a column that can be read in
two ways (03/04/2026, 1.234) is refused whole, with its lines, until the mapping says which.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.intake import days_written, money_written
from pipelines.tables import ARROW_TYPE, Column, Kind

TRUE = frozenset({"true", "t", "1", "yes", "y", "si", "sì", "s", "x", "vero"})
FALSE = frozenset({"false", "f", "0", "no", "n", "falso"})
INVISIBLE = "[\\x{200B}\\x{2060}\\x{FEFF}]"  # zero-width marks that no name needs
JOINERS = "[\\x{200C}\\x{200D}]"  # needed by names in Persian and by emoji, never by an id
LINES_SHOWN = 10  # a refusal names this many lines, then counts the rest


@dataclass(frozen=True)
class Format:
    """How a source writes its cells; None means that it does not say."""

    encoding: str = "utf-8"
    separator: str = ","
    decimal: str | None = None
    date: str | None = None
    zone: str = "Europe/Rome"
    nulls: frozenset[str] = field(default_factory=frozenset)
    header_line: int = 1  # reports put titles above their heads


@dataclass(frozen=True)
class Cells:
    """One column read: its values, the rows that could not be, and why all of it is refused."""

    values: pa.Array
    unread: np.ndarray
    expected: str = ""
    refused: str = ""


def read_cells(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    """The raw cells as a ledger stores this kind of column; `lines` are for messages."""
    if pa.types.is_dictionary(raw.type):
        raw = raw.cast(raw.type.value_type)
    if pa.types.is_large_string(raw.type) or pa.types.is_string_view(raw.type):
        raw = raw.cast(pa.string())
    if pa.types.is_null(raw.type):
        return Cells(pa.nulls(len(raw), ARROW_TYPE[column.kind]), np.zeros(len(raw), bool))
    if pa.types.is_floating(raw.type):
        if refusal := _nan_beside_null(raw):
            return _refused(column, len(raw), refusal)
        raw = pc.if_else(pc.is_nan(raw), None, raw)
    if pa.types.is_string(raw.type):
        return _TEXT_READERS[column.kind](blank_as_null(raw, form), column, form, lines)
    return _typed(raw, column, form)


def blank_as_null(raw: pa.Array, form: Format) -> pa.Array:
    """Empty cells, and those that the format declares, as missing; NA and None stay words."""
    blank = pc.equal(pc.utf8_trim_whitespace(raw), "")
    if form.nulls:
        blank = pc.or_(blank, pc.is_in(raw, value_set=pa.array(sorted(form.nulls))))
    return pc.if_else(blank, None, raw)


def normal_text(raw: pa.Array) -> pa.Array:
    """Text in NFKC, without zero-width marks and without space at its ends."""
    plain = pc.string_is_ascii(raw)
    if not pc.all(plain, min_count=0).as_py():
        foreign = pc.replace_substring_regex(raw.filter(pc.invert(plain)), INVISIBLE, "")
        # Arrow's own utf8_normalize leaves decomposed letters as they are.
        composed = [normalize("NFKC", text) for text in foreign.to_pylist()]
        raw = pc.replace_with_mask(
            raw, pc.invert(plain).fill_null(False), pa.array(composed, pa.string())
        )
    trimmed = pc.utf8_trim_whitespace(raw)
    return pc.if_else(pc.equal(trimmed, ""), None, trimmed)


def normal_id(raw: pa.Array) -> pa.Array:
    return normal_text(pc.replace_substring_regex(raw, JOINERS, ""))


def listed(lines: np.ndarray) -> str:
    """Line numbers for a message: the first ones, and how many more."""
    first = ", ".join(str(line) for line in lines[:LINES_SHOWN].tolist())
    more = len(lines) - LINES_SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return f"line{'s' if len(lines) > 1 else ''} {first}{tail}"


def _refused(column: Column, rows: int, why: str) -> Cells:
    return Cells(pa.nulls(rows, ARROW_TYPE[column.kind]), np.zeros(rows, bool), refused=why)


def _nan_beside_null(raw: pa.Array) -> str:
    nan = pc.sum(pc.is_nan(raw)).as_py() or 0
    if nan and raw.null_count:
        return (
            f"expected one way to say missing, got: {nan} NaN beside {raw.null_count} null; "
            "write the file again with nulls only"
        )
    return ""


def _typed(raw: pa.Array, column: Column, form: Format) -> Cells:
    """A typed column (Parquet): converted where its type can mean this kind, else refused."""
    kind, wanted = raw.type, ARROW_TYPE[column.kind]
    nothing = np.zeros(len(raw), bool)
    if column.kind == "amount" and _is_number(kind):
        return Cells(*money_written.typed_cents(raw), expected="an amount of money")
    if column.kind == "date" and pa.types.is_temporal(kind) and not pa.types.is_time(kind):
        return Cells(days_written.typed_days(raw, form.zone), nothing)
    if column.kind == "number" and _is_number(kind):
        return Cells(raw.cast(wanted), nothing)
    if column.kind in ("id", "text", "whole") and pa.types.is_floating(kind):
        if not pc.all(pc.equal(pc.floor(raw), raw), min_count=0).as_py():
            return _refused(column, len(raw), f"expected {_WORDS[column.kind]}, got: fractions")
        raw, kind = raw.cast(pa.int64()), pa.int64()
    if column.kind in ("id", "text") and pa.types.is_integer(kind):
        return Cells(raw.cast(pa.string()), nothing)
    if column.kind == "whole" and pa.types.is_integer(kind):
        return _whole(raw)
    if column.kind == "flag" and pa.types.is_boolean(kind):
        return Cells(raw, nothing)
    if column.kind == "flag" and pa.types.is_integer(kind):
        flag = pc.is_in(raw, value_set=pa.array([0, 1], kind))
        unread = np.asarray(pc.and_(raw.is_valid(), pc.invert(flag)).fill_null(False))
        return Cells(pc.if_else(flag, raw, None).cast(wanted), unread, "0 or 1")
    return _refused(column, len(raw), f"expected {_WORDS[column.kind]}, got the type {kind}")


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _whole(raw: pa.Array) -> Cells:
    fits = pc.less_equal(pc.abs(raw.cast(pa.float64())), float(2**31 - 1)).fill_null(False)
    unread = np.asarray(pc.and_(raw.is_valid(), pc.invert(fits)))
    return Cells(pc.if_else(fits, raw, None).cast(pa.int32()), unread, "a whole number")


def _ids(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    return Cells(normal_id(raw), np.zeros(len(raw), bool))


def _texts(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    return Cells(normal_text(raw), np.zeros(len(raw), bool))


def _dates(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    distinct, codes = _distinct(raw)
    days, refusal = days_written.read_days(distinct, form.date, form.zone)
    if refusal:
        why = "; ".join(
            f"{words} ({listed(lines[np.isin(codes, among)])}, e.g. {distinct[among[0]]!r})"
            for words, among in refusal.groups
        )
        return _refused(column, len(raw), f"{why}: {refusal.advice}")
    expected = f"a date written {form.date or 'year-month-day'}"
    return _spread(pa.array(days, pa.date32()), codes, expected)


def _amounts(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    distinct, codes = _distinct(raw)
    if form.decimal is None and (refusal := money_written.two_readings(distinct)):
        why = "; ".join(
            f"{words} ({listed(lines[np.isin(codes, among)])}, e.g. {distinct[among[0]]!r})"
            for words, among in refusal
        )
        return _refused(column, len(raw), f"{why}: state decimal = '.' or ',' in the mapping")
    found = money_written.text_cents(distinct, form.decimal)
    mark = f" with decimal {form.decimal!r}" if form.decimal else ""
    return _spread(pa.array(found, pa.int64()), codes, f"an amount of money{mark}")


def _numbers(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    distinct, codes = _distinct(raw)
    found = [money_written.text_number(text, form.decimal) for text in distinct]
    return _spread(pa.array(found, pa.float64()), codes, "a number")


def _wholes(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    distinct, codes = _distinct(raw)

    def whole(text: str) -> int | None:
        number = money_written.text_number(text, form.decimal)
        fits = number is not None and abs(number) < 2**31 and number % 1 == 0
        return int(number) if fits and number is not None else None

    return _spread(pa.array([whole(t) for t in distinct], pa.int32()), codes, "a whole number")


def _flags(raw: pa.Array, column: Column, form: Format, lines: np.ndarray) -> Cells:
    distinct, codes = _distinct(raw)
    folded = [text.strip().casefold() for text in distinct]
    found = [True if t in TRUE else False if t in FALSE else None for t in folded]
    return _spread(pa.array(found, pa.bool_()), codes, "true or false")


def _distinct(raw: pa.Array) -> tuple[list[str], np.ndarray]:
    """The distinct texts, and for each row the number of its text (-1 where missing)."""
    encoded = raw.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.fill_null(-1).to_numpy()


def _spread(found: pa.Array, codes: np.ndarray, expected: str) -> Cells:
    values = found.take(pa.array(codes, mask=codes < 0))
    return Cells(values, np.asarray(values.is_null()) & (codes >= 0), expected)


_Reader = Callable[[pa.Array, Column, Format, np.ndarray], Cells]
_TEXT_READERS: dict[Kind, _Reader] = {
    "id": _ids,
    "text": _texts,
    "date": _dates,
    "amount": _amounts,
    "number": _numbers,
    "whole": _wholes,
    "flag": _flags,
}
_WORDS: dict[Kind, str] = {
    "id": "an id",
    "text": "text",
    "date": "a date",
    "amount": "an amount of money",
    "number": "a number",
    "whole": "a whole number",
    "flag": "true or false",
}
