import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import databases
import pyarrow as pa
import pytest

from pipelines.records import alerts, audit, webhooks
from pipelines.records.audit import Writer
from pipelines.records.database import open_database
from pipelines.score_schema import SCORE_SCHEMA

DAY = date(2026, 6, 30)
AT = datetime(2026, 6, 30, 2, tzinfo=UTC)
WRITER = Writer("maria", AT)


@dataclass
class Night:
    """As much of a snapshot as alerts look at: rows of (invoice, customer, signals, at risk)."""

    as_of: date
    told: list[tuple[str, str, list[dict], int]]
    model_version: str = "v1"

    @property
    def name(self) -> str:
        return f"{self.as_of}-night"

    @property
    def rows(self) -> int:
        return len(self.told)

    def scores(self) -> pa.Table:
        names = ("invoice_id", "customer_id", "signals", "value_at_risk_cents")
        rows = [dict(zip(names, row, strict=True)) | {"open_cents": 10} for row in self.told]
        return pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)


def signal(code="delay_drift", since=date(2026, 6, 1), severity="low", **more):
    return {"code": code, "since": since, "before": 9.0, "now": 24.0, "severity": severity} | more


@pytest.fixture(params=databases.BOTH)
def connection(request, tmp_path):
    with databases.empty(request.param, tmp_path) as url:
        database = open_database(url)
        with database.writing() as connection:
            yield connection
        database.close()


def listed(connection, **asked):
    return alerts.page(connection, today=DAY, limit=100, **asked)


def test_a_new_warning_is_one_alert_however_often_the_night_is_run(connection):
    night = Night(DAY, [("F1", "C1", [signal()], 500)])
    assert len(alerts.raise_new(connection, night, at=AT)) == 1
    assert alerts.raise_new(connection, night, at=AT) == []
    later = Night(DAY + timedelta(days=1), night.told)
    assert alerts.raise_new(connection, later, at=AT) == []
    (alert,) = listed(connection)
    assert (alert["as_of"], alert["last_seen"]) == ("2026-06-30", "2026-07-01")


def test_a_warning_about_a_customer_is_one_alert_with_the_sum_of_its_invoices(connection):
    mild, bad = signal(), signal(severity="high", now=40.0)
    night = Night(DAY, [("F1", "C1", [mild], 500), ("F2", "C1", [bad], 300)])
    alerts.raise_new(connection, night, at=AT)
    (alert,) = listed(connection)
    assert (alert["invoice_id"], alert["value_cents"], alert["severity"]) == (None, 800, "high")
    assert alert["facts"] == {"before": 9.0, "now": 40.0, "invoices": 2, "open_cents": 20}


def test_a_warning_about_an_invoice_is_an_alert_of_its_own(connection):
    late = signal("first_late")
    alerts.raise_new(
        connection, Night(DAY, [("F1", "C1", [late], 500), ("F2", "C1", [late], 300)]), at=AT
    )
    assert [alert["invoice_id"] for alert in listed(connection)] == ["F1", "F2"]


def test_a_warning_that_begins_again_is_a_new_alert(connection):
    alerts.raise_new(connection, Night(DAY, [("F1", "C1", [signal()], 500)]), at=AT)
    again = signal(since=date(2026, 7, 5))
    later = Night(date(2026, 7, 6), [("F1", "C1", [again], 500)])
    assert len(alerts.raise_new(connection, later, at=AT)) == 1


def test_a_warning_without_a_first_day_is_the_same_while_it_stands(connection):
    timeless = Night(DAY, [("F1", "C1", [signal(since=None)], 500), ("F2", "C2", [signal()], 9)])
    night_after = Night(DAY + timedelta(days=1), timeless.told)
    without = Night(DAY + timedelta(days=2), timeless.told[1:])
    back = Night(DAY + timedelta(days=3), timeless.told)
    raised = [len(alerts.raise_new(connection, night, at=AT)) for night in (timeless, timeless)]
    raised += [len(alerts.raise_new(connection, n, at=AT)) for n in (night_after, without, back)]
    assert raised == [2, 0, 0, 0, 1]
    assert {alert["since"] for alert in listed(connection, customer_id="C1")} == {
        "2026-06-30",
        "2026-07-03",
    }


def test_the_most_value_comes_first_and_pages_follow_one_another(connection):
    worth = [5, 900, 40, 900, 7]
    rows = [(f"F{i}", f"C{i}", [signal()], value) for i, value in enumerate(worth)]
    alerts.raise_new(connection, Night(DAY, rows), at=AT)
    seen, after = [], None
    while page := alerts.page(connection, today=DAY, limit=2, after=after):
        seen += page
        after = (page[-1]["value_cents"], page[-1]["id"])
    assert [alert["value_cents"] for alert in seen] == sorted(worth, reverse=True)
    assert len({alert["id"] for alert in seen}) == 5


def test_an_alert_that_was_put_off_comes_back_on_its_day(connection):
    (alert_id,) = alerts.raise_new(connection, Night(DAY, [("F1", "C1", [signal()], 5)]), at=AT)
    until = DAY + timedelta(days=7)
    alerts.change(connection, alert_id, state="snoozed", until=until, writer=WRITER, today=DAY)
    assert listed(connection, state="open") == []
    assert len(listed(connection, state="snoozed")) == 1
    (back,) = alerts.page(connection, today=until, limit=9, state="open")
    assert (back["state"], back["until"]) == ("open", None)
    assert alerts.page(connection, today=until, limit=9, state="snoozed") == []


def test_what_a_person_says_is_kept_over_the_next_night_and_in_the_audit_log(connection):
    night = Night(DAY, [("F1", "C1", [signal()], 5)])
    (alert_id,) = alerts.raise_new(connection, night, at=AT)
    alerts.change(connection, alert_id, state="acknowledged", writer=WRITER, today=DAY)
    alerts.raise_new(connection, Night(DAY + timedelta(days=1), night.told), at=AT)
    (alert,) = listed(connection, state="acknowledged")
    assert alert["changed_by"] == "maria"
    lines = connection.exec_driver_sql("SELECT what, subject FROM audit ORDER BY id").all()
    assert [tuple(line) for line in lines] == [
        ("alerts raised", "2026-06-30"),
        ("alert", str(alert_id)),
    ]
    assert audit.first_broken(connection) is None


def test_nothing_is_said_of_an_alert_that_is_not_there(connection):
    with pytest.raises(LookupError, match="no alert has the id 7"):
        alerts.change(connection, 7, state="open", writer=WRITER, today=DAY)


def test_the_night_is_told_to_who_asked_in_the_same_transaction(connection):
    for events in (["alert.raised"], ["scores.published"]):
        webhooks.make(connection, "https://erp.example/", events=events, writer=WRITER)
    rows = [(f"F{i}", f"C{i}", [signal()], i) for i in range(alerts.PER_MESSAGE + 1)]
    night = Night(DAY, rows)
    alerts.raise_new(connection, night, at=AT)
    alerts.raise_new(connection, night, at=AT)
    bodies = connection.exec_driver_sql("SELECT body FROM deliveries ORDER BY id").scalars()
    told = [json.loads(body) for body in bodies]
    assert [message["type"] for message in told] == [
        "scores.published",
        "alert.raised",
        "alert.raised",
    ]
    assert told[0]["data"]["invoices"] == 101
    assert [len(message["data"]["alerts"]) for message in told[1:]] == [100, 1]
    assert told[1]["data"]["alerts"][0]["value_cents"] == 100


def test_a_night_without_scores_raises_nothing(connection):
    assert alerts.raise_new(connection, Night(DAY, []), at=AT) == []


def test_a_published_night_raises_its_alerts_in_the_records_it_is_told(tmp_path):
    url = f"sqlite:///{tmp_path / 'records.db'}"
    night = Night(DAY, [("F1", "C1", [signal()], 5)])
    assert alerts.of_night(url, night, at=AT) == [1]
    assert alerts.of_night(url, night, at=AT) == []


def test_while_the_records_are_away_a_night_goes_on_without_alerts(caplog):
    away = "postgresql://nobody@127.0.0.1:1/none"
    assert alerts.of_night(away, Night(DAY, []), at=AT) is None
    assert "no alerts were raised" in caplog.text
