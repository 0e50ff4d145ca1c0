from datetime import UTC, datetime, timedelta

import pytest

from pipelines.records import keys
from pipelines.records.audit import Writer
from pipelines.records.database import RecordsAway, open_database
from serving.access import Caller, KeyRing, Rates, scope_needed

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)


@pytest.fixture
def made(tmp_path):
    """Makes a key in the records of the service that the test starts."""

    def make(*scopes, **options):
        database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
        with database.writing() as connection:
            key, text = keys.make(
                connection, "test", scopes=scopes, writer=Writer("test", AT), **options
            )
        database.close()
        return key, {"X-API-Key": text}

    return make


def test_a_key_may_do_what_its_scopes_say_and_no_more(made, serve, row):
    _, reader = made("read")
    _, scorer = made("score")
    _, writer = made("write")
    service = serve([row()], model=True)
    rows = {"rows": [{"customer_id": "C1"}]}
    tried = {
        name: (
            service.get("/v1/worklist", headers=key).status_code,
            service.post("/v1/scores", json={}, headers=key).status_code,
            service("PUT", "/v1/ledger/customers", json=rows, headers=key).status_code,
        )
        for name, key in {"read": reader, "score": scorer, "write": writer}.items()
    }
    assert tried == {"read": (200, 403, 403), "score": (403, 422, 403), "write": (403, 403, 200)}


def test_b7_a_key_that_reads_may_not_write(made, serve):
    _, reader = made("read")
    answer = serve()("PUT", "/v1/ledger/actions", json={"rows": [{}]}, headers=reader)
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("forbidden")


def test_a_key_over_its_rate_is_told_when_to_come_back(made, serve, row):
    _, reader = made("read", requests_per_minute=3)
    service = serve([row()])
    answers = [service.get("/v1/worklist", headers=reader) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert int(answers[3].headers["Retry-After"]) >= 1


def test_a_bucket_refills_evenly():
    now = 0.0
    rates = Rates(60, clock=lambda: now)
    caller = Caller("k", frozenset())
    assert sum(rates.take(caller)[1] >= 0 for _ in range(70)) == 60
    now = 10.0
    assert sum(rates.take(caller)[1] >= 0 for _ in range(70)) == 10


def ring_of(*made, at=AT, read=None, fixed=()):
    ring = KeyRing(fixed, read or (lambda: list(made)), now=lambda: at)
    ring.refresh()
    return ring


def key_of(text, **ends):
    usual = {"expires_at": None, "revoked_at": None} | ends
    return keys.Key(
        "k1", "test", keys.digest(text), frozenset({"read"}), "", requests_per_minute=None, **usual
    )


def test_a_key_that_ended_opens_no_more():
    ended = (AT - timedelta(seconds=1)).isoformat(timespec="microseconds")
    assert ring_of(key_of("a")).find(b"a") is not None
    assert ring_of(key_of("a", expires_at=ended)).find(b"a") is None
    assert ring_of(key_of("a", revoked_at=ended)).find(b"a") is None


def test_keys_that_were_known_open_while_the_records_are_away():
    answers = [[key_of("a")]]

    def read():
        if not answers:
            raise RecordsAway("away")
        return answers.pop()

    ring = ring_of(read=read)
    ring.refresh()
    assert ring.find(b"a") is not None


def test_nobody_comes_in_where_the_keys_could_never_be_read(serve):
    service = serve(database_url="postgresql://nobody@127.0.0.1:1/none")
    answer = service.get("/v1/worklist")
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("records-away")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/scores", "score"),
        ("POST", "/v1/what-if", "score"),
        ("POST", "/v1/what-if/2026/000311", "score"),
        ("POST", "/v1/scores/from-features", "score"),
        ("GET", "/v1/worklist", "read"),
        ("HEAD", "/", "read"),
        ("PUT", "/v1/ledger/invoices", "write"),
        ("POST", "/v1/actions", "write"),
        ("DELETE", "/anything", "write"),
        ("GET", "/v1/webhooks", "admin"),
    ],
)
def test_each_request_needs_a_scope(method, path, scope):
    assert scope_needed(method, path) == scope
