"""One customer of very many invoices: totals grow long, windows cross each other, days are crowded.

`INVOICES=100000` asks for the thorough run, which takes minutes.
"""

import os
from random import Random

from engines import ENGINES, Rows, ask, differences
from ledgers import BASE

from pipelines.features import BOOK

INVOICES = int(os.environ.get("INVOICES", 2_000))
CROWDED_DAYS = 900  # so that many invoices and payments share a day


def one_customer(count: int) -> Rows:
    """Paid in full, in parts, too much or not at all; returned, booked late, credited, promised."""
    random = Random(5)
    rows: Rows = {
        "customers": [{"customer_id": "C", "country": "IT", "segment": "big"}],
        **{name: [] for name in ("invoices", "payments", "credit_notes", "promises")},
    }
    for number in range(count):
        name = {"invoice_id": f"I{number}"}
        issue = BASE + random.randrange(CROWDED_DAYS)
        amount = random.choice([0, 99, 100_00, random.randrange(1, 10**8), -50_00])
        dated = {"issue_date": issue, "due_date": issue + random.choice([0, 30, 60])}
        rows["invoices"].append(name | dated | {"customer_id": "C", "amount_cents": amount})
        for part in random.choice([(), (1.0,), (1.0,), (0.5, 0.5), (0.3,), (0.996,), (1.0, 0.4)]):
            paid_on = issue + random.randrange(120)
            paid = {"paid_on": paid_on, "amount_cents": round(abs(amount) * part)}
            if random.random() < 0.1:
                paid["returned_on"] = paid_on + random.randrange(20)
            if random.random() < 0.1:
                paid["recorded_at"] = paid_on + random.randrange(40)
            rows["payments"].append(name | paid)
        if random.random() < 0.05:
            noted = {"issued_on": issue + 20, "amount_cents": random.choice([abs(amount), 1_00])}
            rows["credit_notes"].append(name | noted)
    for number in range(0, count, max(count // 20, 1)):
        made = {"made_on": BASE + 100, "promised_date": BASE + 200}
        rows["promises"].append({"invoice_id": f"I{number}"} | made)
    return rows


def test_both_engines_agree_on_a_customer_of_very_many_invoices() -> None:
    rows = one_customer(INVOICES)
    questions = [("I0", BASE + day) for day in (1, 400, CROWDED_DAYS + 200)]
    values = ask(rows, questions)
    for (invoice, day), row in zip(questions, values, strict=True):
        found = dict(zip(BOOK, row.tolist(), strict=True))
        assert differences(found, ENGINES["reference"](rows, invoice, day)) == {}
        assert ask(rows, [(invoice, day)])[0].tobytes() == row.tobytes()
