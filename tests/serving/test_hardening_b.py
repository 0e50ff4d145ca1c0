"""Rows of the list of bad requests that belong to no single part of the service."""

import asyncio
import io
import logging

import pytest

from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from serving.logs import REQUESTS, JsonLines
from tests import databases

ACTION = {"customer_id": "C-0042", "action_code": "call", "performed_on": "2026-06-30"}
KEY = "a-long-enough-key"


@pytest.fixture
def log():
    """What the service writes while a test lasts."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger(REQUESTS)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield text.getvalue
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_b18_an_address_that_a_client_gives_itself_changes_no_rate_and_is_not_logged(
    serve, row, log
):
    service = serve([row()], api_keys=(KEY,), requests_per_minute=3)
    statuses = []
    for i in range(4):
        claimed = f"203.0.113.{i}"
        asked = {"X-API-Key": KEY, "X-Forwarded-For": claimed, "X-Real-IP": claimed}
        asked["Forwarded"] = f"for={claimed}"
        statuses.append(service.get("/v1/worklist", headers=asked).status_code)
    assert statuses == [200, 200, 200, 429]
    assert log().count("/v1/worklist") >= 3, "the requests are in the log"
    assert "203.0.113." not in log()


@pytest.mark.parametrize("kind", databases.BOTH)
def test_b54_many_equal_requests_at_once_have_one_effect_and_one_answer(serve, row, tmp_path, kind):
    with databases.empty(kind, tmp_path) as url:
        service = serve([row()], database_url=url)

        async def at_once():
            headers = {"Idempotency-Key": "once"}
            post = service.http.post
            return await asyncio.gather(
                *(post("/v1/actions", json=ACTION, headers=headers) for _ in range(12))
            )

        answers = service.portal.call(at_once)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        replayed = [answer.headers.get("Idempotent-Replayed") for answer in answers]
        assert sorted(replayed, key=str) == [None] + ["true"] * 11
        database = open_database(url)
        with database.reading() as connection:
            kept = ledger_rows.read_tables(connection)["actions"].table
        database.close()
        assert kept.num_rows == 1


BODIES = {
    "/v1/actions": ACTION,
    "/v1/promises": {
        "invoice_id": "2026/000311",
        "made_on": "2026-06-30",
        "promised_date": "2026-07-10",
    },
    "/v1/webhooks": {"url": "https://93.184.215.14/in", "events": ["alert.raised"]},
}


def test_b53_no_write_takes_an_idempotency_key_that_is_none(serve, row):
    service = serve([row()])
    for path, body in BODIES.items():
        for key in [b"", b"k" * 256, "clé".encode(), b"a b"]:
            answer = service.post(path, json=body, headers=[(b"Idempotency-Key", key)])
            assert (answer.status_code, path) == (400, path)
        good = service.post(path, json=body, headers={"Idempotency-Key": path.ljust(255, "k")})
        assert (good.status_code, path) == (200, path)


def test_b52_a_key_used_for_another_address_or_by_another_request_is_a_conflict(serve, row):
    service = serve([row()])
    headers = {"Idempotency-Key": "k1"}
    assert service.post("/v1/actions", json=ACTION, headers=headers).status_code == 200
    again = service.post("/v1/actions", json=ACTION | {"channel": "phone"}, headers=headers)
    elsewhere = service.post("/v1/ledger/actions", json={"rows": [ACTION]}, headers=headers)
    assert [again.status_code, elsewhere.status_code] == [409, 409]
    assert again.json()["type"].endswith("conflict")
