"""ERPNext and Puntuale: invoices and payments go in, the day's contacts come back as ToDos.

    ERPNEXT=https://erp.example.com ERPNEXT_TOKEN=KEY:SECRET \\
    PUNTUALE=http://127.0.0.1:8000 PUNTUALE_KEY=... python erpnext.py

Run it before the night for the rows and after it for the ToDos; it does both, each run only what
is new. The user of the token needs to read Customer, Sales Invoice and Payment Entry and to
write ToDo.
"""

import html
import json
import os
from datetime import date
from pathlib import Path

import httpx
from puntuale_api import Progress, Row, changed, contacts, send, service

CUSTOMER = ["customer_name", "customer_type", "tax_id", "customer_group", "payment_terms"]
INVOICE = [
    *("docstatus", "customer", "company", "posting_date", "due_date", "grand_total", "currency"),
    *("conversion_rate", "is_return", "return_against", "po_no"),
]
PAYMENT = ["docstatus", "payment_type", "party_type"]
MARK = "Puntuale: "


def site(url: str, token: str) -> httpx.Client:
    """A client of the site; the token is the user's API key and secret, with a colon."""
    headers = {"Authorization": f"token {token}", "Accept": "application/json"}
    return httpx.Client(base_url=url, headers=headers, timeout=60)


def records(erp: httpx.Client, doctype: str, fields: list[str], *, since: str) -> list[Row]:
    """The documents of a type that were changed since then; drafts only where it has no others."""

    def read(moment: str, size: int) -> list[Row]:
        submitted = [["docstatus", ">", 0]] if "docstatus" in fields else []
        query = {
            "fields": json.dumps(["name", "modified", *fields]),
            "filters": json.dumps([["modified", ">=", moment], *submitted]),
            "order_by": "modified asc",
            "limit_page_length": size,
        }
        answer = erp.get(f"/api/resource/{doctype}", params=query).raise_for_status()
        found: list[Row] = answer.json()["data"]
        return found

    return list(changed(read, "modified", since=since))


def customer_row(document: Row) -> Row:
    return {
        "customer_id": document["name"],
        "name": document["customer_name"],
        "vat_id": document.get("tax_id"),
        "is_natural_person": document.get("customer_type") == "Individual",
        "segment": document.get("customer_group"),
        "terms_code": document.get("payment_terms"),
    }


def invoice_rows(document: Row) -> dict[str, list[Row]]:
    """An invoice; what takes it back (a return, a cancellation) is a credit note."""
    if document["is_return"]:
        credit = _credit(document, document["name"], document.get("return_against"))
        return {"credit_notes": [credit] if document["docstatus"] == 1 else []}
    invoice = {
        "invoice_id": document["name"],
        "customer_id": document["customer"],
        "company_code": document["company"],
        "issue_date": document["posting_date"],
        "due_date": document["due_date"],
        "amount": document["grand_total"],
        "currency": document["currency"],
        "fx_rate": document["conversion_rate"],
        "order_ref": document.get("po_no"),
    }
    if document["docstatus"] == 1:
        return {"invoices": [invoice]}
    cancelled = _credit(document, f"cancelled {document['name']}", document["name"])
    return {"invoices": [invoice], "credit_notes": [cancelled]}


def _credit(document: Row, name: str, invoice: str | None) -> Row:
    on = document["modified"][:10] if name.startswith("cancelled") else document["posting_date"]
    return {
        "credit_note_id": name,
        "customer_id": document["customer"],
        "invoice_id": invoice,
        "issued_on": on,
        "amount": abs(document["grand_total"]),
    }


def payment_rows(entry: Row) -> list[Row]:
    """One row for each invoice that the payment settles; what is not allocated yet comes later."""
    if entry["payment_type"] != "Receive" or entry["party_type"] != "Customer":
        return []
    return [
        {
            "payment_id": f"{entry['name']} {part['reference_name']}",
            "customer_id": entry["party"],
            "invoice_id": part["reference_name"],
            "amount": part["allocated_amount"],
            "paid_on": entry["posting_date"],
            "method": entry.get("mode_of_payment"),
            "returned_on": entry["modified"][:10] if entry["docstatus"] == 2 else None,
        }
        for part in entry["references"]
        if part["reference_doctype"] == "Sales Invoice"
    ]


def bring_in(erp: httpx.Client, puntuale: httpx.Client, progress: Progress) -> list[Row]:
    """Sends what changed since the last run; the verdicts of rows that are held."""
    found = records(erp, "Customer", CUSTOMER, since=progress.since("Customer"))
    held = send(puntuale, "customers", [customer_row(document) for document in found])
    progress.keep("Customer", [document["modified"] for document in found])

    found = records(erp, "Sales Invoice", INVOICE, since=progress.since("Sales Invoice"))
    for table in ("invoices", "credit_notes"):
        rows = [row for document in found for row in invoice_rows(document).get(table, [])]
        held += send(puntuale, table, rows)
    progress.keep("Sales Invoice", [document["modified"] for document in found])

    found = records(erp, "Payment Entry", PAYMENT, since=progress.since("Payment Entry"))
    rows = []
    for entry in found:  # which invoices it pays is in a table of the whole document
        whole = erp.get(f"/api/resource/Payment Entry/{entry['name']}").raise_for_status()
        rows += payment_rows(whole.json()["data"])
    held += send(puntuale, "payments", rows)
    progress.keep("Payment Entry", [entry["modified"] for entry in found])
    return held


def write_back(erp: httpx.Client, puntuale: httpx.Client) -> int:
    """One open ToDo at each customer to be contacted; how many are new."""
    made = 0
    for contact in contacts(puntuale):
        customer = contact["customer_id"]
        about = [["reference_type", "=", "Customer"], ["reference_name", "=", customer]]
        ours = [["status", "=", "Open"], ["description", "like", f"{MARK}%"]]
        query = {"filters": json.dumps([*about, *ours]), "limit_page_length": 1}
        if erp.get("/api/resource/ToDo", params=query).raise_for_status().json()["data"]:
            continue
        invoices = ", ".join(contact["invoices"])
        todo = {
            "reference_type": "Customer",
            "reference_name": customer,
            "description": html.escape(f"{MARK}{contact['why']} ({invoices})"),
            "date": contact["on"],
            "priority": "High" if contact["risk_band"] in ("high", "critical") else "Medium",
        }
        erp.post("/api/resource/ToDo", json=todo).raise_for_status()
        made += 1
    return made


if __name__ == "__main__":
    with (
        site(os.environ["ERPNEXT"], os.environ["ERPNEXT_TOKEN"]) as erp,
        service(os.environ["PUNTUALE"], os.environ["PUNTUALE_KEY"]) as puntuale,
    ):
        for verdict in bring_in(erp, puntuale, Progress(Path("erpnext-progress.json"))):
            print("held:", verdict["key"], verdict["faults"])  # noqa: T201
        print(f"{date.today()}: {write_back(erp, puntuale)} new ToDos")  # noqa: T201
