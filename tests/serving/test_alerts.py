from datetime import UTC, date, datetime

import databases
import pytest

from pipelines.records import alerts
from pipelines.records.database import open_database
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving.alerts import Alert, Alerts

AT = datetime(2026, 6, 30, 2, tzinfo=UTC)


@pytest.fixture(params=databases.BOTH)
def service(request, tmp_path, serve, row):
    """A service after a night that raised three alerts."""
    with databases.empty(request.param, tmp_path) as url:
        late = row()["signals"][0] | {"code": "first_late"}
        rows = [
            row(),
            row(invoice_id="B", customer_id="C-2", value_at_risk_cents=100),
            row(invoice_id="C", customer_id="C-2", value_at_risk_cents=70_000, signals=[late]),
        ]
        service = serve(rows, database_url=url)
        store = ScoreStore(Settings(_env_file=None, home=tmp_path).scores_folder)
        assert len(alerts.of_night(url, store.current(), at=AT)) == 3
        yield service


def ids(answer):
    return [(alert["code"], alert["customer_id"]) for alert in answer.json()["alerts"]]


def test_alerts_come_the_most_value_first_in_words(service):
    answer = service.get("/v1/alerts?lang=en")
    Alerts.model_validate(answer.json())
    assert ids(answer) == [
        ("first_late", "C-2"),
        ("delay_drift", "C-0042"),
        ("delay_drift", "C-2"),
    ]
    first = answer.json()["alerts"][0]
    assert (first["value"], first["invoice_id"], first["stands"]) == (700.0, "C", True)
    assert "always on time so far" in first["text"]


def test_alerts_are_paged(service):
    first = service.get("/v1/alerts?limit=2").json()
    rest = service.get(f"/v1/alerts?limit=2&cursor={first['next_cursor']}").json()
    assert (len(first["alerts"]), len(rest["alerts"]), rest["next_cursor"]) == (2, 1, None)


@pytest.mark.parametrize(
    ("query", "found"),
    [("code=first_late", 1), ("customer=C-2", 2), ("state=open", 3), ("state=snoozed", 0)],
)
def test_alerts_are_filtered(service, query, found):
    assert len(service.get(f"/v1/alerts?{query}").json()["alerts"]) == found


@pytest.mark.parametrize("query", ["cursor=1", "cursor=-1-2", "state=gone", "code=x", "limit=0"])
def test_b51_what_is_no_filter_is_refused(service, query):
    assert service.get(f"/v1/alerts?{query}").status_code == 422


def test_what_a_person_says_is_kept_with_who_said_it(service):
    said = {"state": "snoozed", "until": "2026-07-07"}
    answer = service.post("/v1/alerts/1", json=said)
    Alert.model_validate(answer.json())
    assert (answer.json()["state"], answer.json()["changed_by"]) == ("snoozed", "local")
    assert len(service.get("/v1/alerts?state=open").json()["alerts"]) == 2
    service.post("/v1/alerts/1", json={"state": "open"})
    assert len(service.get("/v1/alerts?state=open").json()["alerts"]) == 3


def test_said_twice_with_one_key_it_is_done_once(service, tmp_path):
    headers = {"Idempotency-Key": "k1"}
    said = {"state": "acknowledged"}
    first, again = (service.post("/v1/alerts/1", json=said, headers=headers) for _ in range(2))
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    "said",
    [
        {"state": "snoozed"},
        {"state": "snoozed", "until": "2026-06-30"},
        {"state": "open", "until": "2026-07-30"},
        {"state": "gone"},
        {"state": "open", "value": 3},
    ],
)
def test_what_makes_no_sense_is_refused(service, said):
    assert service.post("/v1/alerts/1", json=said).status_code == 422


@pytest.mark.parametrize(
    ("alert_id", "status"), [("99", 404), ("0", 422), ("1_0", 422), ("x", 422)]
)
def test_an_alert_that_is_not_there_is_not_found(service, alert_id, status):
    answer = service.post(f"/v1/alerts/{alert_id}", json={"state": "open"})
    assert answer.status_code == status


def test_an_alert_whose_warning_is_over_says_so(serve, row, tmp_path):
    serve([row()])
    store = ScoreStore(Settings(_env_file=None, home=tmp_path).scores_folder)
    alerts.of_night(f"sqlite:///{tmp_path / 'records.db'}", store.current(), at=AT)
    service = serve([row(as_of=date(2026, 7, 1), signals=[])])
    assert [alert["stands"] for alert in service.get("/v1/alerts").json()["alerts"]] == [False]


def test_b7_a_key_that_reads_may_not_say(serve, row, tmp_path):
    from pipelines.records import keys
    from pipelines.records.audit import Writer

    database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
    with database.writing() as connection:
        _, key = keys.make(connection, "page", scopes={"read"}, writer=Writer("test", AT))
    database.close()
    service = serve([row()])
    headers = {"X-API-Key": key}
    assert service.get("/v1/alerts", headers=headers).status_code == 200
    refused = service.post("/v1/alerts/1", json={"state": "open"}, headers=headers)
    assert refused.status_code == 403
