"""Changes: a ledger in which one open invoice has other facts, for asking what would be if."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.what_if import DAYS_BETWEEN_INSTALMENTS, Change
from pipelines.ledger import NEVER, Ledger, conform, days, issue_days, rows_of
from pipelines.rules import violations
from pipelines.tables import TABLES

Row = dict[str, Any]

REMINDER = {"action_code": "reminder_1", "channel": "email", "actor": "human"}


class CannotChange(ValueError):  # noqa: N818 - the name says what happened
    """A change that the invoice cannot undergo: which field, what was expected and what is."""

    def __init__(self, field: str, expected: str, found: str) -> None:
        super().__init__(f"{field} must be {expected}, got: {found}")
        self.field, self.expected, self.found = field, expected, found


def apply(change: Change, ledger: Ledger, as_of: int, scored: Row) -> tuple[Ledger, list[str]]:
    """The ledger with the change made the day before `as_of`, and the invoices that it now has.

    `scored` is the invoice's score before the change.
    """
    tables = ledger.tables()
    ids = [scored["invoice_id"]]
    if set(change.named) - {"reminder_sent", "dispute_solved"}:
        tables["invoices"], ids = _invoices(change, ledger.invoices, scored)
    if change.reminder_sent:
        sent = {**REMINDER, "performed_on": _day(as_of - 1)}
        about = {name: scored[name] for name in ("customer_id", "invoice_id")}
        tables["actions"] = pa.concat_tables([ledger.actions, _rows("actions", {**about, **sent})])
    if change.dispute_solved:
        open_now = open_disputes(ledger, as_of, scored)
        if not open_now.any():
            raise CannotChange("dispute_solved", "about an open dispute", "an invoice without one")
        disputes = ledger.disputes
        closed = np.where(open_now, as_of - 1, days(disputes["closed_on"]))
        at = disputes.schema.get_field_index("closed_on")
        dates = pa.array(closed.astype(np.int32), mask=closed == NEVER).cast(pa.date32())
        tables["disputes"] = disputes.set_column(at, "closed_on", dates)
    return Ledger(**tables), ids


def open_disputes(ledger: Ledger, as_of: int, scored: Row) -> npt.NDArray[np.bool_]:
    """Which rows of the disputes are open and about the invoice."""
    about = rows_of(ledger.disputes["invoice_id"], among=pa.array([scored["invoice_id"]])) == 0
    opened, closed = (days(ledger.disputes[name]) for name in ("opened_on", "closed_on"))
    stands: npt.NDArray[np.bool_] = about & (opened < as_of) & (closed >= as_of)
    return stands


def _invoices(change: Change, invoices: pa.Table, scored: Row) -> tuple[pa.Table, list[str]]:
    (at,) = rows_of(pa.array([scored["invoice_id"]]), among=invoices["invoice_id"]).tolist()
    row = invoices.slice(at, 1)
    parts = _instalments(change, _due(change, row), scored, taken=set(_ids(invoices)))
    table = _rows("invoices", *parts)
    for broken in violations("invoices", table):
        raise CannotChange(broken.column, broken.expected, broken.found or "nothing")
    others = [invoices.slice(0, at), table, invoices.slice(at + 1)]
    return pa.concat_tables(others), _ids(table)


def _due(change: Change, row: pa.Table) -> Row:
    """The invoice with its new due date, amount and discount; it was issued when it was."""
    invoice: Row = row.to_pylist()[0]
    if change.terms_days is not None or change.more_days is not None:
        issued: date = _day(issue_days(row)[0])
        due = invoice["due_date"]
        if change.terms_days is not None:
            due = issued + timedelta(days=change.terms_days)
        due += timedelta(days=change.more_days or 0)
        invoice |= {"issue_date": issued, "due_date": due, "terms_days": (due - issued).days}
    if change.amount_cents is not None:
        invoice["amount_cents"] = change.amount_cents
    if change.discount_pct is not None:
        off = round(invoice["amount_cents"] * change.discount_pct / 100)
        invoice |= {
            "amount_cents": invoice["amount_cents"] - off,
            "early_discount_pct": change.discount_pct,
        }
    return invoice


def _instalments(change: Change, invoice: Row, scored: Row, *, taken: set[str]) -> list[Row]:
    """The invoice in parts: the first keeps its id, what was paid and what is known of it."""
    count = change.instalments or 1
    if count == 1:
        return [invoice]
    paid = scored["amount_cents"] - scored["open_cents"]
    left = invoice["amount_cents"] - paid
    share = left // count
    if share <= 0:
        raise CannotChange("instalments", "at most one for each cent left to pay", str(count))

    issued = invoice["issue_date"] or _day(issue_days(_rows("invoices", invoice))[0])
    first = {
        **invoice,
        "amount_cents": paid + left - share * (count - 1),
        "instalment_no": 1,
    }
    later = []
    for number in range(2, count + 1):
        name = f"{invoice['invoice_id']} {number}/{count}"
        while name in taken:
            name += "+"
        due = invoice["due_date"] + timedelta(days=DAYS_BETWEEN_INSTALMENTS * (number - 1))
        changed = {"invoice_id": name, "due_date": due, "issue_date": issued}
        later.append({**invoice, **changed, "amount_cents": share, "instalment_no": number})
    return [first, *later]


def _rows(name: str, *rows: Row) -> pa.Table:
    columns = {column: [row[column] for row in rows] for column in rows[0]}
    return conform(columns, to=TABLES[name])


def _ids(invoices: pa.Table) -> list[str]:
    ids: list[str] = invoices["invoice_id"].to_pylist()
    return ids


def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=int(number))
