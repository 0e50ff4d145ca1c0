"""Streams: a ledger's facts as events, each dated by the day on which it became known.

A fact about an invoice is known once the fact and the invoice both are. Where the order of one
day's events matters, values decide it, never ids or row numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import case_events, invoice_events, payment_events, standing_events
from pipelines.events import Events, Floats, Whole
from pipelines.ledger import NEVER, Ledger, whole
from pipelines.ordering import Rows
from pipelines.settlement import Settlement, settle
from pipelines.stream import Stream

# Of a customer.
issued = Stream("issued", "invoices: amount, issue_day, latest: the last issue_day so far")
priced = Stream("priced", "those of a positive amount: amount, ln_amount in whole 1/10,000")
termed = Stream("termed", "those whose payment terms are known: terms in days")
due = Stream("due", "invoices on the day they fall due: amount")
settled = Stream("settled", "settlements by payment: delay, amount, weighted = delay * amount")
reduced = Stream(
    "reduced", "what comes off invoices: amount; closed: 1, or -1 for one that reopens"
)
reduced_due = Stream(
    "reduced_due", "the same once due; short: part-paid ones, residual: their rest"
)
touched = Stream("touched", "invoices on their first payment")
paid = Stream("paid", "cash: amount; receipt, partial and in_run: 1 for payments that are")
paydays = Stream("paydays", "days with a payment: paid_day, weekday (0 is Monday), month_end")
gaps = Stream("gaps", "the same but the first: gap, the days since the one before")
unallocated = Stream("unallocated", "cash not yet applied to an invoice: amount")
credited = Stream("credited", "credit notes: amount")
oldest_overdue = Stream(
    "oldest_overdue", f"each time it changes: its due_day, {int(NEVER):,} where nothing is overdue"
)
limits = Stream("limits", "credit limits from their day on: amount, insured (-1 where not told)")
rated = Stream("rated", "ratings of any agency: safety, 0 to 1 (the safest) in whole millionths")
rerated = Stream("rerated", "those by an agency not new to the customer: change since its last")
broken_of_customer = Stream("broken_of_customer", "the same as broken, over all invoices")

# Of an invoice.
moved = Stream("moved", "payments, returns, credit notes: amount", owner="invoice")
disputed = Stream(
    "disputed", "change: 1 opened, -1 closed; change_day = change * day", owner="invoice"
)
promised = Stream("promised", "change: 1 made, -1 the promised day has passed", owner="invoice")
reminded = Stream("reminded", "reminders sent, calls made", owner="invoice")
broken = Stream(
    "broken",
    "promises whose day passed unpaid: change, 1, or -1 where money booked later had come in time",
    owner="invoice",
)

STREAMS = (
    *(issued, priced, termed, due, settled, reduced, reduced_due, touched, paid, paydays, gaps),
    *(unallocated, credited, oldest_overdue, limits, rated, rerated),
    broken_of_customer,
    *(moved, disputed, promised, reminded, broken),
)

PEER_GROUPS = ("country", "segment", "terms", "company")


@dataclass(frozen=True)
class Streams:
    """All streams of a ledger, and what each invoice (by row) brings to a question about it."""

    events: Mapping[str, Events]
    inputs: Mapping[str, Whole | Floats]  # whole numbers, or floats where some are missing
    ledger: Ledger
    settlement: Settlement

    @property
    def customer(self) -> Whole:
        return self.settlement.customer

    @cached_property
    def groups(self) -> dict[str, pa.Array]:
        """The peer groups each invoice belongs to; null where not known."""
        return groups(self.ledger, self.settlement)

    def groups_of(self, rows: Rows) -> tuple[dict[str, pa.Array], Rows]:
        """Groups that hold those of these invoices, and where; of a single one its own only."""
        if len(rows) == 1:
            return self._groups_of_one(rows.item()), np.zeros(1, np.int64)
        return self.groups, rows

    def _groups_of_one(self, row: int) -> dict[str, pa.Array]:
        customer = self.settlement.refers.customer_rows()[self.settlement.customer[row]]
        customers = self.ledger.customers

        def of_customer(column: str) -> pa.Array:
            if customer < 0:
                return pa.nulls(1, pa.string())
            return whole(customers[column]).slice(customer, 1)

        def of_invoice(column: str) -> pa.Array:
            return whole(self.ledger.invoices[column]).slice(row, 1)

        terms = of_invoice("terms_code")
        return {
            "country": of_customer("country"),
            "segment": of_customer("segment"),
            "terms": of_customer("terms_code") if terms.null_count else terms,
            "company": of_invoice("company_code"),
        }


def build(ledger: Ledger, settlement: Settlement | None = None) -> Streams:
    """Every stream of the ledger."""
    settlement = settle(ledger) if settlement is None else settlement
    told = invoice_events.Told.of(ledger, settlement)
    return Streams(
        events={
            **invoice_events.of(settlement, told),
            **payment_events.of(ledger, settlement),
            **case_events.of(ledger, settlement),
            **standing_events.of(ledger, settlement),
        },
        inputs=invoice_events.inputs(settlement, told),
        ledger=ledger,
        settlement=settlement,
    )


def groups(ledger: Ledger, settlement: Settlement) -> dict[str, pa.Array]:
    """Each invoice's country, segment, terms code and company code, null where not known."""
    invoices, customers = ledger.invoices, ledger.customers
    row = settlement.refers.customer_rows()[settlement.customer]
    at = pa.array(row, mask=row < 0) if len(row) and row.min() < 0 else pa.array(row)

    def of_customer(column: str) -> pa.Array:
        return customers[column].combine_chunks().take(at)

    def of_invoice(column: str) -> pa.Array:
        return invoices[column].combine_chunks()

    return {
        "country": of_customer("country"),
        "segment": of_customer("segment"),
        "terms": pc.coalesce(of_invoice("terms_code"), of_customer("terms_code")),
        "company": of_invoice("company_code"),
    }
