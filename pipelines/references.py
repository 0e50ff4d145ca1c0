"""References: which invoice and which customer each row of a ledger names, found once for all."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipelines.ledger import Ledger, null_rows, numbers, rows_of_each, whole
from pipelines.ordering import Rows

OF_INVOICES = ("payments", "credit_notes", "disputes", "promises", "actions")
OF_CUSTOMERS = ("customers", "invoices", "credit_limits", "external_ratings")
OF_EITHER = ("payments", "credit_notes")  # rows that name no invoice belong to a customer

_NOBODY = pa.array([], pa.string())


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

    loose = {name: null_rows(tables[name]["invoice_id"]) for name in OF_EITHER}
    known, invoiced = whole(ledger.customers["customer_id"]), whole(ledger.invoices["customer_id"])
    numbered = pa.concat_arrays([known, invoiced]).dictionary_encode()
    place = numbers(numbered.indices, np.int32, -1).astype(np.int64)
    owners = [tables[name]["customer_id"] for name in OF_CUSTOMERS[2:]]
    owners += [_some(tables[name]["customer_id"], loose[name]) for name in OF_EITHER]
    customer = [place[: len(known)], place[len(known) :]]
    customer += rows_of_each(owners, among=numbered.dictionary)
    return References(
        numbered.dictionary,
        dict(zip(OF_INVOICES, invoice, strict=True)),
        dict(zip((*OF_CUSTOMERS, *OF_EITHER), customer, strict=True)),
        loose,
    )


def _some(column: pa.ChunkedArray, rows: Rows) -> pa.Array:
    return whole(column).take(pa.array(rows)) if len(rows) else _NOBODY
