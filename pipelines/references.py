"""References: which invoice and which customer each row of a ledger names, found once for all."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ledger import Ledger, rows_of_each
from pipelines.ordering import Rows

OF_INVOICES = ("payments", "credit_notes", "disputes", "promises", "actions")
OF_CUSTOMERS = ("customers", "invoices", "credit_limits", "external_ratings")
OF_EITHER = ("payments", "credit_notes")  # rows that name no invoice belong to a customer


@dataclass(frozen=True)
class References:
    """Rows and places by table; -1 where nothing is named, or nothing that the ledger has."""

    customer_ids: pa.Array  # those of the customers and those of the invoices
    invoice: Mapping[str, Rows]  # the row of the invoice that each row names
    customer: Mapping[str, Rows]  # the place in customer_ids; for OF_EITHER: of the loose rows
    loose: Mapping[str, Rows]  # the rows of OF_EITHER that name no invoice

    def customer_rows(self) -> Rows:
        """For each of customer_ids its row in the table of customers."""
        place = self.customer["customers"]
        row = np.full(len(self.customer_ids), -1)
        row[place[::-1]] = np.arange(len(place))[::-1]  # of two with one id the first
        return row


def of(ledger: Ledger) -> References:
    tables = ledger.tables()
    named = [tables[name]["invoice_id"] for name in OF_INVOICES]
    invoice = rows_of_each(named, among=ledger.invoices["invoice_id"])

    loose = {name: _without_invoice(tables[name]) for name in OF_EITHER}
    owners = [tables[name]["customer_id"] for name in OF_CUSTOMERS]
    owners += [_some(tables[name]["customer_id"], loose[name]) for name in OF_EITHER]
    known, invoiced = (column.combine_chunks() for column in owners[:2])
    customer_ids = pc.unique(pa.concat_arrays([known, invoiced]))
    customer = rows_of_each(owners, among=customer_ids)
    return References(
        customer_ids,
        dict(zip(OF_INVOICES, invoice, strict=True)),
        dict(zip((*OF_CUSTOMERS, *OF_EITHER), customer, strict=True)),
        loose,
    )


def _without_invoice(table: pa.Table) -> Rows:
    column = table["invoice_id"]
    if not column.null_count:
        return np.empty(0, np.int64)
    return np.flatnonzero(column.is_null().to_numpy())


def _some(column: pa.ChunkedArray, rows: Rows) -> pa.Array:
    return column.take(pa.array(rows)) if len(rows) else column.slice(0, 0)
