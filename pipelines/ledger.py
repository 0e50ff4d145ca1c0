"""The ledger: its tables, their columns, and the value that every computation starts from.

A `Ledger` holds one Arrow table for each table of the data dictionary (`data/README.md`). Money is in
whole cents of the ledger's own currency (`amount` becomes `amount_cents`), days are `date32`, ids and
text are strings, what is unknown is null. Rows in a `Ledger` have passed every rule: what failed one is in
quarantine (`pipelines/quarantine.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["id", "text", "date", "amount", "number", "whole", "flag"]

ARROW_TYPE: dict[Kind, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "date": pa.date32(),
    "amount": pa.int64(),
    "number": pa.float64(),
    "whole": pa.int32(),
    "flag": pa.bool_(),
}


@dataclass(frozen=True)
class Column:
    """One column of a table: its name at every door, its kind, and whether a row needs it."""

    name: str
    kind: Kind
    required: bool = False

    @property
    def stored(self) -> str:
        """The column's name inside a ledger, where money carries its unit."""
        return f"{self.name}_cents" if self.kind == "amount" else self.name


@dataclass(frozen=True)
class Table:
    """One table of the ledger: its columns, the one that names a row and the ones that date it."""

    name: str
    columns: tuple[Column, ...]
    key: str | None = None
    required: bool = False
    happened: str | None = None  # the row is known once this day has passed ...
    later: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # ... and these columns once theirs has

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(c.stored, ARROW_TYPE[c.kind]) for c in self.columns])

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


def _columns(kinds: Mapping[Kind, str], *, required: str = "") -> tuple[Column, ...]:
    wanted = required.split()
    return tuple(
        Column(name, kind, name in wanted)
        for kind, names in kinds.items()
        for name in names.split()
    )


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "customers",
            _columns(
                {
                    "id": "customer_id",
                    "text": "name vat_id legal_form country province industry_code group_id segment terms_code "
                    "payment_method language preferred_channel contact_email contact_phone",
                    "flag": "is_natural_person is_public_body do_not_contact",
                    "date": "customer_since",
                },
                required="customer_id",
            ),
            key="customer_id",
            required=True,
        ),
        Table(
            "invoices",
            _columns(
                {
                    "id": "invoice_id customer_id",
                    "date": "due_date issue_date delivered_on recorded_at",
                    "amount": "amount",
                    "text": "currency terms_code payment_method company_code order_ref",
                    "number": "fx_rate early_discount_pct",
                    "whole": "instalment_no terms_days early_discount_days",
                    "flag": "has_contract has_delivery_proof",
                },
                required="invoice_id customer_id due_date amount",
            ),
            happened="issue_date",
            later={"delivered_on": ("delivered_on",)},
            key="invoice_id",
            required=True,
        ),
        Table(
            "payments",
            _columns(
                {
                    "id": "payment_id invoice_id customer_id",
                    "date": "paid_on returned_on recorded_at",
                    "amount": "amount discount_taken",
                    "text": "method",
                },
                required="paid_on amount",
            ),
            happened="paid_on",
            later={"returned_on": ("returned_on",)},
            key="payment_id",
            required=True,
        ),
        Table(
            "credit_notes",
            _columns(
                {
                    "id": "credit_note_id customer_id invoice_id",
                    "date": "issued_on recorded_at",
                    "amount": "amount",
                    "text": "reason",
                },
                required="issued_on amount",
            ),
            happened="issued_on",
            key="credit_note_id",
        ),
        Table(
            "disputes",
            _columns(
                {
                    "id": "dispute_id invoice_id",
                    "date": "opened_on closed_on",
                    "amount": "amount",
                    "text": "reason_code outcome",
                },
                required="invoice_id opened_on",
            ),
            happened="opened_on",
            later={"closed_on": ("closed_on", "outcome")},
            key="dispute_id",
        ),
        Table(
            "promises",
            _columns(
                {
                    "id": "promise_id invoice_id",
                    "date": "made_on promised_date",
                    "amount": "amount",
                    "text": "status",
                },
                required="invoice_id made_on",
            ),
            happened="made_on",
            key="promise_id",
        ),
        Table(
            "credit_limits",
            _columns(
                {
                    "id": "customer_id",
                    "date": "valid_from",
                    "amount": "amount insured_amount",
                    "text": "reason",
                },
                required="customer_id amount valid_from",
            ),
            happened="valid_from",
        ),
        Table(
            "external_ratings",
            _columns(
                {
                    "id": "customer_id",
                    "date": "rated_on",
                    "text": "provider",
                    "number": "score scale_min scale_max",
                    "flag": "higher_is_safer",
                },
                required="customer_id rated_on score",
            ),
            happened="rated_on",
        ),
        Table(
            "actions",
            _columns(
                {
                    "id": "action_id customer_id invoice_id",
                    "date": "performed_on",
                    "text": "action_code channel actor outcome_code recommended_action policy_version",
                    "amount": "cost",
                    "number": "propensity",
                    "flag": "holdout",
                },
                required="customer_id action_code performed_on",
            ),
            happened="performed_on",
            key="action_id",
        ),
        Table(
            "legal_events",
            _columns(
                {"id": "customer_id", "date": "dated_on", "text": "kind"},
                required="customer_id kind dated_on",
            ),
            happened="dated_on",
        ),
    )
}


@dataclass(frozen=True)
class Ledger:
    """The accepted rows, one Arrow table for each table of the data dictionary."""

    customers: pa.Table
    invoices: pa.Table
    payments: pa.Table
    credit_notes: pa.Table
    disputes: pa.Table
    promises: pa.Table
    credit_limits: pa.Table
    external_ratings: pa.Table
    actions: pa.Table
    legal_events: pa.Table

    @classmethod
    def of(cls, **tables: pa.Table | Mapping[str, Sequence[Any]]) -> "Ledger":
        """A ledger of these tables (Arrow, or columns of plain values); absent columns and tables are empty.

        Raises ValueError for a table or a column that the data dictionary does not know.
        """
        if unknown := sorted(tables.keys() - TABLES.keys()):
            raise ValueError(f"tables must be among {', '.join(TABLES)}, got: {', '.join(unknown)}")
        return cls(
            **{name: conform(tables.get(name, {}), to=table) for name, table in TABLES.items()}
        )

    def tables(self) -> dict[str, pa.Table]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def known_before(self, as_of: int) -> "Ledger":
        """What was known when day `as_of` (days since 1970-01-01) opened: happened and recorded before it.

        A promise's status is not dated: it is left out, to be told from the payments.
        """
        known = {}
        for name, table in self.tables().items():
            happened = issue_days(table) if name == "invoices" else _happened(table, TABLES[name])
            keep = happened < as_of
            if "recorded_at" in table.column_names:
                keep &= days(table["recorded_at"], missing=-int(NEVER)) < as_of
            table = table.filter(pa.array(keep))
            for dated_by, columns in TABLES[name].later.items():
                seen = pa.array(days(table[dated_by]) < as_of)
                for column in columns:
                    table = _put(table, column, pc.if_else(seen, table[column], None))
            if name == "promises":
                table = _put(table, "status", pa.nulls(table.num_rows, pa.string()))
            known[name] = table
        return Ledger(**known)

    def of_customers(self, customer_ids: pa.Array) -> "Ledger":
        """The part of the ledger that belongs to these customers."""

        def belongs(table: pa.Table, key: str, among: Any) -> pa.Table:
            return table.filter(pc.is_in(table[key], value_set=pa.array(among)))

        invoices = belongs(self.invoices, "customer_id", customer_ids)
        own = invoices["invoice_id"].combine_chunks()
        parts = {
            name: belongs(table, "customer_id", customer_ids)
            if "customer_id" in table.column_names
            else belongs(table, "invoice_id", own)
            for name, table in self.tables().items()
        }
        return Ledger(**parts)


def issue_days(invoices: pa.Table) -> np.ndarray:
    """The day each invoice was issued: where the ledger does not say, its terms (or 30 days) before it is due."""
    terms = invoices["terms_days"].fill_null(30).to_numpy().astype(np.int32)
    issued = days(invoices["issue_date"])
    return np.where(issued == NEVER, days(invoices["due_date"]) - terms, issued)


def _happened(table: pa.Table, declared: Table) -> np.ndarray:
    if declared.happened is None:  # customers: who they are is not an event
        return np.full(table.num_rows, -NEVER, np.int32)
    return days(table[declared.happened])


def _put(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def conform(columns: pa.Table | Mapping[str, Sequence[Any]], *, to: Table) -> pa.Table:
    """The columns in the table's order and types, null where absent."""
    given = columns if isinstance(columns, pa.Table) else dict(columns)
    names = given.column_names if isinstance(given, pa.Table) else list(given)
    if unknown := sorted(set(names) - set(to.schema.names)):
        raise ValueError(
            f"columns of {to.name} must be among {to.schema.names}, got: {', '.join(unknown)}"
        )
    rows = (
        given.num_rows
        if isinstance(given, pa.Table)
        else max((len(v) for v in given.values()), default=0)
    )

    def array(name: str, kind: pa.DataType) -> pa.Array:
        if name not in names:
            return pa.nulls(rows, kind)
        values = given[name]
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)

    return pa.table([array(f.name, f.type) for f in to.schema], schema=to.schema)


NEVER = np.int32(1 << 20)  # a day that does not come: what has not happened, happens then


def days(column: pa.ChunkedArray | pa.Array, *, missing: int = int(NEVER)) -> np.ndarray:
    """A date column as int32 days since 1970-01-01, with `missing` where it is null."""
    whole = column.cast(pa.int32()).fill_null(missing)
    return np.ascontiguousarray(whole.to_numpy()).astype(np.int32, copy=False)


def cents(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A money column as int64 cents, 0 where it is null."""
    return column.fill_null(0).to_numpy().astype(np.int64, copy=False)


def rows_of(ids: pa.ChunkedArray | pa.Array, *, among: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """For each id its row in `among` (int64), -1 where it is null or absent."""
    among = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    found = pc.index_in(ids, value_set=among, skip_nulls=True).fill_null(-1)
    return found.to_numpy().astype(np.int64)
