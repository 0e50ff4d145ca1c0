"""The slow, obvious engine: replays a ledger's rows up to a day and works out every feature.

One question at a time, plain Python lists, nothing kept between questions. Days are numbers, money
is whole cents. Counts and sums come back as int: the fast engine must give them to the bit.
"""

import datetime as dt
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import holidays

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Number = int | float

NAN = math.nan
ALWAYS = 10**9  # a window that holds all history
WINDOWS = ((ALWAYS, ""), (90, "_90"), (180, "_180"), (365, "_365"))
EPOCH = dt.date(1970, 1, 1)
REMINDERS = {"pre_due_reminder", "due_notice", "reminder_1", "reminder_2", "final_reminder", "call"}


@dataclass
class Move:
    """A payment, a return or a credit note of an invoice, and the state it leaves."""

    known: int
    day: int
    amount: int
    kind: str
    reached: int = 0
    left: int = 0
    paid: int = 0
    is_open: bool = True
    settles: bool = False
    reopens: bool = False
    cancels: bool = False


@dataclass
class Invoice:
    """An invoice as of a day: what is known of it, its movements known by then in order."""

    row: Row
    known: int
    issue: int
    due: int
    amount: int
    tolerance: int
    moves: list[Move]

    @property
    def never_open(self) -> bool:
        return self.amount <= self.tolerance

    @property
    def is_open(self) -> bool:
        return self.moves[-1].is_open if self.moves else not self.never_open

    @property
    def is_cancelled(self) -> bool:
        return any(move.cancels for move in self.moves)

    def seen(self, move: Move) -> int:
        return max(move.known, self.known)


def features(rows: Rows, invoice_id: str, as_of: int) -> dict[str, Number]:
    """Every feature of the book for one invoice as of one day."""
    world = World(rows, as_of)
    mine = world.invoice(next(i for i in rows["invoices"] if i["invoice_id"] == invoice_id))
    whose = mine.row["customer_id"]
    history = [i for i in world.invoices if i.row["customer_id"] == whose]
    cash = world.cash(whose, history)
    return {
        **activity(history, as_of),
        **delays(history, as_of),
        **rhythm(cash, mine, as_of),
        **gaps(history, cash, world, whose, as_of),
        **exposure(history, world, whose, as_of),
        **invoice(mine, history, world, as_of),
        **peers(mine, world, as_of),
    }


class World:
    """What was known before a day."""

    def __init__(self, rows: Rows, as_of: int) -> None:
        self.rows, self.as_of = rows, as_of
        self.customers = {c["customer_id"]: c for c in rows["customers"]}
        self.payments, self.notes = self.by_invoice("payments"), self.by_invoice("credit_notes")
        every = (self.invoice(row) for row in rows["invoices"])
        self.invoices = [invoice for invoice in every if invoice.known < as_of]

    def table(self, name: str) -> list[Row]:
        return self.rows.get(name, [])

    def by_invoice(self, name: str) -> dict[str | None, list[Row]]:
        found: dict[str | None, list[Row]] = defaultdict(list)
        for row in self.table(name):
            found[row.get("invoice_id")].append(row)
        return found

    def invoice(self, row: Row) -> Invoice:
        terms = row.get("terms_days")
        issue = row.get("issue_date")
        if issue is None:
            issue = row["due_date"] - (30 if terms is None else terms)
        country = self.customers.get(row["customer_id"], {}).get("country")
        amount = row["amount_cents"]
        known = max(issue, row.get("recorded_at") or issue)
        tolerance = max(100, amount * 5 // 1000)
        invoice = Invoice(
            row, known, issue, business_day(row["due_date"], country), amount, tolerance, []
        )
        invoice.moves = follow(invoice, self.moves(row["invoice_id"]))
        return invoice

    def moves(self, invoice_id: str) -> list[Move]:
        mine = [
            Move(known, day, amount, kind)
            for payment in self.payments[invoice_id]
            for known, day, amount, kind in money(payment)
        ]
        for note in self.notes[invoice_id]:
            known = max(note["issued_on"], note.get("recorded_at") or note["issued_on"])
            mine.append(Move(known, note["issued_on"], note["amount_cents"], "credit"))
        kinds = ("payment", "return", "credit")
        seen = [move for move in mine if move.known < self.as_of]
        return sorted(seen, key=lambda m: (m.known, m.day, m.amount, kinds.index(m.kind)))

    def cash(self, whose: str, history: Iterable[Invoice]) -> list[Row]:
        """A customer's payments and returns, applied or not, in the order they became known."""
        found = [
            {
                "known": invoice.seen(move),
                "day": move.day,
                "amount": move.amount,
                "receipt": move.kind == "payment" and move.amount > 0,
                "invoice": invoice.row["invoice_id"],
                "partial": move.is_open,
            }
            for invoice in history
            for move in invoice.moves
            if move.kind != "credit"
        ]
        for known, day, amount, _ in self.unallocated(whose):
            free = {"known": known, "day": day, "amount": amount, "receipt": amount > 0}
            found.append({**free, "invoice": None, "partial": False})
        return sorted(found, key=lambda p: (p["known"], p["day"]))

    def unallocated(self, whose: str) -> list[tuple[int, int, int, str]]:
        return [
            event
            for payment in self.table("payments")
            if payment.get("invoice_id") is None and payment.get("customer_id") == whose
            for event in money(payment)
            if event[0] < self.as_of
        ]


def money(payment: Row) -> list[tuple[int, int, int, str]]:
    """What a payment's row tells: money in, and, where it was returned, out again."""
    paid, amount = payment["paid_on"], payment["amount_cents"]
    if payment.get("invoice_id") is not None:  # a discount comes off an invoice, it is not cash
        amount += payment.get("discount_taken_cents") or 0
    known = max(paid, payment.get("recorded_at") or paid)
    events = [(known, paid, amount, "payment")]
    if payment.get("returned_on") is not None:
        back = payment["returned_on"]
        events.append((max(known, back), max(paid, back), -amount, "return"))
    return events


def follow(invoice: Invoice, moves: list[Move]) -> list[Move]:
    """The state of the invoice after each of its movements."""
    left, credited, paid, reached = invoice.amount, 0, 0, -ALWAYS
    was_open = not invoice.never_open
    for move in moves:
        left -= move.amount
        credited += move.amount if move.kind == "credit" else 0
        paid += move.amount if move.kind != "credit" else 0
        reached = max(reached, move.day)
        move.left, move.paid, move.reached = left, paid, reached
        move.is_open = left > invoice.tolerance
        move.settles = was_open and not move.is_open
        move.reopens = not was_open and move.is_open
        move.cancels = move.settles and invoice.amount - credited <= invoice.tolerance
        was_open = move.is_open
    return moves


def business_day(day: int, country: str | None) -> int:
    """The day, or the first after it that is neither in the weekend nor a holiday."""
    free = holidays_of(country) if country else {}
    date = EPOCH + dt.timedelta(day)
    while date.weekday() >= 5 or date in free:
        date += dt.timedelta(1)
    return (date - EPOCH).days


holidays_of = cache(holidays.country_holidays)


def activity(history: Sequence[Invoice], as_of: int) -> dict[str, Number]:
    known = sorted((i.known, i.issue) for i in history)
    settlements = [
        (i.seen(m), m) for i in history if not i.never_open for m in i.moves if m.settles
    ]
    return {
        "n_invoices": len(history),
        "n_invoices_90": sum(i.known >= as_of - 90 for i in history),
        "tenure_days": as_of - known[0][1] if known else NAN,
        "days_since_last_invoice": as_of - max(i.issue for i in history) if known else NAN,
        "n_settled": sum(not m.cancels for _, m in settlements),
        "n_open": sum(i.is_open for i in history),
        **{
            f"n_settled_{w}": sum(k >= as_of - w and not m.cancels for k, m in settlements)
            for w in (90, 365)
        },
    }


def delays(history: Sequence[Invoice], as_of: int) -> dict[str, Number]:
    settled = sorted(
        (i.seen(m), m.reached - i.due, i.amount)
        for i in history
        if not i.never_open
        for m in i.moves
        if m.settles and not m.cancels
    )
    out: dict[str, Number] = {}
    late = {w: [d for known, d, _ in settled if known >= as_of - w] for w in (ALWAYS, 90, 180, 365)}
    for w, suffix in WINDOWS:
        out["delay_mean" + suffix] = mean(late[w])
        out["delay_std" + suffix] = std(late[w])
        out["delay_max" + suffix] = max(late[w]) if late[w] else NAN
        out["delay_median" + suffix] = statistics.median(late[w]) if late[w] else NAN
        out["late0_share" + suffix] = mean([d > 0 for d in late[w]])
        out["late30_share" + suffix] = mean([d > 30 for d in late[w]])
        weighed = [(d, a) for known, d, a in settled if known >= as_of - w]
        total = sum(a for _, a in weighed)
        out["delay_mean_weighted" + suffix] = ratio(sum(d * a for d, a in weighed), total)
    for back, name in ((1, "delay_last"), (2, "delay_last_2"), (3, "delay_last_3")):
        out[name] = late[ALWAYS][-back] if len(settled) >= back else NAN
    fast, slow = faded(settled, 30), faded(settled, 180)
    out["delay_ewm_fast"], out["delay_ewm_slow"], out["delay_drift"] = fast, slow, fast - slow
    out["delay_shift"] = out["delay_mean_90"] - out["delay_mean_365"]
    out["delay_trend_n10"] = slope([(known, d) for known, d, _ in settled[-10:]])
    in_year = [(known, d) for known, d, _ in settled if known >= as_of - 365]
    out["delay_trend_365"] = slope(in_year)
    return out


def rhythm(cash: Sequence[Row], mine: Invoice, as_of: int) -> dict[str, Number]:
    receipts = [p for p in cash if p["receipt"]]
    paydays: list[tuple[int, int]] = []
    for payment in receipts:
        if not paydays or payment["day"] > paydays[-1][1]:
            paydays.append((payment["known"], payment["day"]))
    gaps = [
        (known, day - before)
        for (_, before), (known, day) in zip(paydays, paydays[1:], strict=False)
    ]
    every, year = [g for _, g in gaps], [g for known, g in gaps if known >= as_of - 365]
    days = [day for known, day in paydays if known >= as_of - 365]
    silence = as_of - paydays[-1][1] if paydays else NAN
    median = statistics.median(year) if year else NAN
    mad = statistics.median([abs(g - median) for g in year]) if year else NAN
    weekdays = Counter((day + 3) % 7 for day in days)
    habit = min(weekdays, key=lambda w: (-weekdays[w], w)) if weekdays else NAN
    runs: dict[tuple[int, int], set[str]] = defaultdict(set)
    for p in receipts:
        if p["invoice"] is not None:
            runs[p["known"], p["day"]].add(p["invoice"])
    recent = [p for p in receipts if p["known"] >= as_of - 365]
    in_run = [p for p in recent if p["invoice"] is not None and len(runs[p["known"], p["day"]]) > 1]
    return {
        "days_since_payment": silence,
        "gap_mean": mean(every),
        "gap_std": std(every),
        "gap_mean_365": mean(year),
        "gap_std_365": std(year),
        "gap_cv_365": ratio(std(year), mean(year)),
        "gap_median_365": median,
        "burstiness": ratio(std(every) - mean(every), std(every) + mean(every)),
        "n_paydays_365": len(days),
        "silence_ratio": ratio(silence, mean(every)),
        "periodicity_break": ratio(abs(silence - median), mad),
        "modal_weekday_share": ratio(max(weekdays.values()), len(days)) if days else NAN,
        "month_end_share": mean([at_month_end(day) for day in days]),
        "run_share": ratio(len(in_run), len(recent)),
        "days_to_next_payday": (habit - (mine.due + 3) % 7) % 7,
    }


def gaps(
    history: Sequence[Invoice], cash: Sequence[Row], world: World, whose: str, as_of: int
) -> dict[str, Number]:
    open_ = [i for i in history if i.is_open]
    overdue = [i for i in open_ if i.due < as_of]
    owed, late = sum(left(i) for i in open_), sum(left(i) for i in overdue)
    touched = [i for i in history if any(m.kind == "payment" and m.amount > 0 for m in i.moves)]
    short = [i for i in overdue if i.moves and i.moves[-1].paid > 0]
    recent = [p for p in cash if p["known"] >= as_of - 365]
    out: dict[str, Number] = {
        "outstanding": owed,
        "overdue": late,
        "n_overdue": len(overdue),
        "oldest_overdue_age": as_of - min(i.due for i in overdue) if overdue else NAN,
        "overdue_share": ratio(late, owed),
        "short_share": ratio(len(short), len(touched)),
        "short_residual_mean": ratio(sum(left(i) for i in short), len(short)),
        "n_partial_365": sum(p["receipt"] and p["partial"] for p in recent),
        "unallocated": sum(amount for _, _, amount, _ in world.unallocated(whose)),
        "broken_promises_365": sum(
            change for i in history for day, change in broken(i, world) if day >= as_of - 365
        ),
    }
    for w, suffix in WINDOWS:
        paid = sum(p["amount"] for p in cash if p["known"] >= as_of - w)
        billed = sum(i.amount for i in history if i.known >= as_of - w)
        out["invoiced" + suffix], out["paid" + suffix] = billed, paid
        out["paid_ratio" + suffix] = ratio(paid, billed)
    falls = [(max(i.due, i.known), i.amount) for i in history]
    due = sum(amount for day, amount in falls if as_of - 90 <= day < as_of)
    paid = sum(p["amount"] for p in cash if p["known"] >= as_of - 90)
    out["paid_vs_invoiced_gap"] = 1 - ratio(paid, due)
    notes = [(i.seen(m), m.amount) for i in history for m in i.moves if m.kind == "credit"]
    for note in world.table("credit_notes"):
        if note.get("invoice_id") is None and note.get("customer_id") == whose:
            known = max(note["issued_on"], note.get("recorded_at") or note["issued_on"])
            notes.append((known, note["amount_cents"]))
    credit = sum(amount for known, amount in notes if as_of - 365 <= known < as_of)
    billed = sum(i.amount for i in history if i.known >= as_of - 365)
    out["credit_note_share_365"] = ratio(credit, billed)
    return out


def exposure(history: Sequence[Invoice], world: World, whose: str, as_of: int) -> dict[str, Number]:
    owed = sum(left(i) for i in history if i.is_open)
    limits = sorted(
        (row["valid_from"], row["amount_cents"], -1 if insured is None else insured)
        for row in world.table("credit_limits")
        for insured in [row.get("insured_amount_cents")]
        if row["customer_id"] == whose and row["valid_from"] < as_of
    )
    before = [amount for day, amount, _ in limits if day < as_of - 180]
    _, limit, insured = limits[-1] if limits else (NAN, NAN, -1)

    safety = sorted(
        (row["rated_on"], told, row.get("provider"))
        for row in world.table("external_ratings")
        for told in [safety_of(row)]
        if row["customer_id"] == whose and row["rated_on"] < as_of and told is not None
    )
    changes = []
    for agency in {agency for _, _, agency in safety}:
        own = [(day, told) for day, told, by in safety if by == agency]
        changes += [(b[0], b[1] - a[1]) for a, b in zip(own, own[1:], strict=False)]
    recent = sum(change for day, change in changes if day >= as_of - 180)
    return {
        "limit_use": ratio(owed, limit),
        "limit_room": limit - owed,
        "credit_line_cut": ratio(limit, before[-1]) - 1 if before else NAN,
        "insured_share": NAN if insured == -1 else ratio(insured, limit),
        "external_rating": safety[-1][1] / 1_000_000 if safety else NAN,
        "external_rating_change": recent / 1_000_000 if changes else NAN,
    }


def safety_of(rating: Row) -> int | None:
    """A score from 0 to 1 (the safest) in whole millionths; None without a scale."""
    low, high, safer = (rating.get(c) for c in ("scale_min", "scale_max", "higher_is_safer"))
    if low is None or high is None or safer is None or not high > low:
        return None
    share = (rating["score"] - low) / (high - low)
    return round(1_000_000 * min(max(share if safer else 1 - share, 0), 1))


def invoice(
    mine: Invoice, history: Sequence[Invoice], world: World, as_of: int
) -> dict[str, Number]:
    raw, me = mine.row["due_date"], mine.row["invoice_id"]
    date = EPOCH + dt.timedelta(raw)
    logs = [ln(i.amount) for i in history if i.amount > 0]
    priced = [i.amount for i in history if i.amount > 0]
    log = ln(mine.amount) if mine.amount > 0 else NAN
    terms = [t for t in map(terms_of, history) if not math.isnan(t)]
    disputes = [
        (d["opened_on"], max(d["opened_on"], d["closed_on"]) if d.get("closed_on") else ALWAYS)
        for d in world.table("disputes")
        if d["invoice_id"] == me and d["opened_on"] < as_of
    ]
    promises = [
        (p["made_on"], max(p["made_on"], p["promised_date"]) if p.get("promised_date") else ALWAYS)
        for p in world.table("promises")
        if p["invoice_id"] == me
    ]
    asked = [
        a["performed_on"] < as_of and a["action_code"] in REMINDERS
        for a in world.table("actions")
        if a.get("invoice_id") == me
    ]
    return {
        "amount": mine.amount,
        "ln_amount": log / 10_000,
        "amount_z": ratio(log - mean(logs), std(logs)),
        "amount_ratio": ratio(mine.amount, mean(priced)),
        "terms_days": terms_of(mine),
        "terms_diff": terms_of(mine) - mean(terms),
        "days_to_due": mine.due - as_of,
        "due_dow": date.weekday(),
        "due_dom": date.day,
        "due_month": date.month,
        "due_month_end": int(at_month_end(raw)),
        "due_rolled_days": mine.due - raw,
        "paid_share": ratio(sum(m.amount for m in mine.moves), mine.amount),
        "disputed": int(any(as_of <= closed for _, closed in disputes)),
        "disputed_days": sum(min(closed, as_of) - opened for opened, closed in disputes),
        "promise_pending": int(any(made < as_of <= until for made, until in promises)),
        "broken_promises": sum(change for _, change in broken(mine, world)),
        "n_reminders": sum(asked),
    }


def broken(mine: Invoice, world: World) -> list[tuple[int, int]]:
    """The days on which promises about an invoice turned out broken (1), or kept after all (-1)."""
    turns = []
    for promise in world.table("promises"):
        if promise["invoice_id"] != mine.row["invoice_id"] or promise.get("promised_date") is None:
            continue
        end = max(promise["made_on"], promise["promised_date"])
        was_broken = False
        for day in range(max(end, mine.known), world.as_of):
            came = sum(m.amount for m in mine.moves if m.day <= end and m.known <= day)
            is_broken = mine.amount - came > mine.tolerance
            if is_broken != was_broken:
                turns.append((day, 1 if is_broken else -1))
            was_broken = is_broken
    return turns


def peers(mine: Invoice, world: World, as_of: int) -> dict[str, Number]:
    """Shares of late invoices among those of the same group, drawn to everybody's by 20 of them."""
    out: dict[str, Number] = {}
    for horizon in (0, 30):
        matured = [
            i
            for i in world.invoices
            if i.due + horizon < as_of and not i.never_open and not i.is_cancelled
        ]
        prior = mean([open_at(i, i.due + horizon) for i in matured])
        for kind in ("country", "segment", "terms", "company"):
            group = group_of(mine, kind, world)
            own = [i for i in matured if group_of(i, kind, world) == group]
            late = sum(open_at(i, i.due + horizon) for i in own)
            rate = (late + 20 * prior) / (len(own) + 20)
            out[f"peer_late{horizon}_{kind}"] = NAN if group is None else rate
    return out


def group_of(invoice: Invoice, kind: str, world: World) -> str | None:
    customer = world.customers.get(invoice.row["customer_id"], {})
    if kind == "company":
        return invoice.row.get("company_code")
    if kind == "terms":
        return invoice.row.get("terms_code") or customer.get("terms_code")
    return customer.get(kind)


def open_at(invoice: Invoice, day: int) -> bool:
    """Whether the invoice was open at the end of a day, by all that is known now."""
    state = not invoice.never_open
    for move in invoice.moves:
        if move.reached <= day:
            state = move.is_open
    return state


def left(invoice: Invoice) -> int:
    return invoice.moves[-1].left if invoice.moves else invoice.amount


def terms_of(invoice: Invoice) -> Number:
    if invoice.row.get("terms_days") is not None:
        return int(invoice.row["terms_days"])
    if invoice.row.get("issue_date") is None:
        return NAN
    return int(invoice.row["due_date"] - invoice.issue)


def ln(cents: int) -> int:
    return round(10_000 * math.log(cents))


def at_month_end(day: int) -> bool:
    date = EPOCH + dt.timedelta(day)
    return (date + dt.timedelta(3)).month != date.month


def mean(values: Sequence[Number]) -> float:
    return sum(values) / len(values) if values else NAN


def std(values: Sequence[int]) -> float:
    return statistics.stdev(values) if len(values) > 1 else NAN


def ratio(above: Number, below: Number) -> float:
    return above / below if below else NAN


def faded(settled: Sequence[tuple[int, int, int]], half_life: int) -> float:
    """The mean delay, each settlement weighing half for every half life before the last one."""
    if not settled:
        return NAN
    last = settled[-1][0]
    weights = [2.0 ** ((known - last) / half_life) for known, _, _ in settled]
    total = math.fsum(w * d for w, (_, d, _) in zip(weights, settled, strict=True))
    return total / math.fsum(weights)


def slope(points: Sequence[tuple[int, int]]) -> float:
    if len(points) < 3:
        return NAN
    at = Fraction(sum(x for x, _ in points), len(points))
    level = Fraction(sum(y for _, y in points), len(points))
    spread = sum((x - at) ** 2 for x, _ in points)
    rise = sum((x - at) * (y - level) for x, y in points)
    return float(rise / spread) if spread else NAN
