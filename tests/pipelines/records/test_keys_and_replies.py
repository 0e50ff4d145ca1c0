from datetime import UTC, datetime, timedelta

import databases
import pytest

from pipelines.records import audit, keys, replies
from pipelines.records.audit import Writer
from pipelines.records.database import open_database
from pipelines.records.replies import Asked, KeyReused, Reply

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
WRITER = Writer("maria", AT)


@pytest.fixture(params=databases.BOTH)
def connection(request, tmp_path):
    with databases.empty(request.param, tmp_path) as url:
        database = open_database(url)
        with database.writing() as connection:
            yield connection
        database.close()


def test_the_text_of_a_key_is_kept_nowhere(connection):
    key, text = keys.make(connection, "ERP", scopes={"score"}, writer=WRITER)
    assert text not in str(connection.exec_driver_sql("SELECT * FROM api_keys").all())
    assert keys.digest(text) == key.digest
    assert keys.all_keys(connection) == [key]


def test_a_key_ends_on_its_day_and_when_it_is_revoked(connection):
    key, _ = keys.make(connection, "ERP", scopes={"score"}, writer=WRITER, days=30)
    assert key.is_valid(AT + timedelta(days=29))
    assert not key.is_valid(AT + timedelta(days=30))
    keys.revoke(connection, key.key_id, writer=WRITER)
    assert not keys.find(connection, key.key_id).is_valid(AT)


def test_a_rotated_key_works_for_the_overlap_beside_its_successor(connection):
    old, old_text = keys.make(connection, "ERP", scopes={"read", "score"}, writer=WRITER)
    new, new_text = keys.rotate(connection, old.key_id, writer=WRITER, overlap=timedelta(hours=24))
    assert new_text != old_text
    assert new.scopes == old.scopes
    ending = keys.find(connection, old.key_id)
    assert ending.is_valid(AT + timedelta(hours=23))
    assert not ending.is_valid(AT + timedelta(hours=24))


def test_making_and_revoking_is_in_the_audit_log(connection):
    key, _ = keys.make(connection, "ERP", scopes={"score"}, writer=WRITER)
    keys.revoke(connection, key.key_id, writer=WRITER)
    lines = connection.exec_driver_sql("SELECT who, what FROM audit ORDER BY id").all()
    assert [tuple(line) for line in lines] == [("maria", "key made"), ("maria", "key revoked")]
    assert audit.first_broken(connection) is None


@pytest.mark.parametrize("scopes", [set(), {"root"}, {"read", "root"}])
def test_only_known_scopes_are_given(connection, scopes):
    with pytest.raises(ValueError, match="scopes must be some of"):
        keys.make(connection, "ERP", scopes=scopes, writer=WRITER)


def test_b52_the_same_request_again_is_answered_as_before(connection):
    asked = Asked.of("ERP", "k1", b"PUT", b"/v1/ledger/invoices", b"[]")
    assert replies.given(connection, asked) is None
    replies.keep(connection, asked, Reply(200, "{}"), at=AT)
    assert replies.given(connection, asked) == Reply(200, "{}")


def test_b52_the_key_with_another_request_is_refused(connection):
    asked = Asked.of("ERP", "k1", b"PUT", b"[]")
    replies.keep(connection, asked, Reply(200, "{}"), at=AT)
    with pytest.raises(KeyReused, match="k1"):
        replies.given(connection, Asked.of("ERP", "k1", b"PUT", b"[1]"))


def test_another_owner_may_use_the_same_key(connection):
    replies.keep(connection, Asked.of("ERP", "k1", b"[]"), Reply(200, "{}"), at=AT)
    assert replies.given(connection, Asked.of("shop", "k1", b"[1]")) is None


def test_replies_of_last_week_are_let_go(connection):
    first = Asked.of("ERP", "k1", b"[]")
    replies.keep(connection, first, Reply(200, "{}"), at=AT)
    later = AT + timedelta(days=8)
    replies.keep(connection, Asked.of("ERP", "k2", b"[]"), Reply(200, "{}"), at=later)
    assert replies.given(connection, first) is None
