import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from serving.limits import (
    EVERYBODY,
    INVOICES_INLINE,
    REQUEST_UNITS,
    WAIT_SECONDS,
    Gate,
    ScoringPlaces,
    Turns,
    weight_of,
)
from serving.problems import Problem


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def scored_together(places, sizes, **kwargs):
    """What becomes of requests of these sizes that come at once: their number, or the problem."""

    async def ask():
        tasks = [places.run(lambda n=n: n, invoices=size, **kwargs) for n, size in enumerate(sizes)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(ask())


def test_a_full_queue_is_told_when_to_come_back():
    large = INVOICES_INLINE + 1
    places = ScoringPlaces(units=REQUEST_UNITS + large)
    first, second = scored_together(places, [large, large])
    assert first == 0
    assert isinstance(second, Problem)
    assert (second.status_code, second.headers["Retry-After"]) == (503, "1")
    assert places.refused == {"queue_full": 1}
    assert (places.waiting, places.units_waiting) == (0, 0)


def test_who_is_alone_is_scored_however_large():
    assert scored_together(ScoringPlaces(units=1), [1_000]) == [0]


@given(st.lists(st.integers(1, 200), max_size=12), st.integers(1, 600))
def test_everybody_gets_the_own_answer_or_a_refusal_and_the_queue_empties(sizes, units):
    places = ScoringPlaces(units=units)
    came = scored_together(places, sizes)
    assert all(got == n or isinstance(got, Problem) for n, got in enumerate(came))
    assert sum(isinstance(got, Problem) for got in came) == places.refused["queue_full"]
    assert (places.waiting, places.units_waiting) == (0, 0)
    places.close()


def test_what_waited_too_long_is_not_begun():
    clock = Clock()
    places = ScoringPlaces(clock=clock)

    async def ask():
        await places._small.acquire()  # somebody else is being scored
        task = asyncio.create_task(places.run(pytest.fail, invoices=1))
        await asyncio.sleep(0)
        clock.now = WAIT_SECONDS + 1
        places._small.release()
        await task

    with pytest.raises(Problem, match="Ask again"):
        asyncio.run(ask())
    assert places.refused == {"waited_too_long": 1}


def test_nobody_is_scored_who_has_gone_meanwhile():
    """B26."""
    clock = Clock()
    places = ScoringPlaces(clock=clock)

    async def gone():
        return True

    async def ask():
        await places._small.acquire()
        task = asyncio.create_task(places.run(pytest.fail, invoices=1, is_gone=gone))
        await asyncio.sleep(0)
        clock.now = 1.0
        places._small.release()
        await task

    with pytest.raises(ClientDisconnect):
        asyncio.run(ask())
    assert places.refused == {"client_gone": 1}


def test_a_failure_leaves_its_place():
    places = ScoringPlaces()

    def fail():
        raise RuntimeError

    async def ask():
        with pytest.raises(RuntimeError):
            await places.run(fail, invoices=1)
        return await places.run(lambda: "scored", invoices=INVOICES_INLINE + 1)

    assert asyncio.run(ask()) == "scored"
    assert places.waiting == 0


@given(st.lists(st.integers(1, 70), max_size=40))
def test_no_more_is_under_way_than_there_is_room_for(weights):
    gate = Gate(most=100)
    inside = []
    for weight in weights:
        if gate.enter("a", weight):
            inside.append(weight)
        assert gate.under_way("a") == sum(inside) <= max(100, weights[0])
    for weight in inside:
        gate.leave("a", weight)
    assert gate.under_way("a") == 0
    assert gate.refused["requests"] == len(weights) - len(inside)


def test_one_caller_leaves_room_for_others():
    gate = Gate(most=1)
    assert gate.enter("one", 1)
    assert not gate.enter("one", 1)
    assert gate.enter("other", 1)
    assert not gate.is_full, "only what counts for everybody fills the service"
    assert gate.enter(EVERYBODY, 1)
    assert gate.is_full


def test_requests_begin_one_in_a_round_of_the_loop_in_their_order():
    begun = []

    async def ask():
        turns = Turns()

        async def one(n):
            await turns.come()
            begun.append(n)

        tasks = [asyncio.create_task(one(n)) for n in range(5)]
        rounds = []
        while len(begun) < 5:
            await asyncio.sleep(0)
            rounds.append(len(begun))
        await asyncio.gather(*tasks)
        return rounds

    rounds = asyncio.run(ask())
    assert begun == [0, 1, 2, 3, 4]
    assert all(later - sooner <= 1 for sooner, later in zip(rounds, rounds[1:], strict=False))


def test_a_turn_that_comes_too_late_is_told_so():
    async def ask():
        turns = Turns(seconds=-1)
        return [await turns.come(), await turns.come()]

    assert asyncio.run(ask()) == [True, False]


def test_who_gives_up_waiting_does_not_hold_up_the_next():
    async def ask():
        turns = Turns()
        await turns.come()
        given_up = asyncio.create_task(turns.come())
        next_one = asyncio.create_task(turns.come())
        await asyncio.sleep(0)
        given_up.cancel()
        await next_one

    asyncio.run(asyncio.wait_for(ask(), 30))


@pytest.mark.parametrize(
    ("header", "weight"),
    [
        ((b"content-length", b"0"), 1),
        ((b"content-length", b"131071"), 1),
        ((b"content-length", b"131072"), 2),
        ((b"content-length", b"9" * 30), 33),
        ((b"content-length", b"x"), 1),
        ((b"transfer-encoding", b"chunked"), 33),
    ],
)
def test_a_request_weighs_what_its_body_is_announced_to_weigh(header, weight):
    assert weight_of({"type": "http", "headers": [header]}) == weight


BODIES = [("POST", "/v1/scores"), ("POST", "/v1/what-if"), ("PUT", "/v1/ledger/invoices")]


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_a_compressed_body_is_refused(scorer, method, path):
    """B20."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert scorer(method, path, content=b"\x1f\x8b" * 9, headers=headers).status_code == 415


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_a_form_of_many_parts_is_refused(scorer, method, path):
    """B25."""
    files = [("part", (f"{n}.csv", b"x")) for n in range(1_000)]
    assert scorer(method, path, files=files).status_code in (413, 415)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("TRACE", "/v1/scores"),
        ("PUT", "/v1/scores"),
        ("DELETE", "/v1/worklist"),
        ("TRACE", "/v1/ledger/invoices"),
        ("POST", "/static/icon.svg"),
        ("POST", "/"),
        ("PATCH", "/healthz"),
    ],
)
def test_a_method_that_an_address_does_not_have_is_told_which_it_has(scorer, method, path):
    """B22."""
    answer = scorer(method, path)
    assert answer.status_code == 405
    allowed = answer.headers["Allow"].replace(" ", "").split(",")
    assert allowed
    assert method not in allowed
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_range_of_a_file_is_not_looked_at(client):
    """B24."""
    ranges = "bytes=" + ",".join(f"{n}-{n}" for n in range(10_000))
    answer = client.get("/static/icon.svg", headers={"Range": ranges})
    assert answer.status_code == 200
    assert answer.content == client.get("/static/icon.svg").content
