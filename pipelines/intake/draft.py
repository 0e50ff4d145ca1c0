"""A guessed mapping as a TOML file that a person can read, check and change."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.intake import guess
from pipelines.intake.cells import Format
from pipelines.intake.column_looks import FORMATS, Look
from pipelines.intake.file_looks import FileLook
from pipelines.intake.guess import Found
from pipelines.intake.guessed_rows import Guessed, GuessedRows
from pipelines.tables import TABLES

_SCALES = re.compile(
    r"(?:^|[^A-Za-z])(EUR|USD|GBP|CHF|CAD|AUD|SEK|NOK|DKK|PLN|CZK|JPY)(?![A-Za-z])"
)


@dataclass(frozen=True)
class Draft:
    """The mapping's text, and what was decided about how cells are written."""

    text: str
    form: Format
    currency: str | None
    doubts: tuple[str, ...]


def draft(guessed: Guessed, *, day_first: bool | None = None, decimal: str | None = None) -> Draft:
    """The mapping of what was guessed; what two readings allow is decided as stated, and told."""
    dates, amounts = _looks(guessed, "date"), _looks(guessed, "amount")
    mark = decimal or guess.decimal_mark(amounts)
    stated, certain = guess.date_format(dates, mark, day_first=day_first)
    doubts = []
    if not certain:
        other = "month" if stated and stated.startswith("%d") else "day"
        doubts.append(
            f"days such as {_ambiguous(guessed)} can be read in two ways: {stated} is taken; "
            f"`puntuale init --{other}-first` takes the other"
        )
    first = guessed.files[0]
    one_form = all(_same(file.form, first.form) for file in guessed.files)
    if not one_form:
        doubts.append("the files are not all written alike: one mapping has one [format]")
    nothing = sorted({t for look in (*dates, *amounts) for t in look.nothing})
    form = Format(
        first.form.encoding,
        first.form.separator,
        mark,
        stated,
        nulls=frozenset(nothing),
        header_line=first.form.header_line,
    )
    currency = _currency(guessed)
    if currency is None:
        doubts.append("no currency was found: EUR is taken (`currency` in the mapping)")
    if any(found.field == "fx_rate" for _, found in guessed.columns()):
        doubts.append(
            f"a rate is taken to be {currency or 'EUR'} for one unit of the other currency; where "
            "it is the other way round, write inverse = true beside it"
        )
    text = _text(guessed, form, currency or "EUR")
    return Draft(text, form, currency, tuple(doubts))


def kind_of(rows: GuessedRows, found: Found) -> str:
    return next((c.kind for c in TABLES[rows.table].columns if c.name == found.field), "text")


def _looks(guessed: Guessed, kind: str) -> list[Look]:
    """The columns of a kind, of files that write it as text."""
    looks = {}
    for rows, found in guessed.columns():
        if kind_of(rows, found) == kind and not rows.file.raw.typed and "." not in found.column:
            looks[rows.file.path, found.column] = rows.file.columns[found.column]
    return list(looks.values())


def _same(one: Format, other: Format) -> bool:
    return (one.encoding, one.separator, one.header_line) == (
        other.encoding,
        other.separator,
        other.header_line,
    )


def _ambiguous(guessed: Guessed) -> str:
    for rows, found in guessed.columns():
        if kind_of(rows, found) == "date":
            text = rows.file.text(found.column).drop_null()
            return str(text[0].as_py()) if len(text) else ""
    return ""


def _currency(guessed: Guessed) -> str | None:
    """The currency of most rows, or the one that a column's name says."""
    for rows, found in guessed.columns():
        if found.field == "currency" and (values := rows.file.columns[found.column].values):
            return _books(rows) or max(values, key=lambda v: values[v]).upper()
    for _, found in guessed.columns():
        if found.field == "amount" and (named := _SCALES.search(found.column.upper())):
            return named[1]
    return None


def _books(rows: GuessedRows) -> str | None:
    """The currency that is always worth one of the books': theirs."""
    if not {"fx_rate", "currency"} <= rows.columns.keys():
        return None
    rates = rows.file.text(rows.columns["fx_rate"].column).to_pylist()
    words = rows.file.text(rows.columns["currency"].column).to_pylist()
    by_currency: dict[str, set[str]] = {}
    for word, rate in zip(words, rates, strict=True):
        if word and rate:
            by_currency.setdefault(word, set()).add(rate.rstrip("0").rstrip(".,"))
    ones = [word.upper() for word, seen in by_currency.items() if seen == {"1"}]
    return ones[0] if len(ones) == 1 else None


def _text(guessed: Guessed, form: Format, currency: str) -> str:
    lines = [
        "# How this export becomes a ledger: guessed by `puntuale init` from the columns' names",
        "# and cells. Look at the lines that say so, change what is wrong (docs/mappings.md says",
        "# how) and try it with `puntuale check`.",
        "",
        f"currency = {_quoted(currency)}",
        "",
        *_format_lines(form),
    ]
    lacking = guessed.lacks()
    for rows in guessed.rows:
        lines += _rows_lines(rows, form)
        if rows.table == "invoices":
            lines += [f'# {name} = "?"  # not found: {told}' for name, told in lacking.items()]
    lines += _left_lines(guessed)
    return "\n".join(lines) + "\n"


def _format_lines(form: Format) -> list[str]:
    stated = {
        "encoding": form.encoding if form.encoding != "utf-8" else None,
        "separator": form.separator if form.separator != "," else None,
        "decimal": form.decimal,
        "date": form.date,
        "header_line": form.header_line if form.header_line > 1 else None,
        "nulls": sorted(form.nulls) or None,
    }
    said = [f"{name} = {_toml(value)}" for name, value in stated.items() if value is not None]
    return ["[format]", *said] if said else []


def _rows_lines(rows: GuessedRows, form: Format) -> list[str]:
    lines = [
        "",
        "[[rows]]",
        f"from = {_quoted(pattern(rows.file))}",
        f"into = {_quoted(rows.table)}",
    ]
    for name in ("where", "unless"):
        if chosen := getattr(rows, name):
            cells = ", ".join(f"{_quoted(c)} = {_toml(list(v))}" for c, v in chosen.items())
            lines.append(f"{name} = {{ {cells} }}")
    for name in ("filled", "nonzero"):
        if listed := list(getattr(rows, name)):
            lines.append(f"{name} = {_toml(listed)}")
    if rows.one_row_per:
        lines.append(f"one_row_per = {_quoted(rows.one_row_per)}")
    for name in ("join", "without"):
        if link := getattr(rows, name):
            told = {"file": link[0].stem, "on": link[1], "to": link[2]}
            lines.append(f"{name} = {_table(told)}")
    lines += ["", "[rows.columns]"]
    return lines + [_column_line(rows, found, form) for found in rows.columns.values()]


def _column_line(rows: GuessedRows, found: Found, form: Format) -> str:
    origin: dict[str, object] = {"column": found.column}
    look = rows.file.columns.get(found.column)
    kind = kind_of(rows, found)
    if kind == "amount" and rows.absolute:
        origin["absolute"] = True
    if kind == "date" and rows.minus_days:
        origin["minus_days"] = rows.minus_days
    if look is not None and not rows.file.raw.typed:
        if kind == "date" and form.date and look.dates and form.date not in look.dates:
            if "%Y-%m-%d" not in look.dates:
                origin["date"] = sorted(look.dates, key=FORMATS.index)[0]
        if (
            kind == "amount"
            and form.decimal
            and look.decimals
            and form.decimal not in look.decimals
        ):
            origin["decimal"] = sorted(look.decimals)[0]
    value = _quoted(found.column) if len(origin) == 1 else _table(origin)
    return f"{found.field} = {value}  # {found.how_sure}: {found.why}"


def _left_lines(guessed: Guessed) -> list[str]:
    """What was left alone, as comments: a ledger takes only what was known on its day."""
    used: dict[object, set[str]] = {}
    for rows, found in guessed.columns():
        conditions = {*rows.where, *rows.unless, *rows.filled, *rows.nonzero}
        used.setdefault(rows.file.path, set()).update(conditions, {found.column})
    lines = []
    for file in guessed.files:
        left = [c for c in file.columns if c not in used.get(file.path, set())]
        if left and file.path in used:
            lines += [
                "",
                f"# Left alone in {file.path.name}: what a ledger has no place or no day for:",
            ]
            lines += [f"#   {_plain(name)}" for name in left]
    return lines


def pattern(file: FileLook) -> str:
    """The file's name with its days and numbers free, so that the next export is read too."""
    return re.sub(r"\d{4,}([-_.]?\d{2,})*", "*", re.sub(r"[\[\]?]", "?", file.stem))


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(_toml(v) for v in value)}]"
    return str(value)


def _table(origin: Mapping[str, object]) -> str:
    return f"{{ {', '.join(f'{name} = {_toml(value)}' for name, value in origin.items())} }}"
