"""The day's plan over HTTP and on the page, and drafts of messages, on rows written by hand."""

from datetime import date

import pyarrow as pa
import pytest

from models.catalogue import Catalogue
from pipelines.planning import PLAN_SCHEMA
from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving.message_drafts import StoredDraft
from serving.plan import DayPlan

CALL = Catalogue.load().action("call").en
AS_OF = date(2026, 6, 30)
HOSTILE = ["<script>alert(1)</script>", "{{7*7}} ${7*7}", "\u202eoeruen S.r.l.", "a\n\nBcc: x@y.z"]
FACTS = {
    "plan": {
        "policy_version": "p1",
        "contacted": 2,
        "worth_cents": 5_125,
        "bound_cents": 6_000,
        "capacity": {"phone": {"used": 10, "limit": 360, "of": "minutes"}},
    }
}


def planned(customer="C-0042", items=("2026/000311",), **given):
    """A row of the plan, with what a test wants to be different."""
    row = {
        "customer_id": customer,
        "customer_name": "Officine Meccaniche Brambilla S.r.l.",
        "as_of": AS_OF,
        "n_invoices": len(items),
        "open_cents": 423_500,
        "risk_band": "high",
        "debtor": "business",
        "do_not_contact": False,
        "unallocated_cents": 0,
        "code": "reminder_2",
        "channel": "email",
        "on": AS_OF,
        "why": "best_value",
        "expected_value_cents": 3_125,
        "effect_days": 4.0,
        "effect_lo": 1.0,
        "effect_hi": 7.0,
        "effect_source": "prior",
        "invoices": list(items),
        "blocked_action": "call",
        "blocked_value_cents": 4_000,
        "blocked_by": ["capacity"],
        "alternatives": [{"code": "wait", "expected_value_cents": 0, "gap_cents": 3_125}],
        "legal_basis": "",
        "legal_notes": ["terms_over_limit"],
        "needs_named_person": False,
        "held_out": False,
        "propensity": 0.9,
        "chances": [{"code": "wait", "chance": 0.1}, {"code": "reminder_2", "chance": 0.9}],
        "policy_version": "p1",
        "features_hash": "f" * 16,
        "open_items": [
            {"invoice_id": i, "disputed_cents": 0, "interest_cents": 1_234} for i in items
        ],
    }
    return row | given


@pytest.fixture
def start(serve, row, tmp_path):
    """A service on these rows of the plan, each customer's invoices scored alike."""

    def publish(*plan, **of_scores):
        scores = [
            row(
                customer_id=contact["customer_id"],
                customer_name=contact["customer_name"],
                invoice_id=item["invoice_id"],
                **of_scores,
            )
            for contact in plan
            for item in contact["open_items"]
        ]
        store = ScoreStore(Settings(_env_file=None, home=tmp_path).scores_folder)
        with store.writing() as run:
            store.publish(
                AS_OF,
                pa.Table.from_pylist(scores, schema=SCORE_SCHEMA),
                run=run,
                plan=pa.Table.from_pylist(list(plan), schema=PLAN_SCHEMA),
                facts=FACTS,
            )
        return serve()

    return publish


WAITING = planned(
    "C-0007", ["INV-7", "INV-8"], code="wait", channel="", why="blocked", invoices=[],
    expected_value_cents=0, on=date(2026, 7, 1), chances=[{"code": "wait", "chance": 1.0}],
)  # fmt: skip
NOTHING = WAITING | planned(
    "C-0001", ["INV-1"], code="wait", why="nothing_pays", invoices=[], expected_value_cents=0,
    blocked_action="", blocked_by=[], blocked_value_cents=0,
)  # fmt: skip


def test_the_plan_is_worked_from_the_contact_worth_most_to_those_who_wait(start):
    client = start(NOTHING, WAITING, planned(), planned("C-2", ["I-2"], expected_value_cents=9_000))
    answer = client.get("/v1/plan?lang=en")
    told = DayPlan.model_validate_json(answer.content)
    assert [c.customer_id for c in told.customers] == ["C-2", "C-0042", "C-0007", "C-0001"]
    assert (told.total, told.contacted, told.worth, told.bound) == (4, 2, 51.25, 60.0)
    contact = told.customers[1]
    assert contact.blocked is not None
    assert (contact.blocked.code, contact.blocked.by) == ("call", ["capacity"])
    assert contact.blocked.text == "there is no room left for it today"
    assert contact.alternatives[0].gap == 31.25
    assert contact.chances == {"wait": 0.1, "reminder_2": 0.9}
    assert contact.legal_notes[0].text.startswith("terms beyond the legal ones")


def test_the_plan_has_pages_and_is_asked_for_by_action(start):
    client = start(NOTHING, WAITING, planned())
    first = client.get("/v1/plan?limit=2").json()
    second = client.get(f"/v1/plan?limit=2&cursor={first['next_cursor']}").json()
    seen = [c["customer_id"] for c in first["customers"] + second["customers"]]
    assert seen == ["C-0042", "C-0007", "C-0001"]
    assert second["next_cursor"] is None
    assert client.get("/v1/plan?action=wait").json()["total"] == 2
    assert client.get("/v1/plan?action=call").json()["customers"] == []


def test_the_list_by_invoice_stays_what_it_was(start):
    client = start(WAITING, planned())
    assert client.get("/v1/worklist").json()["total"] == 3
    assert client.get("/v1/worklist?action=reminder_1&band=high").json()["total"] == 3


def test_a_night_without_a_plan_says_so(client):
    assert client.get("/v1/plan").status_code == 503
    assert client.get("/v1/customers/C-0042/draft?action=call").status_code == 503


def test_the_page_works_down_the_plan_and_reaches_the_invoices(start):
    client = start(WAITING, planned())
    page = client.get("/?lang=en").text
    assert page.count('<tr id="r') == 2
    for said in (
        "Plan of the day",
        "10 of 360 minutes",
        "about 1 invoice",
        "look again on 1 Jul 2026",
    ):
        assert said.lower() in page.lower(), said
    assert 'href="/?view=invoices&lang=en"' in page.replace("&amp;", "&")
    invoices = client.get("/?view=invoices&lang=en").text
    assert invoices.count('<tr id="r') == 3
    assert client.get("/?view=invoices&band=high&lang=en").text.count('<tr id="r') == 3
    older = client.get("/?band=high&lang=en")  # this night kept no rows to filter customers by
    assert (older.status_code, "earlier version" in older.text) == (422, True)
    waiting = client.get("/customers/C-0007?lang=en").text
    for said in (f"Better would be: {CALL}", "there is no room left for it today"):
        assert said.lower() in waiting.lower(), said


def test_the_customer_page_has_the_contact_and_its_draft_to_copy(start):
    client = start(planned())
    page = client.get("/customers/C-0042?lang=en").text
    draft = client.get("/v1/customers/C-0042/draft?action=reminder_2&lang=en").json()["draft"]
    assert draft["subject"] in page
    assert '<pre class="draft" id="letter"' in page
    assert "Puntuale sends nothing" in page
    other = client.get("/customers/C-0042?lang=en&draft=call").text
    assert f"Draft: {CALL}".lower() in other.lower()
    script = client.get("/v1/customers/C-0042/draft?action=call&lang=en").json()["draft"]
    assert script["subject"] in other


def test_a_draft_is_about_what_the_contact_is_about_and_any_other_about_all(start):
    both = planned("C-9", ["I-1", "I-2"], invoices=["I-1"])
    client = start(both)
    mine = StoredDraft.model_validate_json(
        client.get("/v1/customers/C-9/draft?action=reminder_2&lang=it").content
    ).draft
    assert mine.invoices == ["I-1"]
    assert "I-2" not in mine.body
    assert mine.body.startswith("Gentile") or "Officine" in mine.body
    other = client.get("/v1/customers/C-9/draft?action=statement").json()["draft"]
    assert sorted(other["invoices"]) == ["I-1", "I-2"]


def test_interest_is_claimed_of_a_business_and_never_of_a_consumer(start):
    client = start(planned(), planned("C-7", ["I-7"], debtor="consumer"))
    asked = "/draft?action=messa_in_mora&lang=en"
    business = client.get(f"/v1/customers/C-0042{asked}").json()["draft"]
    consumer = client.get(f"/v1/customers/C-7{asked}").json()["draft"]
    assert "€12.34" in business["body"]
    assert "12.34" not in consumer["body"]


@pytest.mark.parametrize(
    ("change", "action", "status"),
    [
        ({"do_not_contact": True}, "reminder_2", 409),
        ({}, "credit_hold", 409),
        ({}, "no such", 422),
        (
            {"open_items": [{"invoice_id": "I", "disputed_cents": 423_500, "interest_cents": 0}]},
            "messa_in_mora",
            409,
        ),
    ],
)
def test_no_draft_is_written_where_nothing_may_be_said(start, change, action, status):
    client = start(planned("C-0042", ["I"], **change))
    answer = client.get("/v1/customers/C-0042/draft", params={"action": action})
    assert answer.status_code == status
    assert client.get("/customers/C-0042").status_code == 200


def test_what_harms_a_natural_person_is_only_a_proposal(start, monkeypatch):
    client = start(planned(debtor="sole_trader"), planned("C-2", ["I-2"]))
    asked = "/draft?action=messa_in_mora&lang=en"
    assert client.get(f"/v1/customers/C-0042{asked}").json()["draft"]["needs_named_person"]
    assert (
        "a named person decides" in client.get("/customers/C-0042?draft=messa_in_mora&lang=en").text
    )
    assert not client.get(f"/v1/customers/C-2{asked}").json()["draft"]["needs_named_person"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_says_only_itself_in_draft_and_page(start, name):
    client = start(planned("C 1/2?#&<b>", ['"><b>'], customer_name=name))
    path = "customers/C%201/2%3F%23&%3Cb%3E"
    page = client.get(f"/{path}?lang=en").text
    assert page.count("<script") == 1  # our own
    assert "<b>" not in page
    draft = client.get(f"/v1/{path}/draft?action=reminder_2&lang=en").json()["draft"]
    assert "49" not in draft["subject"] + draft["body"].split("\n")[0]
    assert "\u202e" not in draft["body"]
    assert "\nBcc" not in draft["body"]
    assert "\n" not in draft["subject"]


def test_what_is_done_is_kept_with_what_the_plan_had_advised(start, tmp_path):
    held = planned("C-3", ["I-3"], code="wait", held_out=True, propensity=1.0, why="held_out")
    client = start(planned(), held)
    done = {"action_code": "call", "channel": "phone", "performed_on": "2026-06-30"}
    for more in (
        {"customer_id": "C-0042", "invoice_id": "2026/000311", "action_code": "reminder_2"},
        {"customer_id": "C-3"},
        {"customer_id": "C-3", "performed_on": "2026-06-29"},
    ):
        assert client.post("/v1/actions", json=done | more).status_code == 200
    database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
    with database.reading() as connection:
        kept = ledger_rows.read_tables(connection)["actions"].table.to_pylist()
    database.close()
    names = ("recommended_action", "policy_version", "propensity", "holdout")
    told = {(row["action_code"], row["performed_on"]): [row[n] for n in names] for row in kept}
    assert [str(x) for x in told["reminder_2", "2026-06-30"]] == [
        "reminder_2",
        "p1",
        "0.9",
        "false",
    ]
    assert [str(x) for x in told["call", "2026-06-30"]] == ["wait", "p1", "1.0", "true"]
    assert told["call", "2026-06-29"] == [None] * 4  # the plan came after it
