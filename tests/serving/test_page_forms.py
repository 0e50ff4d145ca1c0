"""What is recorded on the pages: kept as over the API, once, and from our own pages alone."""

from datetime import UTC, datetime

import pytest

from pipelines import night
from pipelines.job import Job
from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from serving.app import create_app
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    settings = small_company.settings(tmp_path_factory.mktemp("morning"))
    small_company.crowned(settings)
    folder = str(small_company.ledger_folder())
    night.run(Job.of(settings, at=datetime(2026, 7, 1, 2, tzinfo=UTC), ledger=folder, as_of=AS_OF))
    return settings


@pytest.fixture(scope="module")
def service(settings, running_on):
    with running_on(create_app(settings, today=lambda: AS_OF)) as client:
        yield client


@pytest.fixture(scope="module")
def contacts(service):
    found = service.get("/v1/plan?limit=50").json()["customers"]
    return [contact for contact in found if contact["code"] != "wait"]


def rows_of(settings, table):
    database = open_database(settings.records_url)
    with database.reading() as connection:
        found = ledger_rows.read_tables(connection)
    database.close()
    return found[table].table.to_pylist() if table in found else []


def send(service, path, headers=FORM, **fields):
    return service.post(path, data=fields, headers=headers)


def test_what_was_done_is_kept_with_what_was_advised_and_shown_on_the_list(
    service, contacts, settings
):
    contact = contacts[0]
    path = f"/customers/{contact['customer_id']}/done"
    for _ in range(2):  # a button pressed twice
        answer = send(service, path, action_code=contact["code"], key="k-1", back="/?lang=en#r1")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/?lang=en#r1")
    (row,) = [r for r in rows_of(settings, "actions") if r["customer_id"] == contact["customer_id"]]
    assert row["action_code"] == row["recommended_action"] == contact["code"]
    assert row["policy_version"] == contact["policy_version"]
    for page in ("/?lang=en", f"/customers/{contact['customer_id']}?lang=en"):
        assert "done on 1 July 2026" in service.get(page).text


def test_a_promise_is_kept_for_each_invoice_that_the_contact_is_about(service, contacts, settings):
    contact = next(c for c in contacts[1:] if len(c["invoices"]) > 1)
    path = f"/customers/{contact['customer_id']}/promise"
    invoices = "\n".join(contact["invoices"])
    answer = send(service, path, invoices=invoices, promised_date="2026-07-09", key="k-2")
    assert answer.status_code == 303
    kept = {r["invoice_id"] for r in rows_of(settings, "promises")}
    assert kept == set(contact["invoices"])
    assert "Promised for 9 July 2026" in service.get("/?lang=en").text


def test_a_promise_is_kept_for_all_of_its_invoices_or_for_none(service, contacts, settings):
    before = rows_of(settings, "promises")
    contact = contacts[0]
    path = f"/customers/{contact['customer_id']}/promise?lang=en"
    invoices = "\n".join([contact["invoices"][0], "nothing"])
    answer = send(service, path, invoices=invoices, promised_date="2026-07-09")
    assert (answer.status_code, "Nothing was written" in answer.text) == (422, True)
    assert rows_of(settings, "promises") == before


def test_a_customer_that_is_put_off_is_shown_so(service, contacts):
    path = f"/customers/{contacts[-1]['customer_id']}/snooze"
    assert send(service, path, until="2026-07-20").status_code == 303
    page = service.get(f"/customers/{contacts[-1]['customer_id']}?lang=en").text
    assert "Put off until 20 July 2026" in page


def test_an_alert_is_taken_on_its_page(service):
    page = service.get("/alerts?lang=en").text
    alert = service.get("/v1/alerts?state=open&limit=1").json()["alerts"][0]
    assert f'action="/alerts/{alert["id"]}"' in page
    assert send(service, f"/alerts/{alert['id']}", state="acknowledged").status_code == 303
    taken = service.get("/v1/alerts?state=acknowledged").json()["alerts"]
    assert [a["id"] for a in taken] == [alert["id"]]
    assert f'action="/alerts/{alert["id"]}"' in service.get("/alerts?state=acknowledged").text


@pytest.mark.parametrize(
    "headers",
    [
        FORM | {"Sec-Fetch-Site": "cross-site"},
        FORM | {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": FORM["Content-Type"], "Origin": "https://elsewhere.example"},
    ],
)
def test_a_form_of_another_site_writes_nothing(service, contacts, settings, headers):
    before = rows_of(settings, "actions")
    path = f"/customers/{contacts[2]['customer_id']}/done"
    answer = send(service, path, headers, action_code="call")
    assert (answer.status_code, answer.json()["type"][-9:]) == (403, "forbidden")
    assert rows_of(settings, "actions") == before


def test_our_own_origin_is_ours(service, contacts):
    headers = {"Content-Type": FORM["Content-Type"], "Origin": "http://localhost"}
    path = f"/customers/{contacts[2]['customer_id']}/done"
    assert send(service, path, headers, action_code="call").status_code == 303


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("done", {"action_code": "no_such_action"}),
        ("done", {}),
        ("snooze", {"until": "soon"}),
        ("promise", {"invoices": "nothing", "promised_date": "2026-07-09"}),
        ("promise", {"promised_date": "2026-07-09"}),
    ],
)
def test_what_does_not_fit_is_told_on_a_page(service, contacts, what, fields):
    path = f"/customers/{contacts[3]['customer_id']}/{what}?lang=en"
    answer = send(service, path, **fields)
    assert answer.status_code in (409, 422)
    assert "Not recorded" in answer.text


@pytest.mark.parametrize("back", ["//evil.example/", "https://evil.example", "/\\evil.example"])
def test_the_way_back_leads_nowhere_else(service, contacts, back):
    path = f"/customers/{contacts[4]['customer_id']}/snooze"
    assert send(service, path, until="2026-07-20", back=back).headers["Location"] == "/"


def test_a_what_if_is_answered_on_the_page(service, contacts):
    path = f"/customers/{contacts[0]['customer_id']}"
    assert "Move the sliders" in service.get(f"{path}?lang=en").text
    asked = service.get(f"{path}?lang=en&more_days=30&instalments=2").text
    assert "With it" in asked


def test_quarantined_rows_are_shown_with_their_reason(service):
    held = [{"invoice_id": "Q1", "customer_id": "C000001", "due_date": "2026-99-99", "amount": "1"}]
    service("PUT", "/v1/ledger/invoices", json={"rows": held})
    page = service.get("/quarantine?lang=en").text
    assert "2026-99-99" in page
    assert "Sent over HTTP" in page
