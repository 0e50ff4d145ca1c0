"""The cash forecast: what of the open invoices comes in over the next weeks, and what came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from models import cash, draws
from models.cash import WEEK_ENDS, WEEKS, CashForecast, PastWindow, Shocks
from models.late_payment import LatePaymentModel, Snapshots
from pipelines import labels, landmarks, stable_hash
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger, rows_of
from pipelines.settlement import PAYMENT, RETURN, Settlement, is_open, open_cents, settle

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

PAST_WINDOWS = 6  # past days that show the shocks
APART_DAYS = 28  # between one and the next
WARM_UP_DAYS = 90  # a ledger's first months show its customers without their past
_EPOCH = date(1970, 1, 1)
MOST_LOOKED_AT = 300_000  # invoices: of larger ledgers some customers tell what all have in common
_LEAST_INVOICES = 100  # fewer open ones say too little of what they have in common


@dataclass(frozen=True)
class Forecast:
    """The cash expected of what was open on a day, and the shocks that made its interval."""

    as_of: int
    invoices: int
    open_cents: int
    cash: CashForecast
    shocks: Shocks


def forecast(ledger: Ledger, model: LatePaymentModel, *, as_of: int, seed: int = 0) -> Forecast:
    """The next weeks' cash from the invoices open on the day; new invoices would add to it."""
    prepared = landmarks.prepare(ledger.known_before(as_of))
    share = share_looked_at(ledger.invoices.num_rows)
    return of_parts([part(prepared, model, as_of=as_of, share=share)], as_of=as_of, seed=seed)


@dataclass(frozen=True)
class Part:
    """What a forecast needs of some customers' invoices: rows by their own numbers."""

    curve: Floats  # of what is open on the day: (n, weeks)
    open_cents: Rows
    customer: Rows  # their own numbers, the same in whatever part
    windows: Sequence[PastWindow]


def share_looked_at(invoices: int) -> float:
    """How many of a ledger's customers tell of past windows; in small ones it is all."""
    return min(1.0, MOST_LOOKED_AT / max(invoices, 1))


def part(
    prepared: Prepared,
    model: LatePaymentModel,
    *,
    as_of: int,
    share: float,
    peers: Peers | None = None,
) -> Part:
    """The part of a forecast that this ledger's customers make."""
    peers = peers or Peers.from_columns(model.peers)
    settlement = prepared.settlement
    invoice = np.flatnonzero(is_open(settlement, as_of))
    snapshots = _snapshots(prepared, invoice, as_of, peers)
    keys = stable_hash.of_customers(settlement.customer_ids).view(np.int64)
    return Part(
        model.predict_curve(snapshots, _week_ends(len(invoice))),
        open_cents(settlement, as_of)[invoice],
        keys[settlement.customer[invoice]],
        past_windows(prepared, model, as_of=as_of, keys=keys, share=share),
    )


def of_parts(parts: Sequence[Part], *, as_of: int, seed: int = 0) -> Forecast:
    """The forecast of all parts together; into how many they are divided changes nothing."""
    every = [
        PastWindow(of.curve, np.zeros(len(of.customer), np.int64), of.customer, of.open_cents)
        for of in parts
    ]
    now = _together(every)
    windows = []
    for back in range(min((len(of.windows) for of in parts), default=0)):
        window = _together([of.windows[back] for of in parts])
        if len(window.customer) < _LEAST_INVOICES:
            break
        windows.append(window)
    shocks = cash.estimate(windows)
    told = cash.forecast(now.curve, now.open_cents, now.customer, shocks, seed=seed)
    return Forecast(as_of, len(now.customer), int(now.open_cents.sum()), told, shocks)


def _together(parts: Sequence[PastWindow]) -> PastWindow:
    """The rows of all in the order of their customers' numbers, each customer's as they were."""
    curve, week, customer, cents = (
        np.concatenate([getattr(of, name) for of in parts])
        for name in ("curve", "week", "customer", "open_cents")
    )
    order = np.argsort(customer, kind="stable")
    return PastWindow(curve[order], week[order], customer[order], cents[order])


def noted(
    ledger: Ledger,
    model: LatePaymentModel,
    *,
    as_of: int,
    told: Forecast | None = None,
    settlement: Settlement | None = None,
) -> dict[str, Any]:
    """What a night writes down: the weeks ahead with their interval, and what the last brought.

    Weeks begin on the day; amounts are whole cents. `weeks` counts only what is open now, while
    `received` is all that came in, for whatever invoice. What was worked out before is given in.
    """
    told = told or forecast(ledger, model, as_of=as_of)
    cash_told = told.cash
    return {
        "as_of": _iso(as_of),
        "open_cents": told.open_cents,
        "interval": cash.LEVELS[1] - cash.LEVELS[0],
        "weeks": [
            {
                "begins": _iso(as_of + 7 * week),
                "expected_cents": round(float(cash_told.expected_cents[week])),
                "low_cents": round(float(cash_told.low_cents[week])),
                "high_cents": round(float(cash_told.high_cents[week])),
            }
            for week in range(WEEKS)
        ],
        "received": [
            {"begins": _iso(as_of - 7 * (WEEKS - week)), "cents": int(cents)}
            for week, cents in enumerate(received(ledger, as_of=as_of, settlement=settlement))
        ],
    }


def received(ledger: Ledger, *, as_of: int, settlement: Settlement | None = None) -> Rows:
    """The cash of each of the weeks before the day, the oldest first, in cents: (WEEKS,).

    Payments on invoices less what went back, by the day it happened, as far as it is known.
    """
    moved = (settlement or settle(ledger.known_before(as_of))).movements
    week = (moved.day.astype(np.int64) - as_of) // 7 + WEEKS
    counts = ((moved.kind == PAYMENT) | (moved.kind == RETURN)) & (week >= 0) & (week < WEEKS)
    total = np.zeros(WEEKS, np.int64)
    np.add.at(total, week[counts], moved.amount_cents[counts])
    return total


def _iso(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def past_windows(
    prepared: Prepared, model: LatePaymentModel, *, as_of: int, keys: Rows, share: float
) -> list[PastWindow]:
    """What the customers' curves said on past days whose weeks have ended, and what came.

    The curve answers there, not the trees: it learns nothing from what came after the day, and
    the trees have seen these very invoices. `keys` are the customers' own numbers: a share of them
    is drawn by lot.
    """
    settlement, windows = prepared.settlement, []
    is_drawn = draws.toss(keys, "past windows") < share
    counts = labels.is_labelled(settlement) & is_drawn[settlement.customer]
    for back in range(PAST_WINDOWS):
        day = as_of - 7 * WEEKS - APART_DAYS * back
        if day < model.cohorts.observed_from + WARM_UP_DAYS:
            break
        invoice = np.flatnonzero(counts & is_open(settlement, day))
        snapshots = landmarks.records_of(prepared, invoice, np.full(len(invoice), day, np.int32))
        weeks_after = (settlement.settled_day[invoice].astype(np.int64) - day) // 7
        windows.append(
            PastWindow(
                curve=model.customer_curve(snapshots, _week_ends(len(invoice))),
                week=np.clip(weeks_after, 0, WEEKS),
                customer=keys[settlement.customer[invoice]],
                open_cents=open_cents(settlement, day)[invoice],
            )
        )
    return windows


def came(ledger: Ledger, *, as_of: int) -> Floats:
    """The cash that came each week for what was open on the day; NaN for weeks not yet over.

    Payments less what went back, as far as they were applied; credit notes are not cash. The
    ledger ends with its last movement.
    """
    known = settle(ledger.known_before(as_of))
    was_open = ledger.known_before(as_of).invoices["invoice_id"].filter(is_open(known, as_of))
    settlement = settle(ledger)
    invoice = rows_of(was_open, among=ledger.invoices["invoice_id"])
    return _received(settlement, invoice, as_of)


def _received(settlement: Settlement, invoice: Rows, as_of: int) -> Floats:
    moved = settlement.movements
    asked = np.zeros(len(settlement.amount_cents), bool)
    asked[invoice] = True
    is_cash = (moved.kind == PAYMENT) | (moved.kind == RETURN)
    week = (moved.day.astype(np.int64) - as_of) // 7
    later = is_cash & asked[moved.invoice] & (moved.known_day >= as_of) & (week < WEEKS)
    # what happened before the day and was booked after it is the first week's: then it is seen
    received = np.bincount(
        np.maximum(week[later], 0), weights=moved.applied_cents[later], minlength=WEEKS
    )
    ends = as_of + np.array(WEEK_ENDS)
    last = int(moved.known_day.max(initial=0))
    return np.where(ends <= last, received, np.nan)


def _snapshots(prepared: Prepared, invoice: Rows, day: int, peers: Peers) -> Snapshots:
    return landmarks.take(prepared, invoice, np.full(len(invoice), day, np.int32), peers=peers)


def _week_ends(rows: int) -> npt.NDArray[np.int32]:
    return np.broadcast_to(np.array(WEEK_ENDS, np.int32), (rows, WEEKS)).copy()
