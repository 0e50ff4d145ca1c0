"""Which column of a foreign file is which field: guessed by name, checked by the cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from pipelines.intake import header_words
from pipelines.intake.column_looks import FORMATS, Look, days_of
from pipelines.intake.file_looks import FileLook
from pipelines.tables import TABLES, Kind

SURE, LIKELY = 0.85, 0.6  # under it, a person should look
BY_CONTENT = 0.45  # how sure a guess is whose column has a name that says nothing
FEW = 20  # customers: a column of kinds has no more
IN_ORDER = 0.95  # the share of invoices that must be issued before they fall due
_BARE_KEYS = ["id", "number", "no", "nr", "num", "numero", "n", "code", "codice", "nummer", "key"]
_BARE = 0.8
KEYS = {
    "invoices": "invoice_id",
    "payments": "payment_id",
    "customers": "customer_id",
    "credit_notes": "credit_note_id",
}
_DATES, _AMOUNTS = ("paid_on",), ("paid_amount", "credited_amount")
_KINDS: dict[str, Kind] = {**dict.fromkeys(_DATES, "date"), **dict.fromkeys(_AMOUNTS, "amount")}
# Fields of one table that go by the names of another's.
_ALSO = {
    ("payments", "amount"): [("beside", "paid_amount")],
    ("payments", "paid_on"): [("beside", "paid_on")],
    ("payments", "method"): [("invoices", "payment_method")],
    ("credit_notes", "issued_on"): [("invoices", "issue_date")],
    ("credit_notes", "credit_note_id"): [("invoices", "invoice_id")],
}
_FIELDS = {
    "invoices": (*header_words.words()["invoices"], *header_words.words()["beside"]),
    "payments": ("payment_id", "invoice_id", "customer_id", "paid_on", "amount", "method"),
    "credit_notes": ("credit_note_id", "invoice_id", "customer_id", "issued_on", "amount"),
    "customers": ("customer_id", *header_words.words()["customers"]),
}


@dataclass(frozen=True)
class Found:
    """A field, the column that is guessed to hold it, how sure that is, and why."""

    field: str
    column: str
    sure: float
    why: str

    @property
    def how_sure(self) -> str:
        return "sure" if self.sure >= SURE else "likely" if self.sure >= LIKELY else "look at it"


Fields = dict[str, Found]


def fields(file: FileLook, table: str, wanted: Iterable[str] = ()) -> Fields:
    """The fields of one table in a file; the best guesses first, no column for two fields."""
    candidates = [
        found
        for field in wanted or _FIELDS[table]
        for look in file.columns.values()
        if (found := _candidate(look, field, table)) is not None
    ]
    taken: Fields = {}
    columns: set[str] = set()
    for found in sorted(candidates, key=lambda f: -f.sure):
        if found.field not in taken and found.column not in columns:
            taken[found.field] = found
            columns.add(found.column)
    return taken


def invoices(file: FileLook) -> tuple[Fields, list[str]]:
    """The fields of a file of invoices, and what speaks against columns that looked like one."""
    found = fields(file, "invoices")
    found = _by_content(file, found)
    return _in_order(file, found)


def excel_days(file: FileLook) -> list[str]:
    """Of columns that are named as days and hold numbers as Excel counts days: what to do."""
    dated = [("invoices", "issue_date"), ("invoices", "due_date"), ("beside", "paid_on")]
    return [
        f"{look.name} holds days as Excel counts them (45123): format the column as a date there, "
        "and export it again"
        for look in file.columns.values()
        if look.is_excel_day
        and max(header_words.says(look.name, field, table=table) for table, field in dated)
        >= LIKELY
    ]


def own_keys(file: FileLook, table: str) -> list[Found]:
    """Every column that may be the table's own key, the likeliest first."""
    found = [_candidate(look, KEYS[table], table) for look in file.columns.values()]
    return sorted((f for f in found if f is not None), key=lambda f: -f.sure)


def date_format(
    looks: Sequence[Look], decimal: str | None, *, day_first: bool | None
) -> tuple[str | None, bool]:
    """The format that most date columns have in common, and whether their cells leave no other.

    None where all are written with the year first.
    """
    if not looks:
        return None, True
    votes = {form: sum(form in look.dates for look in looks) for form in FORMATS}
    most = max(votes.values())
    best = [form for form in FORMATS if votes[form] == most]
    if "%Y-%m-%d" in best:
        return None, True
    if len({_is_day_first(form) for form in best}) > 1:
        european = decimal == "," if day_first is None else day_first
        wanted = [form for form in best if _is_day_first(form) == european]
        return (wanted or best)[0], day_first is not None
    return best[0], True


def _is_day_first(form: str) -> bool:
    return form.startswith("%d")


def decimal_mark(looks: Sequence[Look]) -> str | None:
    """The decimal mark that most columns of amounts show; None where none shows any."""
    shown = [look.mark for look in looks if look.mark]
    return max(sorted(set(shown)), key=shown.count) if shown else None


def _candidate(look: Look, field: str, table: str) -> Found | None:
    listed = header_words.words()
    places = [(t, field) for t in (table, "invoices") if field in listed.get(t, {})]
    places += _ALSO.get((table, field), [])
    if field in listed["beside"] and table == "invoices":
        places = [("beside", field)]
    said = max(header_words.says(look.name, f, table=t) for t, f in places or [(table, field)])
    is_own = KEYS.get(table) == field
    if is_own and header_words.among(look.name, _BARE_KEYS):
        said = max(said, _BARE)
    sure = said * _fits(look, field, table)
    if sure < header_words.LEAST:
        return None
    return Found(field, look.name, min(sure, 0.99), f"its name; {_told(look, field, table)}")


def _fits(look: Look, field: str, table: str) -> float:
    """How far the cells can be this field, 0 to 1."""
    kind = _kind(field, table)
    if not look.filled:
        return 0.0
    if kind == "date":
        return 1.0 if look.is_date else 0.0
    if kind in ("amount", "number", "whole"):
        return 1.0 if look.is_amount and not (look.is_date and not look.mark) else 0.0
    if field == KEYS[table] and table in ("invoices", "customers"):
        whole = look.filled_share >= 0.95 and (table == "invoices" or look.distinct_share >= 0.9)
        return 0.4 + 0.6 * look.distinct_share if whole and not look.mark else 0.0
    if kind == "id":
        return 0.0 if look.mark else 1.0
    return _fits_text(look, field)


def _fits_text(look: Look, field: str) -> float:
    if field == "currency":
        return float(all(len(v) == 3 and v.isalpha() for v in look.values) and bool(look.values))
    if field in ("row_type", "status", "deleted"):
        return float(bool(look.values) and not look.is_date)
    if field in ("name", "country", "contact_email"):
        return 0.0 if look.is_amount or look.is_date else 1.0
    return 0.0 if look.is_date or look.mark else 1.0


def _kind(field: str, table: str) -> Kind:
    declared = {c.name: c.kind for c in TABLES[table].columns}
    return declared.get(field) or _KINDS.get(field, "text")


def _told(look: Look, field: str, table: str) -> str:
    kind = _kind(field, table)
    if kind == "date":
        return f"days in {look.filled_share:.0%} of the rows"
    if kind == "amount":
        return f"amounts in {look.filled_share:.0%} of the rows"
    if kind == "id":
        return f"{look.distinct:,} different in {look.filled:,} rows"
    return f"{look.distinct:,} different values"


def _by_content(file: FileLook, found: Fields) -> Fields:
    """What no name told, told by the cells alone: days in their order, the key, the money."""
    found, used = dict(found), {f.column for f in found.values()}
    free = [c for c in file.columns.values() if c.name not in used and c.filled]

    def guess(field: str, looks: Sequence[Look], why: str) -> None:
        if field not in found and looks:
            found[field] = Found(field, looks[0].name, BY_CONTENT, why)
            free.remove(looks[0])

    unique = [c for c in free if c.distinct_share > 0.999 and not (c.mark or c.is_date)]
    guess("invoice_id", [c for c in unique if c.filled_share > 0.99], "no two rows share it")
    dated = [c for c in free if c.is_date and not c.is_amount and c.filled_share > 0.95]
    if len(dated) == 2 and not {"due_date", "issue_date"} & found.keys():
        first, second = sorted(dated, key=lambda c: _median(file, c))
        guess("issue_date", [first], "the earlier of two days")
        guess("due_date", [second], "the later of two days")
    half = [c for c in free if c.is_date and not c.is_amount and 0.05 < c.filled_share < 0.999]
    if len(half) == 1 and "due_date" in found:
        guess("paid_on", half, "a day that only some rows have")
    money = [c for c in free if c.mark and c.is_amount and c.filled_share > 0.95]
    guess("amount", money if len(money) == 1 else [], "the only column of money")
    repeated = [c for c in free if 0.001 < c.distinct_share < 0.7 and c.distinct > FEW]
    ids = [c for c in repeated if not (c.is_date or c.mark) and c.filled_share > 0.99]
    guess("customer_id", ids if len(ids) == 1 else [], "many different, each more than once")
    if "customer_id" not in found and (name := fields(file, "customers", ["name"]).get("name")):
        found["customer_id"] = replace(
            name, field="customer_id", sure=LIKELY, why="no code of the customer: its name"
        )
    return found


def _in_order(file: FileLook, found: Fields) -> tuple[Fields, list[str]]:
    """Without an issue date that often lies after the due date: it is another day's."""
    issue, due = found.get("issue_date"), found.get("due_date")
    if issue is None or due is None:
        return found, []
    issued, fell_due = _days(file, issue.column), _days(file, due.column)
    both = ~(np.isnan(issued) | np.isnan(fell_due))
    right = float((issued <= fell_due)[both].mean()) if both.any() else 0.0
    if right >= IN_ORDER:
        why = f"{due.why}; on or after {issue.column} in {right:.0%}"
        return {**found, "due_date": replace(due, why=why)}, []
    kept = {name: f for name, f in found.items() if name != "issue_date"}
    return kept, [
        f"{issue.column} looked like the day of issue, but only {right:.0%} of them lie before "
        f"{due.column}: it is left out (issue is taken from the terms, or 30 days before due)"
    ]


def _days(file: FileLook, column: str) -> np.ndarray:
    look = file.columns[column]
    ordered = sorted(look.dates, key=FORMATS.index)
    return days_of(file.text(column), ordered[0], look)


def _median(file: FileLook, look: Look) -> float:
    return float(np.nanmedian(_days(file, look.name)))


def overlap(file: FileLook, column: str, other: FileLook, theirs: str) -> float:
    """The share of a column's cells that another file's column holds."""
    ours = file.text(column).drop_null()
    if not len(ours):
        return 0.0
    held = pc.is_in(ours, value_set=other.text(theirs).drop_null().unique())
    return float(pc.mean(held.cast("float64")).as_py() or 0.0)
