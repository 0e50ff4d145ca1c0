"""KPIs of receivables as of a day: how long money takes to come, how old it is, what is disputed.

Amounts are whole cents and exact; a figure that would divide by nothing is None. "In the period"
means that it became known in the `PERIOD_DAYS` before the day: so what was open, plus sales, less
what came, is what is open, and a late booking never changes a period that was already told.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.kpi_record import KpiRecord, Kpis
from pipelines.ledger import NEVER, Ledger, cents, days
from pipelines.settlement import CREDIT_NOTE, Days, Flags, Settlement, open_cents, settle
from pipelines.store import ScoreStore

Cents = npt.NDArray[np.int64]

PERIOD_DAYS = 90
MONTH_DAYS = 30  # as wide as a bucket: what is not due more than that late rolls one bucket on
MONTHS_BACK = 12  # of history that a night works out anew
MONTHS_RECORDED = 24  # and shows, as far as nights of then have told them
BUCKETS = ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
_EPOCH = date(1970, 1, 1)


def of(
    ledger: Ledger, as_of: int, *, settlement: Settlement | None = None, among: Flags | None = None
) -> Kpis:
    """The KPIs of these invoices (all of them unless `among` chooses) when day `as_of` began."""
    settlement = settlement or settle(ledger)
    chosen = np.ones(len(settlement.customer), bool) if among is None else among
    begin = as_of - PERIOD_DAYS
    ageing = _ageing(settlement, as_of, chosen)
    receivables, not_due = sum(ageing), ageing[0]
    opening = sum(_ageing(settlement, begin, chosen))
    sales = _sales(settlement, begin, as_of, chosen)
    dso = _ratio(receivables * PERIOD_DAYS, sales)
    best = _ratio(not_due * PERIOD_DAYS, sales)
    late_days = _late_days(ledger, settlement, begin, as_of, chosen)
    return {
        "as_of": _iso(as_of),
        "period_days": PERIOD_DAYS,
        "receivables_cents": receivables,
        "opening_receivables_cents": opening,
        "sales_cents": sales,
        "dso_days": _float(dso),
        "count_back_dso_days": _float(_count_back(settlement, as_of, receivables, chosen)),
        "best_possible_dso_days": _float(best),
        "add_days": _float(None if dso is None or best is None else dso - best),
        "cei_percent": _float(
            _ratio((opening + sales - receivables) * 100, opening + sales - not_due)
        ),
        "ageing_cents": dict(zip(BUCKETS, ageing, strict=True)),
        "roll_rates": _roll_rates(_ageing(settlement, as_of - MONTH_DAYS, chosen), ageing),
        "payments": len(late_days),
        "average_days_late": _float(_ratio(int(late_days.sum()), len(late_days))),
        "late_payment_share": _float(_ratio(int((late_days > 0).sum()), len(late_days))),
        **_promises(ledger, settlement, begin, as_of, chosen),
        "disputed_share": _float(_ratio(_disputed(ledger, settlement, as_of, chosen), receivables)),
        "at_risk_share": _float(_ratio(ageing[-1], receivables)),
    }


def noted(
    ledger: Ledger,
    as_of: int,
    *,
    settlement: Settlement | None = None,
    recorded: Mapping[str, Kpis] | None = None,
) -> dict[str, Any]:
    """What a night writes down: the KPIs as of its day, and as of the first of each month before.

    The months are worked out anew each night: what was booked late has its own day, so they say
    what they said then. Months that the ledger does not reach are those that were `recorded`.
    """
    settlement = settlement or settle(ledger)
    began = int(settlement.known_day.min(initial=NEVER))
    months = {_iso(day): day for day in _months_before(as_of, MONTHS_RECORDED)}
    kept = {day: kpis for day, kpis in (recorded or {}).items() if day in months}
    worked_out = {
        _iso(day): of(ledger, day, settlement=settlement)
        for day in _months_before(as_of, MONTHS_BACK)
        if day - PERIOD_DAYS >= began  # before that the period would be half empty
    }
    history = [kpis for _, kpis in sorted((kept | worked_out).items())]
    return {"now": of(ledger, as_of, settlement=settlement), "history": history}


def history(store: ScoreStore) -> list[Kpis]:
    """The KPIs of every night that told them and of the months before, by day."""
    found = dict(KpiRecord(store).read())
    for facts in store.facts():
        told = facts.get("kpis") or {"history": []}
        found.update({kpis["as_of"]: kpis for kpis in told["history"]})
        if "now" in told:
            found[told["now"]["as_of"]] = told["now"]
    return [found[day] for day in sorted(found)]


def _ageing(settlement: Settlement, as_of: int, chosen: Flags) -> list[int]:
    """What is open by days past the due business day: not due until that day has ended."""
    left = np.where(chosen, open_cents(settlement, as_of), 0)
    past = as_of - settlement.due_day.astype(np.int64)
    bucket = np.searchsorted(np.array([1, 31, 61, 91]), past, side="right")
    return _sums(bucket, left, len(BUCKETS))


def _sales(settlement: Settlement, begin: int, end: int, chosen: Flags) -> int:
    """Invoiced in the period, less the credit notes on invoices."""
    known = settlement.known_day
    invoiced = chosen & (known >= begin) & (known < end)
    moved = settlement.movements
    seen = np.maximum(moved.known_day, known[moved.invoice])
    credited = (moved.kind == CREDIT_NOTE) & chosen[moved.invoice] & (seen >= begin) & (seen < end)
    return int(settlement.amount_cents[invoiced].sum()) - int(moved.amount_cents[credited].sum())


def _count_back(
    settlement: Settlement, as_of: int, receivables: int, chosen: Flags
) -> Fraction | None:
    """How many days of sales, the newest first, the receivables are worth; None beyond all sales.

    Months of 30 days counted back from the day: as of any day, not only at a month's end.
    """
    began = int(settlement.known_day.min(initial=NEVER))
    left, told = receivables, Fraction(0)
    for end in range(as_of, began, -MONTH_DAYS):
        sales = _sales(settlement, end - MONTH_DAYS, end, chosen)
        if 0 <= left < sales:
            return told + Fraction(left * MONTH_DAYS, sales)
        left, told = left - max(sales, 0), told + MONTH_DAYS
        if left <= 0:
            return told
    return None if left else told


def _roll_rates(before: Sequence[int], now: Sequence[int]) -> dict[str, float | None]:
    """What a bucket holds now over what the younger one held a month ago.

    The last one also holds what was in it already, and so may be above 1.
    """
    steps = zip(BUCKETS[:-1], BUCKETS[1:], before[:-1], now[1:], strict=True)
    return {f"{younger}_to_{older}": _float(_ratio(b, a)) for younger, older, a, b in steps}


def _late_days(ledger: Ledger, settlement: Settlement, begin: int, end: int, chosen: Flags) -> Days:
    """The days late of each payment on an invoice that the period brought and nobody took back."""
    named = np.flatnonzero(settlement.refers.invoice["payments"] >= 0)
    invoice = settlement.refers.invoice["payments"][named]
    payments = ledger.payments.take(pa.array(named))
    paid = days(payments["paid_on"])
    booked = np.maximum(paid, days(payments["recorded_at"], missing=-int(NEVER)))
    known = np.maximum(booked, settlement.known_day[invoice])
    returned = np.maximum(days(payments["returned_on"]), booked)
    counts = (cents(payments["amount_cents"]) > 0) & (returned >= end) & chosen[invoice]
    counts &= (known >= begin) & (known < end)
    late: Days = paid[counts] - settlement.due_day[invoice[counts]]
    return late


def _promises(
    ledger: Ledger, settlement: Settlement, begin: int, end: int, chosen: Flags
) -> dict[str, Any]:
    """Promises whose day ended in the period, and the share whose invoice was settled by it.

    It assumes that a promise is to settle the whole invoice, as `pipelines.broken_promises` does.
    """
    promises = ledger.promises
    invoice = settlement.refers.invoice["promises"]
    made = days(promises["made_on"])
    ends = np.maximum(made, days(promises["promised_date"]))
    judged = np.flatnonzero((invoice >= 0) & (made < end) & (ends >= begin) & (ends < end))
    judged = judged[settlement.known_day[invoice[judged]] < end]
    judged = judged[chosen[invoice[judged]]]
    kept = sum(
        _left_by(settlement, int(row), by=int(day), as_of=end) <= settlement.tolerance_cents[row]
        for row, day in zip(invoice[judged], ends[judged], strict=True)
    )
    return {
        "promises": len(judged),
        "promise_kept_share": _float(_ratio(int(kept), len(judged))),
    }


def _left_by(settlement: Settlement, invoice: int, *, by: int, as_of: int) -> int:
    """What was left of an invoice at the end of a day, told by what was known before `as_of`."""
    moved = settlement.movements
    start, stop = np.searchsorted(moved.invoice, [invoice, invoice + 1])
    mine = slice(int(start), int(stop))
    in_time = (moved.day[mine] <= by) & (moved.known_day[mine] < as_of)
    came = int(moved.amount_cents[mine][in_time].sum())
    return int(settlement.amount_cents[invoice]) - came


def _disputed(ledger: Ledger, settlement: Settlement, as_of: int, chosen: Flags) -> int:
    """What is disputed of what is open; a dispute that names no amount is about all of it."""
    disputes = ledger.disputes
    invoice = settlement.refers.invoice["disputes"]
    opened, closed = days(disputes["opened_on"]), days(disputes["closed_on"])
    stands = np.flatnonzero((invoice >= 0) & (opened < as_of) & (closed >= as_of))
    row = invoice[stands]
    amounts = cents(disputes["amount_cents"], missing=-1)[stands]
    disputed = np.zeros(len(settlement.customer), np.int64)
    np.add.at(disputed, row, np.where(amounts < 0, settlement.amount_cents[row], amounts))
    left = np.where(chosen, open_cents(settlement, as_of), 0)
    return int(np.where(left > 0, np.minimum(disputed, left), 0).sum())


def _iso(day: int) -> str:
    return (_EPOCH + timedelta(days=day)).isoformat()


def _months_before(as_of: int, count: int) -> list[int]:
    """The first of each of so many months before a day, the oldest first."""
    day = _EPOCH + timedelta(days=as_of)
    months = day.year * 12 + day.month - 1  # counted from year 0
    firsts = [months - back for back in range(count + 1)]
    found = [(date(month // 12, month % 12 + 1, 1) - _EPOCH).days for month in firsts]
    return sorted(first for first in found if first < as_of)[-count:]


def _sums(code: npt.NDArray[np.int64], amounts: Cents, count: int) -> list[int]:
    total = np.zeros(count, np.int64)
    np.add.at(total, code, amounts)
    return [int(amount) for amount in total]


def _ratio(part: int, whole: int) -> Fraction | None:
    """The exact quotient; None where there is nothing, or less, to divide by."""
    return Fraction(part, whole) if whole > 0 else None


def _float(exact: Fraction | None) -> float | None:
    return None if exact is None else float(exact)
