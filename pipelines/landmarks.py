"""Landmarks: snapshots of invoices as they looked on given days, ready for the model.

`prepare` sorts a ledger's facts once; `take` then answers for any invoices on any days, each from
what was known before its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import cohorts
from models.customer_curve import PaymentRecords
from models.late_payment import Snapshots
from models.time_ahead import WorkingDays
from pipelines import calendars, features, streams
from pipelines.as_of import evaluate
from pipelines.events import Events
from pipelines.features import Peers
from pipelines.ledger import NEVER, Ledger, numbered
from pipelines.ordering import order
from pipelines.settlement import PAYMENT, Settlement, settle
from pipelines.stream import Stream

Days = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

HABIT_WEIGHT = 3.0  # payments that "any weekday from Monday to Friday" counts for
FEW_COUNTRIES = 4  # of so many the calendars are kept together: most requests name one or two
_PAID = Stream("paid_by_weekday")


@dataclass(frozen=True)
class Prepared:
    """A ledger with its facts sorted: what snapshots are taken from."""

    ledger: Ledger
    settlement: Settlement
    streams: streams.Streams
    records: PaymentRecords
    record_invoice: Rows  # the invoice's row of each payment record
    cohort_names: Sequence[str]
    cohort: Rows  # of each invoice, in cohort_names
    calendar: Days  # of each invoice, in working_days
    working_days: WorkingDays
    paid_by_weekday: Events


def prepare(ledger: Ledger) -> Prepared:
    """The ledger settled, streamed and sorted."""
    settlement = settle(ledger)
    streamed = streams.build(ledger, settlement)
    records, record_invoice = payment_records(settlement)
    names, cohort = _cohorts(streamed)
    calendar, working_days = calendars_of(streamed.groups["country"])
    return Prepared(
        ledger,
        settlement,
        streamed,
        records,
        record_invoice,
        names,
        cohort,
        calendar,
        working_days,
        _weekdays(settlement),
    )


def take(prepared: Prepared, invoice: Rows, as_of: Days, *, peers: Peers) -> Snapshots:
    """These invoices (rows), each as of its own day."""
    return replace(
        records_of(prepared, invoice, as_of),
        features=features.compute(prepared.streams, invoice, as_of, peers),
        feature_names=tuple(features.BOOK),
        weekday_share=weekday_share(weekday_payments(prepared, invoice, as_of)),
    )


def records_of(prepared: Prepared, invoice: Rows, as_of: Days) -> Snapshots:
    """Snapshots with the customers' records alone: all that their curves look at, no features."""
    settlement = prepared.settlement
    customer = settlement.customer[invoice]
    return Snapshots(
        features=np.zeros((len(invoice), 0)),
        feature_names=(),
        as_of=as_of,
        due_day=settlement.due_day[invoice],
        records=prepared.records,
        recent=prepared.records.recent(customer, as_of),
        cohort_names=prepared.cohort_names,
        cohort=prepared.cohort[invoice],
        calendar=prepared.calendar[invoice],
        working_days=prepared.working_days,
        weekday_share=np.zeros((len(invoice), 7)),
    )


def weekday_payments(prepared: Prepared, invoice: Rows, as_of: Days) -> Floats:
    """How many payments the customer made on each weekday, Monday first: (n, 7)."""
    return evaluate(
        [_PAID.sum(str(weekday)) for weekday in range(7)],
        {_PAID.name: prepared.paid_by_weekday},
        owners={"customer": prepared.settlement.customer[invoice]},
        as_of=as_of,
        inputs={},
    )


def weekday_share(payments: Floats) -> Floats:
    """On which weekdays a customer pays, of its payments by weekday: (n, 7), adding up to 1."""
    any_day = np.array([HABIT_WEIGHT / 5] * 5 + [0.0, 0.0])
    share: Floats = (payments + any_day) / (payments.sum(axis=1, keepdims=True) + HABIT_WEIGHT)
    return share


def payment_records(settlement: Settlement) -> tuple[PaymentRecords, Rows]:
    """Every customer's invoices with their first settlement, and which invoice each is."""
    moved = settlement.movements
    # An invoice within tolerance from the start is never open: it is nobody's record, though money
    # may come for it and go back again.
    real = moved.settles & ~settlement.never_open[moved.invoice]
    turns = np.flatnonzero(real)[::-1]  # backwards, so that the first one stays
    rows = moved.invoice[turns]

    closed = np.where(settlement.never_open, -NEVER, NEVER)
    closed_known = closed.copy()
    cancelled = closed < 0
    closed[rows] = moved.reached_day[turns]
    closed_known[rows] = np.maximum(moved.known_day[turns], settlement.known_day[rows])
    cancelled[rows] = moved.cancels[turns]

    by_customer = order(settlement.customer, settlement.known_day)
    counts = np.bincount(settlement.customer, minlength=len(settlement.customer_ids))
    records = PaymentRecords(
        start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        known_day=settlement.known_day[by_customer],
        due_day=settlement.due_day[by_customer],
        closed_day=closed[by_customer].astype(np.int32),
        closed_known_day=closed_known[by_customer].astype(np.int32),
        cancelled=cancelled[by_customer],
    )
    return records, by_customer


def _cohorts(streamed: streams.Streams) -> tuple[list[str], Rows]:
    """The names of the cohorts that the ledger holds, and each invoice's."""
    (company, companies), (terms, all_terms) = (
        numbered(streamed.groups[group].fill_null("")) for group in ("company", "terms")
    )
    pairs = company.astype(np.int64) * len(all_terms)
    distinct, which = np.unique(pairs + terms, return_inverse=True)
    names = [
        cohorts.key(companies[pair // len(all_terms)], all_terms[pair % len(all_terms)])
        for pair in distinct.tolist()
    ]
    return names, which.astype(np.int64)


def calendars_of(country: pa.Array) -> tuple[Days, WorkingDays]:
    """Which calendar each of these countries has, null where not known, and the calendars."""
    number, names = numbered(country.fill_null(""))
    codes = [calendars.code_of(name) for name in names]
    known = tuple(sorted(set(codes))) or ("",)
    place = np.array([known.index(code) for code in codes], np.int32)
    made = _kept_working_days if len(known) <= FEW_COUNTRIES else _working_days
    return place[number], made(known)


def _working_days(countries: tuple[str, ...]) -> WorkingDays:
    return WorkingDays(np.stack([_by_weekday(name) for name in countries]))


_kept_working_days = lru_cache(16)(_working_days)


@lru_cache(64)  # 1 MB each
def _by_weekday(country: str) -> npt.NDArray[np.int32]:
    """Running count of business days before each day, by weekday (0 is Monday): (7, days + 1)."""
    works = calendars.business_days(country).is_business
    weekday = (np.arange(len(works)) + 3) % 7
    before = np.zeros((7, len(works) + 1), np.int32)
    for day in range(7):
        np.cumsum(works & (weekday == day), out=before[day, 1:])
    return before


def _weekdays(settlement: Settlement) -> Events:
    """Payments by the weekday on which they were made."""
    moved = settlement.movements
    paid = np.flatnonzero(moved.kind == PAYMENT)
    weekday = (moved.day[paid] + 3) % 7
    known = np.maximum(moved.known_day[paid], settlement.known_day[moved.invoice[paid]])
    return Events.of(
        settlement.customer[moved.invoice[paid]],
        known,
        len(settlement.customer_ids),
        **{str(day): (weekday == day).astype(np.int64) for day in range(7)},
    )
