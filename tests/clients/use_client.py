"""Calls a service through a client that was generated from its OpenAPI document.

Run by the environment of the generator, beside the generated package `puntuale_client`; what it
found goes to standard output as JSON.
"""

import datetime
import json
import sys

from puntuale_client import AuthenticatedClient
from puntuale_client.api.last_nights_scores import get_invoice, get_plan
from puntuale_client.api.scores import post_scores
from puntuale_client.api.the_ledger import put_ledger
from puntuale_client.models import (
    Customer,
    DayPlan,
    Invoice,
    Language,
    LedgerRow,
    LedgerRows,
    LedgerTable,
    Payment,
    Problem,
    Scores,
    ScoringRequest,
    StoredScore,
    Taken,
)

url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key, auth_header_name="X-API-Key", prefix="")

request = ScoringRequest(
    as_of=datetime.date(2026, 6, 30),
    language=Language.EN,
    customers=[
        Customer(
            customer_id="C-0042",
            country="IT",
            invoices=[
                Invoice(
                    invoice_id="2026/000118",
                    issue_date=datetime.date(2026, 1, 15),
                    due_date=datetime.date(2026, 2, 14),
                    amount=1830.5,
                ),
                Invoice(
                    invoice_id="2026/000311",
                    issue_date=datetime.date(2026, 5, 11),
                    due_date=datetime.date(2026, 6, 10),
                    amount=4235,
                ),
            ],
            payments=[
                Payment(
                    invoice_id="2026/000118",
                    paid_on=datetime.date(2026, 2, 20),
                    amount=1830.5,
                )
            ],
        )
    ],
)
scores = post_scores.sync(client=client, body=request)
assert isinstance(scores, Scores)

row = LedgerRow.from_dict({"customer_id": "PY/1", "name": "Rossi & C.", "country": "IT"})
sent = {"client": client, "body": LedgerRows(rows=[row]), "idempotency_key": "python-1"}
taken = put_ledger.sync(LedgerTable.CUSTOMERS, **sent)
again = put_ledger.sync_detailed(LedgerTable.CUSTOMERS, **sent)
assert isinstance(taken, Taken)

plan = get_plan.sync(client=client, limit=2, lang=Language.EN)
assert isinstance(plan, DayPlan)
rest = get_plan.sync(client=client, limit=2, cursor=plan.next_cursor, lang=Language.EN)
assert isinstance(rest, DayPlan)

invoice_id = plan.customers[0].invoices[0]
stored = get_invoice.sync(invoice_id, client=client)
assert isinstance(stored, StoredScore)

missing = get_invoice.sync_detailed("no/such invoice", client=client)
request.customers[0].invoices[0].amount = -1
wrong = post_scores.sync(client=client, body=request)
assert isinstance(missing.parsed, Problem)
assert isinstance(wrong, Problem)

found = {
    "scored": [(score.invoice_id, score.p_late_30) for score in scores.invoices],
    "reasons": len(scores.invoices[0].reasons),
    "rows": [taken.accepted, taken.held, taken.rows[0].status],
    "again": [again.parsed == taken, again.headers.get("Idempotent-Replayed")],
    "plan": [contact.customer_id for contact in plan.customers + rest.customers],
    "total": plan.total,
    "invoice": [invoice_id, stored.invoice.invoice_id, stored.invoice.risk_band],
    "missing": [missing.status_code, missing.parsed.type_],
    "wrong": [wrong.status, wrong.type_, [fault.path for fault in wrong.errors]],
}
json.dump(found, sys.stdout)
