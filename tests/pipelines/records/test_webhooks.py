import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import databases
import pytest

from pipelines.records import webhooks
from pipelines.records.audit import Writer
from pipelines.records.database import open_database

AT = datetime(2026, 6, 30, 2, tzinfo=UTC)
WRITER = Writer("maria", AT)


@pytest.fixture(params=databases.BOTH)
def database(request, tmp_path):
    with databases.empty(request.param, tmp_path) as url:
        database = open_database(url)
        yield database
        database.close()


@pytest.fixture
def connection(database):
    with database.writing() as connection:
        yield connection


def hook(connection, *events):
    return webhooks.make(
        connection, "https://erp.example/in", events=events or webhooks.EVENTS, writer=WRITER
    )


def tell(connection, about="night-1", at=AT):
    return webhooks.queue(connection, "scores.published", about, {"as_of": "2026-06-30"}, at=at)


def test_a_secret_is_shown_once(connection):
    told, secret = hook(connection)
    assert secret not in str(webhooks.in_force(connection))
    assert told["events"] == ["alert.raised", "night.failed", "scores.published"]
    assert secret not in str(connection.exec_driver_sql("SELECT * FROM audit").all())


def test_a_message_is_queued_once_for_who_wants_it(connection):
    hook(connection, "alert.raised")
    hook(connection, "scores.published")
    assert tell(connection) == 1
    assert tell(connection) == 0
    (due,) = webhooks.take(connection, at=AT, limit=9)
    assert '"as_of": "2026-06-30"' in due.body


def test_a_message_that_was_taken_is_nobody_elses_until_its_sender_must_have_died(connection):
    hook(connection)
    tell(connection)
    assert len(webhooks.take(connection, at=AT, limit=9)) == 1
    assert webhooks.take(connection, at=AT + timedelta(seconds=119), limit=9) == []
    (again,) = webhooks.take(connection, at=AT + timedelta(seconds=120), limit=9)
    assert again.attempts == 1


def test_a_delivered_message_is_not_sent_again(connection):
    hook(connection)
    tell(connection)
    (due,) = webhooks.take(connection, at=AT, limit=9)
    webhooks.delivered(connection, due, "204", at=AT)
    assert webhooks.take(connection, at=AT + timedelta(days=9), limit=9) == []
    (told,) = webhooks.in_force(connection)
    assert (told["waiting"], told["delivered"], told["last_answer"]) == (0, 1, "204")


def test_f31_waits_double_up_to_three_days_and_then_the_message_is_given_up(connection):
    hook(connection)
    tell(connection)
    at, waits = AT, []
    while webhooks.in_force(connection)[0]["waiting"]:
        (due,) = webhooks.take(connection, at=at, limit=9)
        webhooks.failed(connection, due, "500", at=at)
        (next_at,) = connection.exec_driver_sql("SELECT next_at FROM deliveries").scalars()
        if next_at:
            waits.append(datetime.fromisoformat(next_at) - at)
            at = datetime.fromisoformat(next_at)
    assert waits[:4] == [timedelta(seconds=30 * 2**n) for n in range(4)]
    assert max(waits) == webhooks.LONGEST_WAIT
    assert timedelta(days=2) < at - AT <= timedelta(days=3)
    (told,) = webhooks.in_force(connection)
    assert (told["given_up"], told["last_answer"]) == (1, "500")


def test_a_message_that_ended_is_forgotten_after_a_month_and_one_that_waits_is_not(connection):
    hook(connection)
    tell(connection)
    (due,) = webhooks.take(connection, at=AT, limit=9)
    webhooks.delivered(connection, due, "204", at=AT)
    tell(connection, "night-2")
    for days, left in ((30, 1), (31, 0)):
        webhooks.let_go(connection, at=AT + timedelta(days=days))
        (told,) = webhooks.in_force(connection)
        assert (told["delivered"], told["waiting"]) == (left, 1)


def test_what_waits_for_a_removed_webhook_is_not_sent(connection):
    told, _ = hook(connection)
    tell(connection)
    (due,) = webhooks.take(connection, at=AT, limit=9)
    webhooks.remove(connection, told["id"], writer=WRITER)
    webhooks.failed(connection, due, "500", at=AT)
    assert webhooks.take(connection, at=AT + timedelta(days=1), limit=9) == []
    assert webhooks.in_force(connection) == []
    assert tell(connection, "night-2") == 0
    with pytest.raises(LookupError):
        webhooks.remove(connection, told["id"], writer=WRITER)


def test_of_two_senders_at_once_one_gets_the_message(database):
    with database.writing() as connection:
        hook(connection)
        tell(connection)
    with database.writing() as first:
        assert len(webhooks.take(first, at=AT, limit=9)) == 1
        if first.dialect.name == "postgresql":  # SQLite's second writer waits for the first
            with database.writing() as second:
                assert webhooks.take(second, at=AT, limit=9) == []
    with database.writing() as second:
        assert webhooks.take(second, at=AT, limit=9) == []


def test_what_is_queued_in_a_transaction_that_fails_is_not_sent(database):
    with database.writing() as connection:
        hook(connection)

    def fail():
        with database.writing() as connection:
            tell(connection)
            raise ValueError("the alert could not be kept")

    with pytest.raises(ValueError, match="could not be kept"):
        fail()
    with database.writing() as connection:
        assert webhooks.take(connection, at=AT, limit=9) == []


def test_the_signature_is_over_id_time_and_body():
    secret = webhooks.SECRET_PREFIX + base64.b64encode(b"k" * 32).decode()
    headers = webhooks.signature(secret, "msg_1", at=AT, body='{"a": 1}')
    text = f'msg_1.{int(AT.timestamp())}.{{"a": 1}}'.encode()
    digest = base64.b64encode(hmac.new(b"k" * 32, text, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    later = webhooks.signature(secret, "msg_1", at=AT + timedelta(seconds=1), body='{"a": 1}')
    assert later["webhook-signature"] != headers["webhook-signature"]


@pytest.mark.parametrize("events", [[], ["everything"]])
def test_only_events_that_there_are_can_be_wanted(connection, events):
    with pytest.raises(ValueError, match="events must be some of"):
        webhooks.make(connection, "https://erp.example/", events=events, writer=WRITER)


def test_there_are_not_endlessly_many_webhooks(connection):
    for _ in range(webhooks.MAX_WEBHOOKS):
        hook(connection)
    with pytest.raises(webhooks.TooManyWebhooks):
        hook(connection)
