"""Cases as events: each invoice's disputes, promises to pay, kept or not, and reminders."""

import numpy as np
import pyarrow as pa

from pipelines import broken_promises
from pipelines.events import Events
from pipelines.ledger import NEVER, Ledger, days, numbered
from pipelines.settlement import Settlement

REMINDERS = ("pre_due_reminder", "due_notice", "reminder_1", "reminder_2", "final_reminder", "call")


def of(ledger: Ledger, settlement: Settlement) -> dict[str, Events]:
    """What was said about each invoice. A promise is pending from the day it was made to its own.

    Its `status` is not read: nobody dated it, and as-of features may not know it.
    """
    named, invoices = settlement.refers.invoice, len(settlement.customer)

    def spans(name: str, table: pa.Table, begins: str, ends: str) -> Events:
        """1 where something begins, -1 where it ends, for what names an invoice of the ledger."""
        invoice = named[name]
        if not len(invoice):
            return Events.none(invoices, "change", "change_day")
        begin = days(table[begins])
        end = np.maximum(days(table[ends]), begin)
        mine = np.flatnonzero(invoice >= 0)
        over = np.flatnonzero((invoice >= 0) & (end < NEVER))
        day = np.concatenate([begin[mine], end[over]])
        change = np.repeat([1, -1], [len(mine), len(over)])
        return Events.of(
            np.concatenate([invoice[mine], invoice[over]]),
            day,
            invoices,
            change=change,
            change_day=change * day,
        )

    actions = ledger.actions
    about = named["actions"]
    code, codes = numbered(actions["action_code"])
    asks = np.array([name in REMINDERS for name in codes] + [False])
    sent = np.flatnonzero((about >= 0) & asks[code])
    return {
        "disputed": spans("disputes", ledger.disputes, "opened_on", "closed_on"),
        "promised": spans("promises", ledger.promises, "made_on", "promised_date"),
        "reminded": Events.of(about[sent], days(actions["performed_on"])[sent], invoices),
        **broken_promises.of(ledger.promises, named["promises"], settlement),
    }
