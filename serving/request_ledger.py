"""The ledger that a scoring request carries: its rows as Arrow tables, under the ledger's rules."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.ledger import Ledger
from pipelines.rules import violations
from pipelines.tables import ARROW_TYPE, TABLES, Table
from serving.messages import Customer, Message, ScoringRequest
from serving.problems import Fault, Problem, counted, shape

HISTORY = tuple(
    name for name in TABLES if name in Customer.model_fields
)  # what nests in a customer


@dataclass(frozen=True)
class Row:
    """One row of a table, and where in the request it stands."""

    path: str
    customer_id: str
    message: Message


def ledger_of(request: ScoringRequest, *, currency: str) -> Ledger:
    """The request's rows as a ledger.

    Raises Problem (422) listing every row that breaks a rule, repeats an id or names an invoice
    that its customer does not have.
    """
    rows = {name: list(_rows(request, name)) for name in HISTORY}
    rows["customers"] = [
        Row(f"customers[{i}]", customer.customer_id, customer)
        for i, customer in enumerate(request.customers)
    ]
    tables = {name: _table(TABLES[name], found) for name, found in rows.items() if found}

    faults = [fault for name in rows for fault in _repeats(TABLES[name], rows[name])]
    faults += _strangers(request, rows)
    faults += _foreign(rows["invoices"], currency)
    for name, table in tables.items():
        faults += _broken(name, table, rows[name])
    if faults:
        raise Problem("invalid-request", counted(len(faults)), faults=faults)
    return Ledger.of(**tables)


def _rows(request: ScoringRequest, name: str) -> Iterator[Row]:
    for i, customer in enumerate(request.customers):
        for j, message in enumerate(getattr(customer, name)):
            yield Row(f"customers[{i}].{name}[{j}]", customer.customer_id, message)


def _table(declared: Table, rows: Sequence[Row]) -> pa.Table:
    """The rows as columns; a column that no row fills is left out."""
    columns = {}
    for column in declared.columns:
        stored = column.stored
        if stored == "customer_id":
            values: list[object] = [row.customer_id for row in rows]
        else:  # a field is in its message's dictionary: a third of the time of getattr
            values = [row.message.__dict__.get(stored) for row in rows]
        if any(value is not None for value in values):
            columns[stored] = pa.array(values, ARROW_TYPE[column.kind])
    return pa.table(columns)


def _repeats(declared: Table, rows: Sequence[Row]) -> Iterator[Fault]:
    key = declared.key
    if key is None:
        return
    first_at: dict[str, str] = {}
    for row in rows:
        value = getattr(row.message, key)
        if value is None:
            continue
        if value in first_at:
            expected = f"an id that is not at {first_at[value]} already"
            yield Fault(f"{row.path}.{key}", "duplicate_id", expected, shape(value))
        first_at.setdefault(value, row.path)


def _strangers(request: ScoringRequest, rows: dict[str, list[Row]]) -> Iterator[Fault]:
    """Rows about an invoice that the request does not have, or that is another customer's."""
    owner = {
        invoice.invoice_id: customer.customer_id
        for customer in request.customers
        for invoice in customer.invoices
    }
    for name, found in rows.items():
        if name in ("invoices", "customers"):
            continue
        for row in found:
            invoice_id = getattr(row.message, "invoice_id", None)
            if invoice_id is not None and owner.get(invoice_id) != row.customer_id:
                expected = "an invoice of the same customer"
                yield Fault(
                    f"{row.path}.invoice_id", "unknown_invoice", expected, shape(invoice_id)
                )
    for i, invoice_id in enumerate(request.invoice_ids or ()):
        if invoice_id not in owner:
            expected = "an invoice of a customer in the request"
            yield Fault(f"invoice_ids[{i}]", "unknown_invoice", expected, shape(invoice_id))


def _foreign(invoices: Sequence[Row], currency: str) -> Iterator[Fault]:
    """Invoices in another currency: adding them would add apples to pears."""
    for row in invoices:
        given = getattr(row.message, "currency", None)
        if given is not None and given != currency:
            expected = f"amounts in {currency}, the ledger's currency"
            yield Fault(f"{row.path}.currency", "foreign_currency", expected, shape(given))


def _broken(name: str, table: pa.Table, rows: Sequence[Row]) -> Iterator[Fault]:
    for broken in violations(name, table):
        path = f"{rows[broken.row].path}.{broken.column}"
        is_text = TABLES[name].column(broken.column).kind in ("id", "text")
        got = shape(broken.found) if is_text else broken.found or "nothing"
        yield Fault(path, broken.rule, broken.expected, got)
