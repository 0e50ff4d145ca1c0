"""What the files of an export are for: which rows of which become invoices, payments, customers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines.intake import guess, header_words
from pipelines.intake.column_looks import Look
from pipelines.intake.file_looks import FileLook
from pipelines.intake.guess import Fields, Found

ROLES = ("invoices", "payments", "credit_notes", "customers")
_TYPED = 0.5  # the share of rows whose kind a column must name before it decides
USUAL_TERMS_DAYS = 30  # between issue and due date, where only the latter is known
_OF_THE_INVOICE = (
    "invoice_id",
    "customer_id",
    "issue_date",
    "due_date",
    "amount",
    "currency",
    "fx_rate",
    "terms_code",
    "terms_days",
    "company_code",
    "order_ref",
    "payment_method",
)


@dataclass(frozen=True)
class GuessedRows:
    """One `[[rows]]` of a mapping: the file, the table, the conditions and the columns."""

    file: FileLook
    table: str
    columns: Fields
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unless: Mapping[str, Sequence[str]] = field(default_factory=dict)
    filled: Sequence[str] = ()
    nonzero: Sequence[str] = ()
    one_row_per: str | None = None
    join: tuple[FileLook, str, str] | None = None  # the other file, our column, its column
    without: tuple[FileLook, str, str] | None = None
    minus_days: int = 0  # of its first day, where only the due date is known
    absolute: bool = False  # credit that is written below zero


@dataclass(frozen=True)
class Guessed:
    """The rows that were recognised, what they were not, and the files that nobody took."""

    rows: tuple[GuessedRows, ...]
    notes: tuple[str, ...]
    files: tuple[FileLook, ...]

    def columns(self) -> list[tuple[GuessedRows, Found]]:
        return [(rows, found) for rows in self.rows for found in rows.columns.values()]

    def lacks(self) -> dict[str, str]:
        """The fields that a ledger needs and that were not found, each with what to do."""
        by_table = {rows.table: rows.columns for rows in reversed(self.rows)}
        invoices = by_table.get("invoices", {})
        lacking = {"invoice_id", "customer_id", "amount", "due_date"} - invoices.keys()
        if "issue_date" in invoices and {"terms_days", "terms_code"} & invoices.keys():
            lacking -= {"due_date"}  # it is worked out
        if "payments" not in by_table:
            lacking |= {"paid_on"}
        return {name: told for name, told in _NEEDS.items() if name in lacking}


_NEEDS = {
    "invoice_id": "the invoice's number: every row needs one of its own (`invoice_id`)",
    "customer_id": "who owes the invoice: a code, else the name (`customer_id`)",
    "amount": "the invoice's amount with tax (`amount`)",
    "due_date": "the day it falls due (`due_date`), or its date and the terms "
    "(`issue_date` and `terms_days = { constant = 30 }`)",
    "paid_on": "the day each invoice was paid (`paid_on`): add that column to the export, or a "
    "file of payments; without it nothing can be learned",
}


def rows(files: Sequence[FileLook]) -> Guessed:
    """What every file is for, and its columns."""
    notes: list[str] = []
    roles = _roles(files)
    of = {role: [file for file in files if roles[file.path] == role] for role in (*ROLES, "")}
    parts: list[GuessedRows] = []
    for file in of["invoices"]:
        alone = not (of["customers"] or of["payments"] or of["credit_notes"])
        made, told = _invoice_rows(file, with_payments=not of["payments"], with_customers=alone)
        keyed = _keyed_by_payments(made, [*of["payments"], *of["credit_notes"]])
        parts += keyed
        notes += told
    parts += _payment_rows(of["payments"])
    for file in of["credit_notes"]:
        columns = _less(guess.fields(file, "credit_notes"), _dead(file))
        parts.append(GuessedRows(file, "credit_notes", columns, unless=_dead(file)))
    for file in of["customers"]:
        columns = guess.fields(file, "customers")
        parts.append(GuessedRows(file, "customers", columns, unless=_dead(file)))
    notes += [f"{file.path.name}: nothing of it was recognised; it is left out" for file in of[""]]
    return Guessed(tuple(parts), tuple(notes), tuple(files))


def _roles(files: Sequence[FileLook]) -> dict[object, str]:
    if len(files) == 1:
        return {files[0].path: "invoices"}
    return {file.path: _role(file) for file in files}


def _role(file: FileLook) -> str:
    """What a file holds: what its name says, if its columns do not deny it."""
    named = header_words.names_of_file(file.stem)
    has = {role: guess.fields(file, role).keys() for role in ROLES}
    able = {
        "invoices": {"invoice_id", "amount"} <= has["invoices"]
        and bool({"due_date", "issue_date"} & has["invoices"]),
        "payments": "amount" in has["payments"]
        and bool({"paid_on", "payment_id"} & has["payments"])
        and bool({"invoice_id", "customer_id"} & has["payments"]),
        "credit_notes": {"issued_on", "amount", "credit_note_id"} <= has["credit_notes"],
        "customers": "customer_id" in has["customers"] and "amount" not in has["invoices"],
    }
    order = ("credit_notes", "payments", "invoices", "customers")
    said = [role for role in order if role in named and able[role]]
    if "details" in named and said != ["payments"]:
        return ""
    if said:
        return said[0]
    by_columns = [r for r in ("invoices", "customers") if able[r] and not named & set(ROLES)]
    if by_columns == ["invoices"] and "due_date" not in has["invoices"]:
        return "payments" if able["payments"] else ""
    return by_columns[0] if by_columns else ""


def _invoice_rows(
    file: FileLook, *, with_payments: bool, with_customers: bool
) -> tuple[list[GuessedRows], list[str]]:
    """The rows of a file of invoices: theirs, and what of payments and customers is beside."""
    found, notes = guess.invoices(file)
    notes += guess.excel_days(file)
    kinds, told = _kinds(file, found)
    notes += told
    where = {kinds[0]: kinds[1]["invoice"]} if kinds else {}
    unless = _dead(file)
    columns = {name: found[name] for name in _OF_THE_INVOICE if name in found}
    parts = [GuessedRows(file, "invoices", columns, where=where, unless=unless)]
    if with_payments and "paid_on" in found:
        parts.append(_paid_rows(file, found, where, unless))
    if "credited_amount" in found and "paid_on" in found:
        amount = replace(found["credited_amount"], field="amount")
        issued = replace(found["paid_on"], field="issued_on")
        credit = {**_of(found, "invoice_id", "customer_id"), "amount": amount, "issued_on": issued}
        named = {"credit_note_id": replace(found["invoice_id"], field="credit_note_id"), **credit}
        parts.append(
            GuessedRows(
                file, "credit_notes", named, where=where, unless=unless, nonzero=[amount.column]
            )
        )
    if kinds and (credit_kinds := kinds[1].get("credit")):
        parts += _credit_rows(file, found, {kinds[0]: credit_kinds}, unless)
    if kinds and (payment_kinds := kinds[1].get("payment")) and "paid_on" not in found:
        parts += _paying_rows(file, found, {kinds[0]: payment_kinds}, unless)
    if with_customers and "customer_id" in found:
        person = guess.fields(file, "customers", header_words.words()["customers"])
        taken = {f.column for f in columns.values()} - {found["customer_id"].column}
        person = {name: f for name, f in person.items() if f.column not in taken}
        if person:
            whole = {"customer_id": found["customer_id"], **person}
            parts.append(GuessedRows(file, "customers", whole, one_row_per="customer_id"))
    return parts, notes


def _paid_rows(
    file: FileLook,
    found: Fields,
    where: Mapping[str, Sequence[str]],
    unless: Mapping[str, Sequence[str]],
) -> GuessedRows:
    """Payments that are columns of the invoice: a day, and an amount or all of it."""
    paid = found.get("paid_amount", found.get("amount"))
    amount = {} if paid is None else {"amount": replace(paid, field="amount")}
    columns = {**_of(found, "invoice_id", "customer_id", "paid_on"), **amount}
    has_amount = "paid_amount" in found and paid is not None
    return GuessedRows(
        file,
        "payments",
        columns,
        where=where,
        unless=unless,
        filled=() if has_amount else (found["paid_on"].column,),
        nonzero=(paid.column,) if has_amount and paid is not None else (),
    )


def _credit_rows(
    file: FileLook,
    found: Fields,
    where: Mapping[str, Sequence[str]],
    unless: Mapping[str, Sequence[str]],
) -> list[GuessedRows]:
    """Rows of the same file whose kind says that they are credit notes."""
    columns = _as_kind(found, "credit_note_id", "issued_on")
    if not columns:
        return []
    back = 0 if "issue_date" in found else USUAL_TERMS_DAYS
    made = GuessedRows(file, "credit_notes", columns, where=where, unless=unless, absolute=True)
    return [replace(made, minus_days=back)]


def _paying_rows(
    file: FileLook,
    found: Fields,
    where: Mapping[str, Sequence[str]],
    unless: Mapping[str, Sequence[str]],
) -> list[GuessedRows]:
    """Rows of the same file whose kind says that they are payments."""
    columns = _as_kind(found, "payment_id", "paid_on")
    if not columns:
        return []
    if "order_ref" in found:
        columns["invoice_id"] = replace(found["order_ref"], field="invoice_id")
    return [GuessedRows(file, "payments", columns, where=where, unless=unless, absolute=True)]


def _as_kind(found: Fields, key: str, on: str) -> Fields:
    """An invoice's columns as those of another table; none without a day and an amount."""
    day = found.get("issue_date", found.get("due_date"))
    if day is None or "amount" not in found:
        return {}
    return {
        key: replace(found["invoice_id"], field=key),
        **_of(found, "customer_id", "amount"),
        on: replace(day, field=on),
    }


def _payment_rows(files: Sequence[FileLook]) -> list[GuessedRows]:
    """Payments of their own files: rows with a day, or lines that take it from another file."""
    parts = []
    for file in files:
        found = _less(guess.fields(file, "payments"), _dead(file))
        if "paid_on" in found:
            without = _lines_of(file, found, files)
            if without is not None:  # the lines say which invoices: this is cash without one
                found = {name: f for name, f in found.items() if name != "invoice_id"}
            dead = _dead(file)
            parts.append(GuessedRows(file, "payments", found, unless=dead, without=without))
            continue
        if (head := _head_of(file, found, files)) is None:
            continue
        other, theirs = head
        day = guess.fields(other, "payments")["paid_on"]
        beside = {"paid_on": replace(day, column=f"{other.stem}.{day.column}")}
        filled = [found["invoice_id"].column] if "invoice_id" in found else []
        join = (other, found["payment_id"].column, theirs)
        parts.append(GuessedRows(file, "payments", {**found, **beside}, filled=filled, join=join))
    return parts


def _head_of(
    file: FileLook, found: Fields, files: Sequence[FileLook]
) -> tuple[FileLook, str] | None:
    """The file that dates these lines, and its column that their payment's id is in."""
    if "payment_id" not in found:
        return None
    for other in files:
        if other is file or "paid_on" not in guess.fields(other, "payments"):
            continue
        keys = guess.own_keys(other, "payments")
        if keys:
            return other, keys[0].column
    return None


def _lines_of(
    file: FileLook, found: Fields, files: Sequence[FileLook]
) -> tuple[FileLook, str, str] | None:
    """The file that says which invoices these payments pay, and the columns that tie the two."""
    for other in files:
        theirs = guess.fields(other, "payments")
        lines = other is not file and "paid_on" not in theirs
        if lines and {"invoice_id", "payment_id"} <= theirs.keys() and "payment_id" in found:
            return other, found["payment_id"].column, theirs["payment_id"].column
    return None


def _keyed_by_payments(
    parts: Sequence[GuessedRows], others: Sequence[FileLook]
) -> list[GuessedRows]:
    """The invoices under the number that the payments name them by, where there are several."""
    file = parts[0].file
    named = [
        (other, found["invoice_id"].column)
        for other in others
        if "invoice_id" in (found := guess.fields(other, "payments", ["invoice_id"]))
    ]
    keys = guess.own_keys(file, "invoices")
    if not named or len(keys) < 2:
        return list(parts)

    def held(key: Found) -> float:
        return max(guess.overlap(other, column, file, key.column) for other, column in named)

    best = max(keys, key=lambda key: (round(held(key), 3), key.sure))
    best = replace(best, why=f"{best.why}; the payments name it")
    return [
        replace(part, columns={**part.columns, "invoice_id": best})
        if part.columns.get("invoice_id")
        else part
        for part in parts
    ]


def _kinds(
    file: FileLook, found: Fields
) -> tuple[tuple[str, dict[str, list[str]]] | None, list[str]]:
    """The column that says what each row is, and its values by what they mean."""
    words = header_words.words()["types"]
    best: tuple[float, str, dict[str, list[str]]] | None = None
    used = {f.column for name, f in found.items() if name not in ("row_type", "status")}
    for look in file.columns.values():
        if not look.values or look.name in used or look.is_date:
            continue
        meant: dict[str, list[str]] = {}
        for value in sorted(look.values):
            kind = next((k for k in _KINDS if header_words.among(value, words[k])), "unknown")
            meant.setdefault(kind, []).append(value)
        known = sum(n for v, n in look.values.items() if v not in meant.get("unknown", ()))
        share = known / max(look.filled, 1)
        # words say more than codes: Invoice rather than RV
        spoken = sum(len(v) > 2 for v in meant.get("invoice", ())) / 10
        named = header_words.says(look.name, "row_type", table="beside") / 5
        if meant.get("invoice") and len(look.values) > 1 and share >= _TYPED:
            best = max(filter(None, (best, (share + spoken + named, look.name, meant))), key=_first)
    if best is None:
        return None, []
    _, name, meant = best
    left = [*meant.get("other", []), *meant.get("unknown", [])]
    told = [f"{name}: rows of these kinds are left out: {', '.join(left)}"] if left else []
    return (name, meant), told


_KINDS = ("invoice", "credit", "payment", "other")


def _first(found: tuple[float, str, dict[str, list[str]]]) -> float:
    return found[0]


_OPPOSITE = {"FALSE": "TRUE", "false": "true", "False": "True", "0": "1", "no": "yes", "No": "Yes"}


def _dead(file: FileLook) -> dict[str, list[str]]:
    """The rows that are no longer, or not yet, what they say: drafts, voided, deleted."""
    words = header_words.words()["types"]["dead"]
    found = guess.fields(file, "invoices", ["status", "deleted"])
    unless: dict[str, list[str]] = {}
    for name, one in found.items():
        values = _values(file.columns[one.column])
        wanted = words if name == "deleted" else [w for w in words if len(w) > 4]
        dead = [v for v in values if header_words.among(v, wanted)]
        if name == "deleted" and not dead:  # none is: the next export may have some
            dead = [_OPPOSITE[v] for v in values if v in _OPPOSITE]
        if dead:
            unless[one.column] = dead
    return unless


def _values(look: Look) -> list[str]:
    return sorted(look.values)


def _of(found: Fields, *names: str) -> Fields:
    return {name: found[name] for name in names if name in found}


def _less(found: Fields, columns: Mapping[str, object]) -> Fields:
    return {name: f for name, f in found.items() if f.column not in columns}
