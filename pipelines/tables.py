"""The tables of the ledger, declared once: their columns, kinds, keys and the days that date a row.

The words are those of the data dictionary (`data/README.md`). What a row must satisfy beyond its
type is in `pipelines/rules.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pyarrow as pa

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

    @cached_property
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
                    "text": "name vat_id legal_form country province industry_code group_id "
                    "segment collector terms_code payment_method language preferred_channel "
                    "contact_email contact_phone",
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
                    "text": "action_code channel actor outcome_code recommended_action "
                    "policy_version",
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
