"""Odoo and Puntuale: invoices and payments go in, the day's contacts come back as activities.

    ODOO=https://firm.example.com ODOO_DB=firm ODOO_LOGIN=bridge ODOO_KEY=... \\
    PUNTUALE=http://127.0.0.1:8000 PUNTUALE_KEY=... python odoo.py

Speaks JSON-RPC (/jsonrpc), which Odoo up to 21 answers. What is paid is read from the matchings
(account.partial.reconcile) and not from account.payment: they say how much of which invoice a
payment, a bank line or a credit note settled, and on which day.
"""

import html
import os
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from puntuale_api import Progress, Row, changed, contacts, send, service

PARTNER = ["name", "vat", "country_code", "is_company", "email", "phone", "lang", "write_date"]
MOVE = [
    *("name", "state", "commercial_partner_id", "company_id", "invoice_date", "write_date"),
    *("invoice_date_due", "amount_total", "amount_total_signed", "currency_id", "ref"),
]
MATCHING = ["debit_move_id", "credit_move_id", "debit_amount_currency", "max_date", "write_date"]
MARK = "Puntuale: "


class Odoo:
    """The models of one database, by JSON-RPC; the key is an API key of the user."""

    def __init__(self, http: httpx.Client, database: str, login: str, key: str) -> None:
        self.http, self.database, self.key = http, database, key
        self.user = self._call("common", "login", database, login, key)
        if not self.user:
            raise PermissionError("Odoo does not know this login and key")

    def run(self, model: str, method: str, *args: Any, **options: Any) -> Any:
        who = (self.database, self.user, self.key)
        return self._call("object", "execute_kw", *who, model, method, list(args), options)

    def changed(self, model: str, domain: list[Any], fields: list[str], *, since: str) -> list[Row]:
        """The records under the domain that were written since then."""

        def read(moment: str, size: int) -> list[Row]:
            wanted = [["write_date", ">=", moment], *domain]
            order = "write_date asc, id asc"
            found: list[Row] = self.run(
                model, "search_read", wanted, fields=fields, order=order, limit=size
            )
            return found

        return list(changed(read, "write_date", since=since))

    def _call(self, api: str, method: str, *args: Any) -> Any:
        params = {"service": api, "method": method, "args": list(args)}
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params}
        answer = self.http.post("/jsonrpc", json=body).raise_for_status().json()
        if "error" in answer:
            raise RuntimeError(answer["error"]["data"]["message"])
        return answer["result"]


def customer_row(partner: Row) -> Row:
    return {
        "customer_id": str(partner["id"]),
        "name": partner["name"],
        "vat_id": partner["vat"] or None,  # Odoo's empty is false
        "country": partner["country_code"] or None,
        "is_natural_person": not partner["is_company"],
        "contact_email": partner["email"] or None,
        "contact_phone": partner["phone"] or None,
        "language": (partner["lang"] or "")[:2] or None,
    }


def invoice_row(move: Row) -> Row:
    rate = move["amount_total_signed"] / move["amount_total"] if move["amount_total"] else 1.0
    return {
        "invoice_id": move["name"],
        "customer_id": str(move["commercial_partner_id"][0]),
        "company_code": move["company_id"][1],
        "issue_date": move["invoice_date"],
        "due_date": move["invoice_date_due"],
        "amount": move["amount_total"],
        "currency": move["currency_id"][1],
        "fx_rate": round(rate, 6),
        "order_ref": move["ref"] or None,
    }


def cancellation(move: Row) -> Row:
    """A cancelled invoice is owed no longer: a credit note over all of it."""
    return {
        "credit_note_id": f"cancelled {move['name']}",
        "customer_id": str(move["commercial_partner_id"][0]),
        "invoice_id": move["name"],
        "issued_on": move["write_date"][:10],
        "amount": move["amount_total"],
    }


def matching_row(matching: Row, lines: dict[int, Row]) -> tuple[str, Row]:
    """What settled an invoice: a row of the payments, or of the credit notes."""
    debit = lines[matching["debit_move_id"][0]]
    credit = lines[matching["credit_move_id"][0]]
    amount, number = matching["debit_amount_currency"], str(matching["id"])
    row = {"invoice_id": debit["move_name"], "amount": amount}
    if credit["move_type"] == "out_refund":
        issued = {"credit_note_id": number, "issued_on": matching["max_date"]}
        return "credit_notes", row | issued
    return "payments", row | {"payment_id": number, "paid_on": matching["max_date"]}


def bring_in(odoo: Odoo, puntuale: httpx.Client, progress: Progress) -> list[Row]:
    """Sends what changed since the last run; the verdicts of rows that are held."""
    customers = [["customer_rank", ">", 0]]
    found = odoo.changed("res.partner", customers, PARTNER, since=progress.since("partner"))
    held = send(puntuale, "customers", [customer_row(partner) for partner in found])
    progress.keep("partner", [partner["write_date"] for partner in found])

    invoices = [["move_type", "=", "out_invoice"], ["state", "in", ["posted", "cancel"]]]
    found = odoo.changed("account.move", invoices, MOVE, since=progress.since("move"))
    found = [move for move in found if move["name"] != "/"]  # cancelled before it had a number
    held += send(puntuale, "invoices", [invoice_row(move) for move in found])
    cancelled = [cancellation(move) for move in found if move["state"] == "cancel"]
    held += send(puntuale, "credit_notes", cancelled)
    progress.keep("move", [move["write_date"] for move in found])

    ours = [["debit_move_id.move_type", "=", "out_invoice"]]
    since = progress.since("matching")
    found = odoo.changed("account.partial.reconcile", ours, MATCHING, since=since)
    ids = {m[side][0] for m in found for side in ("debit_move_id", "credit_move_id")}
    read = odoo.run("account.move.line", "read", sorted(ids), fields=["move_name", "move_type"])
    lines = {line["id"]: line for line in read}
    rows: dict[str, list[Row]] = {"payments": [], "credit_notes": []}
    for matching in found:
        table, row = matching_row(matching, lines)
        rows[table].append(row)
    for table, of_table in rows.items():
        held += send(puntuale, table, of_table)
    progress.keep("matching", [matching["write_date"] for matching in found])
    return held


def write_back(odoo: Odoo, puntuale: httpx.Client) -> int:
    """One activity at each customer to be contacted; how many are new."""
    (partners,) = odoo.run("ir.model", "search", [["model", "=", "res.partner"]])
    made = 0
    for contact in contacts(puntuale):
        if not contact["customer_id"].isdecimal():  # of another system
            continue
        partner = int(contact["customer_id"])
        at = [["res_model", "=", "res.partner"], ["res_id", "=", partner]]
        if odoo.run("mail.activity", "search_count", [*at, ["summary", "=like", f"{MARK}%"]]):
            continue
        activity = {
            "res_model_id": partners,
            "res_id": partner,
            "summary": MARK + contact["code"],
            "note": html.escape(f"{contact['why']} ({', '.join(contact['invoices'])})"),
            "date_deadline": contact["on"],
        }
        odoo.run("mail.activity", "create", activity)
        made += 1
    return made


if __name__ == "__main__":
    with (
        httpx.Client(base_url=os.environ["ODOO"], timeout=60) as http,
        service(os.environ["PUNTUALE"], os.environ["PUNTUALE_KEY"]) as puntuale,
    ):
        odoo = Odoo(http, os.environ["ODOO_DB"], os.environ["ODOO_LOGIN"], os.environ["ODOO_KEY"])
        for verdict in bring_in(odoo, puntuale, Progress(Path("odoo-progress.json"))):
            print("held:", verdict["key"], verdict["faults"])  # noqa: T201
        print(f"{date.today()}: {write_back(odoo, puntuale)} new activities")  # noqa: T201
