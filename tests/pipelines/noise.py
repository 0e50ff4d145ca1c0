"""A ledger of pure noise: every invoice is paid at a random delay, independent of anything."""

from datetime import date

import numpy as np
from ledgers import Rows, to_ledger

from pipelines import calendars
from pipelines.job import day_number
from pipelines.ledger import Ledger

TERMS_DAYS = 30


def ledger(*, until: date, customers: int = 120, months: int = 18, seed: int = 0) -> Ledger:
    """Invoices on all business days, each due on a business day; half of them are paid late.

    The delay counts from the due date as lateness does: a weekend would tell something otherwise.
    """
    dice, end = np.random.default_rng(seed), day_number(until)
    works = np.flatnonzero(calendars.business_days("IT").is_business)
    due_days = works[(works >= end - 30 * months) & (works < end + TERMS_DAYS)]
    rows: Rows = {"customers": [], "invoices": [], "payments": []}
    for customer in range(customers):
        rows["customers"].append({"customer_id": f"C{customer:03}", "country": "IT"})
        for due in dice.choice(due_days, size=2 * months).tolist():
            name = f"I{len(rows['invoices']):06}"
            invoice = {"invoice_id": name, "customer_id": f"C{customer:03}"}
            days = {"issue_date": due - TERMS_DAYS, "due_date": due}
            amount = {"amount_cents": 100_000}
            if due - TERMS_DAYS >= end:
                continue
            rows["invoices"].append({**invoice, **days, **amount})
            paid = due + int(dice.choice([-5, -2, 0, 3, 8, 20, 45, 70, 100]))
            if paid < end:
                rows["payments"].append({"invoice_id": name, "paid_on": paid, **amount})
    return to_ledger(rows)
