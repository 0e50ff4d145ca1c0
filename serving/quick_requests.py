"""Quick requests: a plainly valid scoring request, read column by column instead of row by row.

Most requests break no rule. Reading one as messages makes an object of every row only to take its
columns out again, and costs more than scoring it. Here the columns are read and checked as such.
Whatever is not plainly valid gives None and is read the usual way, which finds and tells every
fault: `serving.messages` alone decides what a request may hold, and a test holds the two together.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel
from pydantic_core import from_json

from pipelines.ledger import Ledger
from pipelines.rules import RULES, Rule, broken_rows
from pipelines.tables import TABLES, Kind
from serving import messages
from serving.limits import INVOICES_PER_REQUEST
from serving.messages import AMOUNT_MAX, ID_PATTERN, ROWS_PER_TABLE, ScoringRequest
from serving.request_ledger import HISTORY

Row = Mapping[str, Any]
Values = Sequence[Any]

# A number that a float may not hold as it was written: an exponent, or more than 15 digits.
_LONG_NUMBER = re.compile(rb"[:\[,][ \t\r\n]*-?[0-9.]+(?:[eE]|(?<=[0-9.]{17}))")
_DIGITS = bytes.maketrans(b"123456789.E", b"0" * 10 + b"e")
_LONG = b"0" * 17
_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')
_ASCII_IDS = re.compile(r"(?:[!-~]{1,200}\n)*", re.ASCII)
_ID = re.compile(ID_PATTERN)
_NONE = type(None)


class NotPlain(Exception):  # noqa: N818 - no error: the request is read the usual way
    """The request is not plainly valid."""


class Field(NamedTuple):
    """A column as a message names it."""

    stored: str
    kind: Kind
    required: bool


@dataclass(frozen=True)
class Form:
    """The fields of a table's message, and the rules that their types do not imply."""

    fields: Mapping[str, Field]
    required: frozenset[str]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class PlainRequest:
    """What a scoring request says."""

    ledger: Ledger
    as_of: date | None
    language: messages.Language | None
    invoice_ids: list[str] | None


def read(body: bytes, *, currency: str) -> PlainRequest | None:
    """The request where it is plainly valid; None where the usual way has to look at it."""
    try:
        return _read(_json(body), body, currency)
    except (NotPlain, TypeError):
        return None


def _json(body: bytes) -> Any:
    """The value of a JSON text in which nothing is escaped and every number is exact."""
    if b"\\" in body or _has_long_number(body) or _SPACED_KEY.search(body):
        raise NotPlain
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        raise NotPlain from None


def _has_long_number(body: bytes) -> bool:
    digits = body.translate(_DIGITS)  # most bodies have no run of so many, in numbers or in ids
    return (_LONG in digits or b"0e" in digits) and _LONG_NUMBER.search(body) is not None


def _read(request: Any, body: bytes, currency: str) -> PlainRequest:
    _check(type(request) is dict and request.keys() <= ScoringRequest.model_fields.keys())
    customers = request.get("customers")
    _check(type(customers) is list and 0 < len(customers) <= INVOICES_PER_REQUEST)
    rows = _Rows.of(customers)
    # without escapes a key is what stands before `":`; more of them than were kept are repeats
    _check(body.count(b'":') == len(request) + rows.n_keys)
    as_of, language, asked = (request.get(name) for name in ("as_of", "language", "invoice_ids"))
    _check(language in (None, "it", "en"))
    day = None if as_of is None else messages._day_written(as_of)
    _check(as_of is None or day is not None)

    told = {name: _columns(name, found) for name, found in rows.of_table.items()}
    tables = {name: _table(name, columns, rows.customer[name]) for name, columns in told.items()}
    owner = dict(zip(told["invoices"]["invoice_id"], rows.customer["invoices"], strict=True))
    if asked is not None:
        _check(type(asked) is list and 0 < len(asked) <= INVOICES_PER_REQUEST)
        _check(all(type(one) is str for one in asked) and owner.keys() >= set(asked))
    _check({None, currency}.issuperset(told["invoices"].get("currency", ())))
    for name, columns in told.items():
        _check_ids(name, columns, rows.customer[name], owner)
    return PlainRequest(Ledger.of(**tables), day, language, asked)


@dataclass(frozen=True)
class _Rows:
    """The rows of each table that has any, and the customer of each."""

    of_table: dict[str, list[Row]]
    customer: dict[str, list[str]]
    n_keys: int

    @classmethod
    def of(cls, customers: Sequence[Any]) -> "_Rows":
        of_table: dict[str, list[Row]] = {"customers": [], "invoices": []}
        whose: dict[str, list[str]] = {"customers": [], "invoices": []}
        n_keys = 0
        for customer in customers:
            _check(type(customer) is dict and "customer_id" in customer)
            n_keys += len(customer)
            own = dict(customer)
            for name in HISTORY:
                found = own.pop(name, ())
                _check(type(found) is list or found == ())
                _check(len(found) <= ROWS_PER_TABLE and (name != "invoices" or len(found) > 0))
                if found:
                    of_table.setdefault(name, []).extend(found)
                    whose.setdefault(name, []).extend([own["customer_id"]] * len(found))
            of_table["customers"].append(own)
            whose["customers"].append(own["customer_id"])
        for name, rows in of_table.items():
            _check({dict}.issuperset(map(type, rows)))
            n_keys += sum(map(len, rows)) if name != "customers" else 0
        return cls(of_table, whose, n_keys)


def _columns(name: str, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """What the rows say, by field; None where one says nothing."""
    form, given = FORMS[name], set[str]().union(*rows)
    _check(given <= form.fields.keys() and form.required <= given)
    if sum(map(len, rows)) == len(given) * len(rows):  # every row has every field
        return {told: list(map(itemgetter(told), rows)) for told in given}
    return {told: [row.get(told) for row in rows] for told in given}


def _check_ids(
    name: str, columns: Mapping[str, Values], customer: Values, owner: Mapping[str, str]
) -> None:
    """No id comes twice, and no row names an invoice that its customer does not have."""
    ids = [value for value in columns.get(TABLES[name].key or "", ()) if value is not None]
    _check(len(set(ids)) == len(ids))
    if name not in ("customers", "invoices"):
        for invoice_id, customer_id in zip(columns.get("invoice_id", ()), customer, strict=False):
            _check(invoice_id is None or owner.get(invoice_id) == customer_id)


def _table(name: str, told: Mapping[str, Values], customer: Values) -> pa.Table:
    """The columns, each of its kind; one that no row fills is left out."""
    form, columns = FORMS[name], {}
    for own, values in told.items():
        field, types = form.fields[own], set(map(type, values))
        if types == {_NONE} and not field.required:
            continue
        _check(not (field.required and _NONE in types))
        columns[field.stored] = READ[field.kind](values, types)
    if "customer_id" in TABLES[name].schema.names:
        columns["customer_id"] = pa.array(customer, pa.string())
    table = pa.table(columns)
    _check(not any(broken_rows(rule, table).any() for rule in form.rules))
    return table


def _check(holds: bool) -> None:
    if not holds:
        raise NotPlain


def _ids(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {str, _NONE})
    told = values if _NONE not in types else [value for value in values if value is not None]
    if not _ASCII_IDS.fullmatch("\n".join(told) + "\n"):
        _check(all(0 < len(value) <= 200 and _ID.fullmatch(value) for value in told))
    return pa.array(values, pa.string())


def _texts(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {str, _NONE} and all(len(value or "") <= 500 for value in values))
    return pa.array(values, pa.string())


@lru_cache(1 << 14)
def _day_number(text: str | None) -> int | None:
    if text is None:
        return None
    day = messages._day_written(text)
    _check(day is not None)
    return int(np.datetime64(day, "D").astype(int))


def _days(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {str, _NONE})
    return pa.array([_day_number(value) for value in values], pa.int32()).view(pa.date32())


def _money(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {int, float, _NONE})
    units, missing = _floats(values, types)
    cents = np.rint(units * 100)
    # both have at most 15 digits: floats are equal exactly where the numbers written are
    _check(bool((units >= 0).all()) and bool((cents / 100 == units).all()))
    return pa.array(cents.astype(np.int64), mask=missing)


def _numbers(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {int, float, _NONE})
    numbers, missing = _floats(values, types)
    return pa.array(numbers, mask=missing)


def _floats(values: Values, types: set[type]) -> tuple[np.ndarray, np.ndarray | None]:
    """The numbers, 0 where there is none, and where that is."""
    missing = None
    if _NONE in types:
        missing = np.array([value is None for value in values])
        values = [0 if value is None else value for value in values]
    _check(all(-AMOUNT_MAX <= value <= AMOUNT_MAX for value in values))
    return np.array(values, np.float64), missing


def _wholes(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {int, _NONE})
    _check(all(value is None or -32_768 <= value <= 32_767 for value in values))
    return pa.array(values, pa.int32())


def _flags(values: Values, types: set[type]) -> pa.Array:
    _check(types <= {bool, _NONE})
    return pa.array(values, pa.bool_())


READ: Mapping[Kind, Callable[[Values, set[type]], pa.Array]] = {
    "id": _ids,
    "text": _texts,
    "date": _days,
    "amount": _money,
    "number": _numbers,
    "whole": _wholes,
    "flag": _flags,
}
# What a value's type and range decide already.
_IMPLIED = {"implausible_date", "negative_amount", "implausible_amount", "not_finite"}


def _form(name: str, message: type[BaseModel]) -> Form:
    table, fields = TABLES[name], {}
    for own, field in message.model_fields.items():
        told = field.alias or own
        if told not in HISTORY:
            fields[told] = Field(own, table.column(told).kind, field.is_required())
    required = frozenset(told for told, field in fields.items() if field.required)
    told_always = required | {"customer_id"}

    def is_open(rule: Rule) -> bool:
        if rule.name == "missing_required":
            return rule.column.removesuffix("_cents") not in told_always
        return rule.name not in _IMPLIED

    return Form(fields, required, tuple(filter(is_open, RULES[name])))


FORMS: Mapping[str, Form] = {
    "customers": _form("customers", messages.Customer),
    **{
        name: _form(name, messages.Customer.model_fields[name].annotation.__args__[0])  # type: ignore[union-attr]
        for name in HISTORY
    },
}
