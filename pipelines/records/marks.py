"""Marks: what was last done about each customer, or until when it was put off.

The worklist shows them, so that nobody does a thing twice; a later mark takes an earlier one's
place. What is to be learned from stands in the ledger's rows, not here.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal

import sqlalchemy as sa

from pipelines.records import audit
from pipelines.records.audit import Writer
from pipelines.records.database import moment
from pipelines.records.tables import customer_marks

Kind = Literal["done", "promised", "snoozed"]
Mark = Mapping[str, Any]

_AT_ONCE = 500  # ids in one statement: SQLite takes a limited number of values


def put(
    connection: sa.Connection,
    customer_id: str,
    *,
    kind: Kind,
    subject: str,
    until: date | None,
    made_on: date,
    writer: Writer,
) -> None:
    """Mark a customer, in the transaction of what the mark tells of."""
    values = {
        "customer_id": customer_id,
        "kind": kind,
        "subject": subject,
        "until": until and until.isoformat(),
        "made_on": made_on.isoformat(),
        "changed_at": moment(writer.at),
        "changed_by": writer.name,
    }
    connection.execute(_of(customer_id, sa.delete(customer_marks)))
    connection.execute(customer_marks.insert().values(values))


def snooze(
    connection: sa.Connection, customer_id: str, *, until: date, made_on: date, writer: Writer
) -> None:
    """Put a customer off until a day; a line in the audit log goes with it."""
    put(
        connection,
        customer_id,
        kind="snoozed",
        subject="",
        until=until,
        made_on=made_on,
        writer=writer,
    )
    audit.note(connection, writer, "snooze", customer_id, {"until": until.isoformat()})


def clear(connection: sa.Connection, customer_id: str, *, writer: Writer) -> bool:
    """Take a customer's mark away; whether there was one."""
    gone = connection.execute(_of(customer_id, sa.delete(customer_marks))).rowcount > 0
    if gone:
        audit.note(connection, writer, "unmark", customer_id)
    return gone


def standing(
    connection: sa.Connection, customer_ids: Iterable[str], *, as_of: date
) -> dict[str, Mark]:
    """The marks of these customers that still say something on a day, by customer.

    Put off: until its day. Promised: until its day has passed. Done: made on the day or after it.
    """
    asked = list(customer_ids)
    found: dict[str, Mark] = {}
    for at in range(0, len(asked), _AT_ONCE):
        part = asked[at : at + _AT_ONCE]
        rows = connection.execute(
            sa.select(customer_marks).where(customer_marks.c.customer_id.in_(part))
        )
        for row in rows.mappings():
            mark = {str(name): value for name, value in row.items()}
            if _stands(mark, as_of.isoformat()):
                found[mark["customer_id"]] = mark
    return found


def _stands(mark: Mark, day: str) -> bool:
    if mark["kind"] == "snoozed":
        return str(mark["until"]) > day
    if mark["kind"] == "promised":
        return str(mark["until"]) >= day
    return str(mark["made_on"]) >= day


def _of(customer_id: str, statement: sa.Delete) -> sa.Delete:
    return statement.where(customer_marks.c.customer_id == customer_id)
