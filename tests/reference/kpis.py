"""The KPIs told the slow way: one row after the other, nothing kept, on the replayed ledger."""

from fractions import Fraction

from reference.replay import Invoice, Rows, World

Figures = dict[str, float | int | None]
EDGES = (("not_due", -(10**9), 0), ("days_1_30", 1, 30), ("days_31_60", 31, 60))
EDGES = (*EDGES, ("days_61_90", 61, 90), ("days_over_90", 91, 10**9))


def kpis(rows: Rows, as_of: int) -> Figures:
    """Every figure under its name, with dots for what stands inside another."""
    now, then = ageing(rows, as_of), ageing(rows, as_of - 30)
    total, opening = sum(now.values()), sum(ageing(rows, as_of - 90).values())
    sold = sales(rows, as_of - 90, as_of)
    late = [paid - due for paid, due in payments(rows, as_of - 90, as_of)]
    kept = promises(rows, as_of - 90, as_of)
    names = list(now)
    return {
        "receivables_cents": total,
        "opening_receivables_cents": opening,
        "sales_cents": sold,
        "dso_days": over(total * 90, sold),
        "best_possible_dso_days": over(now["not_due"] * 90, sold),
        "add_days": over((total - now["not_due"]) * 90, sold),
        "count_back_dso_days": count_back(rows, as_of, total),
        "cei_percent": over((opening + sold - total) * 100, opening + sold - now["not_due"]),
        **{f"ageing_cents.{name}": amount for name, amount in now.items()},
        **{
            f"roll_rates.{a}_to_{b}": over(now[b], then[a])
            for a, b in zip(names[:-1], names[1:], strict=True)
        },
        "payments": len(late),
        "average_days_late": over(sum(late), len(late)),
        "late_payment_share": over(sum(days > 0 for days in late), len(late)),
        "promises": len(kept),
        "promise_kept_share": over(sum(kept), len(kept)),
        "disputed_share": over(disputed(rows, as_of), total),
        "at_risk_share": over(now["days_over_90"], total),
    }


def over(part: int, whole: int) -> float | None:
    return float(Fraction(part, whole)) if whole > 0 else None


def left(invoice: Invoice) -> int:
    return invoice.moves[-1].left if invoice.moves else invoice.amount


def ageing(rows: Rows, as_of: int) -> dict[str, int]:
    found = {name: 0 for name, _, _ in EDGES}
    for invoice in World(rows, as_of).invoices:
        if invoice.is_open:
            past = as_of - invoice.due
            (name,) = [name for name, first, last in EDGES if first <= past <= last]
            found[name] += left(invoice)
    return found


def sales(rows: Rows, begin: int, end: int) -> int:
    total = 0
    for invoice in World(rows, end).invoices:
        if invoice.known >= begin:
            total += invoice.amount
        for move in invoice.moves:
            if move.kind == "credit" and begin <= invoice.seen(move):
                total -= move.amount
    return total


def count_back(rows: Rows, as_of: int, receivables: int) -> float | None:
    began = min((i.known for i in World(rows, 10**7).invoices), default=10**7)
    told, end = Fraction(0), as_of
    while end > began:
        sold = sales(rows, end - 30, end)
        if sold > receivables:
            return float(told + Fraction(receivables * 30, sold))
        receivables -= max(sold, 0)
        told, end = told + 30, end - 30
        if receivables == 0:
            return float(told)
    return None if receivables else 0.0


def payments(rows: Rows, begin: int, end: int) -> list[tuple[int, int]]:
    """The day and the due day of each payment that came in the period."""
    known = {i.row["invoice_id"]: i for i in World(rows, end).invoices}
    found = []
    for payment in rows["payments"]:
        invoice = known.get(payment.get("invoice_id"))
        booked = max(payment["paid_on"], payment.get("recorded_at") or 0)
        back = payment.get("returned_on")
        is_back = back is not None and max(back, booked) < end
        if invoice and not is_back and payment["amount_cents"] > 0:
            if begin <= max(booked, invoice.known) < end:
                found.append((payment["paid_on"], invoice.due))
    return found


def promises(rows: Rows, begin: int, end: int) -> list[bool]:
    known = {i.row["invoice_id"]: i for i in World(rows, end).invoices}
    kept = []
    for promise in rows["promises"]:
        invoice, day = known.get(promise["invoice_id"]), promise.get("promised_date")
        if invoice is None or day is None or promise["made_on"] >= end:
            continue
        day = max(day, promise["made_on"])
        if begin <= day < end:
            came = sum(move.amount for move in invoice.moves if move.day <= day)
            kept.append(invoice.amount - came <= invoice.tolerance)
    return kept


def disputed(rows: Rows, as_of: int) -> int:
    total = 0
    for invoice in World(rows, as_of).invoices:
        amounts = [
            invoice.amount if dispute.get("amount_cents") is None else dispute["amount_cents"]
            for dispute in rows["disputes"]
            if dispute["invoice_id"] == invoice.row["invoice_id"]
            and dispute["opened_on"] < as_of
            and (dispute.get("closed_on") is None or dispute["closed_on"] >= as_of)
        ]
        if invoice.is_open:
            total += min(sum(amounts), left(invoice))
    return total
