"""The sink is a server on loopback that says what each test wants it to say, or says nothing."""

import asyncio
import base64
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import databases
import pytest

from pipelines.records import webhooks
from pipelines.records.audit import Writer
from serving.deliveries import Deliveries
from serving.records_at_hand import RecordsAtHand

AT = datetime(2026, 6, 30, 2, tzinfo=UTC)
WRITER = Writer("maria", AT)


@pytest.fixture(params=databases.BOTH)
def records(request, tmp_path):
    with databases.empty(request.param, tmp_path) as url:
        records = RecordsAtHand(url)
        yield records
        records.close()


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.at = AT

    def __call__(self):
        return self.at


@asynccontextmanager
async def sink(answer):
    """A receiver: what it got is in `got`, and `answer` writes what it says."""
    got, handling = [], set()

    async def handle(reader, writer):
        handling.add(asyncio.current_task())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            got.append((first, headers, body.decode()))
            await answer(writer)
        except (asyncio.CancelledError, ConnectionError):
            pass  # the test is over, or the sender has left
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in?x=1", got
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)


def saying(*statuses):
    left = list(statuses)

    async def answer(writer):
        status = left.pop(0) if len(left) > 1 else left[0]
        writer.write(f"HTTP/1.1 {status} Well\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    return answer


async def silent(writer):
    await asyncio.sleep(30)


async def dripping(writer):
    for _ in range(300):
        writer.write(b"H")
        await writer.drain()
        await asyncio.sleep(0.01)


def queued(records, url, messages=1):
    with records.writing() as connection:
        _, secret = webhooks.make(connection, url, events=["scores.published"], writer=WRITER)
        for number in range(messages):
            webhooks.queue(connection, "scores.published", str(number), {"night": number}, at=AT)
    return secret


def state(records):
    with records.reading() as connection:
        (hook,) = webhooks.in_force(connection)
    return {name: hook[name] for name in ("waiting", "delivered", "given_up", "last_answer")}


def sending(records, clock, **options):
    return Deliveries(records, allow_private=True, now=clock, **options)


def test_a_message_arrives_signed_and_once(records):
    async def run():
        async with sink(saying(204)) as (url, got):
            secret = queued(records, url)
            sender = sending(records, Clock())
            assert [await sender.send_due() for _ in range(2)] == [1, 0]
            return secret, got

    secret, [(first, headers, body)] = asyncio.run(run())
    assert first == "POST /in?x=1 HTTP/1.1"
    assert json.loads(body)["data"] == {"night": 0}
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    assert headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert state(records) == {"waiting": 0, "delivered": 1, "given_up": 0, "last_answer": "204"}


def test_f31_a_receiver_that_fails_is_told_again_with_the_same_id(records):
    async def run():
        clock = Clock()
        async with sink(saying(500, 503, 200)) as (url, got):
            queued(records, url)
            sender = sending(records, clock)
            assert await sender.send_due() == 1
            assert await sender.send_due() == 0, "not before its time"
            for seconds in (30, 60):
                clock.at += timedelta(seconds=seconds)
                assert await sender.send_due() == 1
            return got

    got = asyncio.run(run())
    assert len({headers["webhook-id"] for _, headers, _ in got}) == 1
    assert len({headers["webhook-signature"] for _, headers, _ in got}) == 3, "each has its time"
    assert len({body for _, _, body in got}) == 1
    assert state(records)["delivered"] == 1


@pytest.mark.parametrize("answer", [silent, dripping])
def test_f31_a_black_hole_or_a_slow_receiver_is_left_at_the_deadline(records, answer):
    async def run():
        async with sink(answer) as (url, _):
            queued(records, url)
            assert await sending(records, Clock(), answer_seconds=0.2).send_due() == 1

    asyncio.run(run())
    assert state(records)["waiting"] == 1
    assert state(records)["last_answer"] == "no answer within 0.2 seconds"


def test_f31_a_slow_receiver_holds_up_nobody_else(records):
    async def run():
        async with sink(silent) as (slow, _), sink(saying(200)) as (quick, got):
            queued(records, slow)
            queued(records, quick, messages=2)
            sender = asyncio.create_task(sending(records, Clock()).send_due())
            while len(got) < 2:
                await asyncio.sleep(0.01)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_f31_nobody_listens_and_after_three_days_the_message_is_given_up(records):
    async def run():
        async with sink(saying(200)) as (url, _):
            pass  # the port is closed from here on
        queued(records, url)
        clock = Clock()
        while state(records)["waiting"]:
            await sending(records, clock).send_due()
            clock.at += timedelta(hours=12)
        return clock.at

    assert timedelta(days=2) < asyncio.run(run()) - AT <= timedelta(days=4)
    assert state(records)["given_up"] == 1
    assert state(records)["last_answer"] == "ConnectionRefusedError"


def test_b56_a_redirect_is_a_failure_and_is_not_followed(records):
    async def run():
        async with sink(saying(200)) as (inside, followed):

            async def redirect(writer):
                writer.write(f"HTTP/1.1 307 Go\r\nLocation: {inside}\r\n\r\n".encode())
                await writer.drain()

            async with sink(redirect) as (url, _):
                queued(records, url)
                await sending(records, Clock()).send_due()
            return followed

    assert asyncio.run(run()) == []
    assert state(records)["last_answer"] == "307"


def test_b56_a_name_that_changes_between_the_check_and_the_call_leads_nowhere(records):
    asked = []

    async def changing(host, port):
        asked.append(host)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    async def run():
        async with sink(saying(200)) as (url, got):
            queued(records, url.replace("http://127.0.0.1", "https://rebinding.example"))
            sender = Deliveries(records, now=Clock(), look_up=changing, answer_seconds=0.2)
            await sender.send_due()  # to the public address that was checked: nobody is there
            sender.now = lambda: AT + timedelta(minutes=1)
            await sender.send_due()
            return got

    assert asyncio.run(run()) == []
    assert len(asked) == 2, "once for each attempt"
    assert "private network" in state(records)["last_answer"]


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 2xx No\r\n\r\n", b"\r\n"])
def test_what_is_no_answer_is_a_failure(records, said):
    async def babble(writer):
        writer.write(said)
        await writer.drain()

    async def run():
        async with sink(babble) as (url, _):
            queued(records, url)
            await sending(records, Clock()).send_due()

    asyncio.run(run())
    assert state(records)["waiting"] == 1


def test_news_of_what_is_to_come_is_no_answer_yet(records):
    async def early(writer):
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()

    async def run():
        async with sink(early) as (url, _):
            queued(records, url)
            await sending(records, Clock()).send_due()

    asyncio.run(run())
    assert state(records)["delivered"] == 1


def test_while_the_records_are_away_the_sender_goes_on(monkeypatch, caplog):
    monkeypatch.setattr("serving.deliveries.LOOK_SECONDS", 0.001)
    sender = Deliveries(RecordsAtHand("postgresql://nobody@127.0.0.1:1/none"))

    async def run():
        task = asyncio.create_task(sender.keep_sending())
        while not caplog.records:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 30))
    assert len(caplog.records) == 1, "said once"
