"""The bridges of docs/examples, between a live service and small fakes of ERPNext and Odoo.

The fakes answer in the documented form: Frappe's REST API and Odoo's JSON-RPC.
"""

import json
import re
import sys
from pathlib import Path

import httpx
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module", autouse=True)
def examples():
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


@pytest.fixture
def puntuale(service):
    """A client of the service that remembers what became of the rows."""
    import puntuale_api

    with puntuale_api.service(service.url, service.key) as client:
        client.taken = []

        def remember(response):
            if response.request.method == "PUT":
                response.read()
                client.taken.append(response.json())

        client.event_hooks = {"response": [remember]}
        yield client


def tally(client):
    """Rows by table and verdict since the last look."""
    found = {}
    for taken in client.taken:
        of_table = found.setdefault(taken["table"], {})
        for row in taken["rows"]:
            of_table[row["status"]] = of_table.get(row["status"], 0) + 1
    client.taken.clear()
    return found


class FakeErpNext:
    """Frappe's REST API: lists of documents by filter, one document, a new one."""

    def __init__(self, documents):
        self.documents = documents

    def client(self):
        return httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://erp")

    def answer(self, request):
        _, _, _, doctype, *name = request.url.path.split("/")
        stored = self.documents.setdefault(doctype, [])
        if request.method == "POST":
            stored.append({"name": f"{doctype}-{len(stored)}", **json.loads(request.content)})
            return httpx.Response(200, json={"data": stored[-1]})
        if name:
            (found,) = [document for document in stored if document["name"] == name[0]]
            return httpx.Response(200, json={"data": found})
        query = request.url.params
        kept = [
            document
            for document in sorted(stored, key=lambda d: d.get("modified", ""))
            if all(self.holds(document, *rule) for rule in json.loads(query["filters"]))
        ]
        fields = json.loads(query.get("fields", '["name"]'))
        listed = [{field: document.get(field) for field in fields} for document in kept]
        return httpx.Response(200, json={"data": listed[: int(query["limit_page_length"])]})

    @staticmethod
    def holds(document, field, operator, value):
        mine = document.get(field, "Open" if field == "status" else None)
        if operator == "like":
            return mine.startswith(value.removesuffix("%"))
        return {"=": mine == value, ">=": mine >= value, ">": mine > value}[operator]


def sales_invoice(name, **given):
    usual = {
        "name": name,
        "modified": "2026-06-20 10:00:00.000001",
        "docstatus": 1,
        "customer": "Brambilla",
        "company": "Ditta",
        "posting_date": "2026-05-11",
        "due_date": "2026-06-10",
        "grand_total": 1220.0,
        "currency": "EUR",
        "conversion_rate": 1.0,
        "is_return": 0,
        "return_against": None,
        "po_no": "PO-7",
    }
    return usual | given


def payment_entry(name, references, **given):
    usual = {
        "name": name,
        "modified": "2026-06-25 09:00:00.000001",
        "docstatus": 1,
        "payment_type": "Receive",
        "party_type": "Customer",
        "party": "Brambilla",
        "posting_date": "2026-06-24",
        "mode_of_payment": "Wire Transfer",
        "unallocated_amount": 0.0,
        "references": [
            {"reference_doctype": kind, "reference_name": invoice, "allocated_amount": amount}
            for kind, invoice, amount in references
        ],
    }
    return usual | given


@pytest.fixture
def erpnext_site():
    customer = {
        "name": "Brambilla",
        "modified": "2026-01-02 08:00:00.000001",
        "customer_name": "Officine Brambilla S.r.l.",
        "customer_type": "Company",
        "tax_id": "01234567890",
        "customer_group": "Commercial",
        "payment_terms": "NET30",
    }
    back = {"is_return": 1, "grand_total": -220.0, "return_against": "SINV-1"}
    many = [("Sales Invoice", "SINV-1", 500.0), ("Sales Invoice", "SINV-3", 100.0)]
    order = [("Sales Order", "SO-1", 50.0)]
    return FakeErpNext(
        {
            "Customer": [customer],
            "Sales Invoice": [
                sales_invoice("SINV-1"),
                sales_invoice("SINV-2", **back),
                sales_invoice("SINV-3", docstatus=2, modified="2026-06-21 10:00:00.000001"),
                sales_invoice("SINV-4", docstatus=0),
            ],
            "Payment Entry": [
                payment_entry("PE-1", many, unallocated_amount=20.0),
                payment_entry("PE-2", [("Sales Invoice", "SINV-1", 1.0)], docstatus=2),
                payment_entry("PE-3", order, payment_type="Pay"),
            ],
        }
    )


def test_erpnext_documents_become_rows_once_and_changes_revisions(erpnext_site, puntuale, tmp_path):
    import erpnext
    from puntuale_api import Progress

    file = tmp_path / "progress.json"
    with erpnext_site.client() as erp:
        assert erpnext.bring_in(erp, puntuale, Progress(file)) == []
        assert tally(puntuale) == {
            "customers": {"accepted": 1},
            "invoices": {"accepted": 2},
            "credit_notes": {"accepted": 2},
            "payments": {"accepted": 3},
        }
        changed = erpnext_site.documents["Sales Invoice"][0]
        changed.update(due_date="2026-07-10", modified="2026-06-30 12:00:00.000001")
        assert erpnext.bring_in(erp, puntuale, Progress(file)) == []
        again = tally(puntuale)
        assert again["invoices"] == {"revised": 1, "unchanged": 1}
        assert again["payments"] == {"unchanged": 3}


def test_a_document_that_puntuale_cannot_use_is_told_of(erpnext_site, puntuale, tmp_path):
    import erpnext
    from puntuale_api import Progress

    wrong = sales_invoice("SINV-9", due_date="2026-01-01")
    erpnext_site.documents["Sales Invoice"] = [wrong]
    with erpnext_site.client() as erp:
        (held,) = erpnext.bring_in(erp, puntuale, Progress(tmp_path / "progress.json"))
    assert held["key"][0] == "SINV-9"
    assert held["faults"][0]["rule"] == "due_before_issue"


def test_the_plan_becomes_todos_once(erpnext_site, puntuale):
    import erpnext

    with erpnext_site.client() as erp:
        made = erpnext.write_back(erp, puntuale)
        assert made > 0
        assert erpnext.write_back(erp, puntuale) == 0
    todos = erpnext_site.documents["ToDo"]
    assert len({todo["reference_name"] for todo in todos}) == len(todos) == made
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", todo["date"]) for todo in todos)


class FakeOdoo:
    """Odoo's JSON-RPC: the services common and object over tables of records."""

    def __init__(self, tables):
        self.tables = tables

    def client(self):
        return httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://odoo")

    def answer(self, request):
        asked = json.loads(request.content)
        params = asked["params"]
        if params["service"] == "common":
            result = 7 if params["args"][2] == "key" else False
        else:
            *who, model, method, args, options = params["args"]
            assert who == ["firm", 7, "key"]
            result = getattr(self, method)(self.tables.setdefault(model, []), *args, **options)
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "result": result})

    def search_read(self, table, domain, *, fields, order, limit):
        assert order.startswith("write_date asc")
        found = [record for record in table if self.holds(record, domain)]
        found.sort(key=lambda record: (record["write_date"], record["id"]))
        return [self.told(record, fields) for record in found[:limit]]

    def read(self, table, ids, *, fields):
        return [self.told(record, fields) for record in table if record["id"] in ids]

    def search(self, table, domain):
        return [record["id"] for record in table if self.holds(record, domain)]

    def search_count(self, table, domain):
        return len(self.search(table, domain))

    def create(self, table, values):
        model = {"res_model": "res.partner"} if "res_model_id" in values else {}
        table.append({"id": len(table) + 1, **model, **values})
        return table[-1]["id"]

    @staticmethod
    def told(record, fields):
        return {"id": record["id"], **{field: record[field] for field in fields}}

    @staticmethod
    def holds(record, domain):
        def one(field, operator, value):
            mine = record[field]
            if operator == "=like":
                return mine.startswith(value.removesuffix("%"))
            checks = {"=": mine == value, "in": mine in value if operator == "in" else False}
            return checks[operator] if operator in checks else (mine >= value)

        return all(one(*rule) if rule[1] != ">" else record[rule[0]] > rule[2] for rule in domain)


def move(number, name, **given):
    usual = {
        "id": number,
        "name": name,
        "move_type": "out_invoice",
        "state": "posted",
        "commercial_partner_id": [14, "Officine Brambilla S.r.l."],
        "company_id": [1, "Ditta"],
        "invoice_date": "2026-05-11",
        "invoice_date_due": "2026-06-10",
        "amount_total": 1220.0,
        "amount_total_signed": 1220.0,
        "currency_id": [1, "EUR"],
        "ref": False,
        "write_date": "2026-06-20 10:00:00",
    }
    return usual | given


def matching(number, credit):
    return {
        "id": number,
        "debit_move_id": [101, "INV/2026/00001"],
        "debit_move_id.move_type": "out_invoice",
        "credit_move_id": [credit, "…"],
        "debit_amount_currency": 500.0,
        "max_date": "2026-06-24",
        "write_date": "2026-06-25 09:00:00",
    }


def odoo_database():
    partner = {
        "id": 14,
        "name": "Officine Brambilla S.r.l.",
        "vat": "IT01234567890",
        "country_code": "IT",
        "is_company": True,
        "email": "conti@example.com",
        "phone": False,
        "lang": "it_IT",
        "customer_rank": 3,
        "write_date": "2026-01-02 08:00:00",
    }
    lines = [(101, "INV/2026/00001", "out_invoice"), (102, "BNK1/7", "entry")]
    lines.append((103, "RINV/2026/00001", "out_refund"))
    return FakeOdoo(
        {
            "res.partner": [partner, partner | {"id": 15, "customer_rank": 0}],
            "account.move": [
                move(1, "INV/2026/00001"),
                move(2, "INV/2026/00002", state="cancel"),
                move(3, "/", state="cancel"),
                move(4, "BILL/1", move_type="in_invoice"),
            ],
            "account.move.line": [
                {"id": number, "move_name": name, "move_type": kind} for number, name, kind in lines
            ],
            "account.partial.reconcile": [matching(1, 102), matching(2, 103)],
            "ir.model": [{"id": 80, "model": "res.partner"}],
        }
    )


def test_odoo_records_become_rows_once(puntuale, tmp_path):
    import odoo
    from puntuale_api import Progress

    file, database = tmp_path / "progress.json", odoo_database()
    with database.client() as http:
        bridge = odoo.Odoo(http, "firm", "bridge", "key")
        assert odoo.bring_in(bridge, puntuale, Progress(file)) == []
        assert tally(puntuale) == {
            "customers": {"accepted": 1},
            "invoices": {"accepted": 2},
            "credit_notes": {"accepted": 2},
            "payments": {"accepted": 1},
        }
        assert odoo.bring_in(bridge, puntuale, Progress(file)) == []
        assert all(set(of_table) == {"unchanged"} for of_table in tally(puntuale).values())


def test_the_plan_becomes_activities_at_odoos_customers_once(service, puntuale):
    import odoo

    plan = puntuale.get("/v1/plan?limit=200").json() | {"next_cursor": None}
    for number, contact in enumerate(plan["customers"][1:]):
        contact["customer_id"] = str(number)
    wanted = [c for c in plan["customers"] if c["code"] != "wait" and c["customer_id"].isdecimal()]
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json=plan))
    database = odoo_database()
    with database.client() as http, httpx.Client(transport=answer, base_url=service.url) as planned:
        bridge = odoo.Odoo(http, "firm", "bridge", "key")
        assert odoo.write_back(bridge, planned) == len(wanted) > 0
        assert odoo.write_back(bridge, planned) == 0
    made = database.tables["mail.activity"]
    assert [(a["res_model_id"], a["res_id"]) for a in made] == [
        (80, int(contact["customer_id"])) for contact in wanted
    ]


def test_a_wrong_key_of_odoo_is_said():
    import odoo

    with odoo_database().client() as http, pytest.raises(PermissionError):
        odoo.Odoo(http, "firm", "bridge", "no")


@pytest.mark.parametrize("moments", [[0] * 9, [0, 0, 1, 1, 1, 1, 1, 2, 3], range(9)])
def test_no_changed_record_is_missed_however_many_share_a_moment(moments):
    from puntuale_api import changed

    table = [{"id": number, "at": f"{moment:02}"} for number, moment in enumerate(moments)]

    def read(since, size):
        return [record for record in table if record["at"] >= since][:size]

    assert list(changed(read, "at", since="00", size=2)) == table


def test_records_that_change_while_they_are_read_shift_none_out():
    from puntuale_api import changed

    table = [{"id": number, "at": f"{number:02}"} for number in range(6)]

    def read(since, size):
        found = sorted((r for r in table if r["at"] >= since), key=lambda r: r["at"])[:size]
        found = [dict(record) for record in found]
        table[0]["at"] = "09"  # somebody writes to it meanwhile
        return found

    assert {record["id"] for record in changed(read, "at", since="00", size=3)} == set(range(6))
