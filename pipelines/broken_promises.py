"""Broken promises as events: the days on which a promise to pay turned out not to be kept.

A promise is judged at the end of its day by what had come for its invoice until then, as far as it
was known; money booked later that had come in time takes the reproach back on the day of booking.
Its `status` is not read: nobody dated it. It assumes that a promise is to settle the whole invoice.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from pipelines.events import Counts, Events, Whole, firsts
from pipelines.ledger import NEVER, days
from pipelines.ordering import order
from pipelines.settlement import Settlement


class _Looks(NamedTuple):
    """The moments at which a promise is judged, sorted by promise and day, the last of a day."""

    promise: Whole
    day: Whole
    came_cents: Counts


def of(promises: pa.Table, about: Whole, settlement: Settlement) -> dict[str, Events]:
    """Each invoice's and each customer's broken promises: 1 as one breaks, -1 if it had not.

    `about` is the row of the invoice that each promise names, or -1.
    """
    end = np.maximum(days(promises["made_on"]), days(promises["promised_date"]))
    dated = np.flatnonzero((about >= 0) & (end < NEVER))
    customers, invoices = len(settlement.customer_ids), len(settlement.customer)
    if not len(dated):
        return {
            "broken": Events.none(invoices, "change"),
            "broken_of_customer": Events.none(customers, "change"),
        }
    looks = _looks(about[dated], end[dated], settlement)

    invoice = about[dated][looks.promise]
    left = settlement.amount_cents[invoice] - looks.came_cents
    is_broken = left > settlement.tolerance_cents[invoice]
    was_broken = np.append(False, is_broken)[: len(is_broken)] & ~firsts(looks.promise)
    change = is_broken.astype(np.int64) - was_broken

    turns = np.flatnonzero(change)
    invoice, day, change = invoice[turns], looks.day[turns], change[turns]
    return {
        "broken": Events.of(invoice, day, invoices, change=change),
        "broken_of_customer": Events.of(
            settlement.customer[invoice], day, customers, change=change
        ),
    }


def _looks(invoice: Whole, end: Whole, settlement: Settlement) -> _Looks:
    """The end of each promise's day, and what was booked later but had happened in time."""
    move = settlement.movements
    begin, stop = (np.searchsorted(move.invoice, invoice, side) for side in ("left", "right"))
    counts = stop - begin
    promise = np.repeat(np.arange(len(invoice)), counts)
    at = np.arange(len(promise)) + np.repeat(stop - np.cumsum(counts), counts)
    in_time = move.day[at] <= end[promise]
    promise, at = promise[in_time], at[in_time]

    judged_day = np.maximum(end, settlement.known_day[invoice])
    day = np.append(judged_day, np.maximum(move.known_day[at], judged_day[promise]))
    amount = np.append(np.zeros(len(invoice), np.int64), move.amount_cents[at])
    promise = np.append(np.arange(len(invoice)), promise)
    rows = order(promise, day)
    promise, day, total = promise[rows], day[rows], np.append(0, np.cumsum(amount[rows]))

    came = total[1:] - total[np.searchsorted(promise, promise)]
    is_last = np.ones(len(day), bool)
    is_last[:-1] = (promise[1:] != promise[:-1]) | (day[1:] != day[:-1])
    return _Looks(promise[is_last], day[is_last], came[is_last])
