from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import without_numba

from pipelines.as_of import Node, as_of, evaluate, fill, largest, which_largest
from pipelines.events import Events, Floats
from pipelines.stream import Stream

visits = Stream("visits")
DAYS, VALUES = st.integers(0, 40), st.integers(-9, 9)


@pytest.fixture(params=["compiled", "numpy"])
def forms(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each test runs with the compiled primitives, and as if numba were not installed."""
    with without_numba() if request.param == "numpy" else nullcontext():
        yield request.param


def ask(node: Node, rows: list[tuple[int, int, int]], *questions: tuple[int, int]) -> Floats:
    """The node's value for each (owner, as_of), over events of (owner, day, value)."""
    owner, day, value = np.array(rows, np.int64).reshape(-1, 3).T
    events = Events.of(owner, day, 3, (value,), value=value)
    owners, days = np.array(questions, np.int64).reshape(-1, 2).T
    answers = evaluate(
        [node], {"visits": events}, owners={"customer": owners}, as_of=days, inputs={}
    )
    return answers[:, 0]


ROWS = [(0, 5, 10), (0, 9, 30), (0, 9, 20), (1, 1, 7), (0, 20, 40)]


@pytest.mark.parametrize(
    ("node", "on_9", "on_10", "on_21"),
    [
        (visits.count(), 1, 3, 4),
        (visits.count(5), 1, 3, 1),
        (visits.sum("value"), 10, 60, 100),
        (visits.mean("value"), 10, 20, 25),
        (visits.std("value"), np.nan, 10, np.sqrt(500 / 3)),
        (visits.max("value"), 10, 30, 40),
        (visits.median("value"), 10, 20, 25),
        (visits.share("value", above=20), 0, 1 / 3, 1 / 2),
        (visits.share("value", equal=20), 0, 1 / 3, 1 / 4),
        (visits.last("value"), 10, 30, 40),
        (visits.last("value", back=2), np.nan, 10, 20),
        (visits.first("value"), 10, 10, 10),
        (visits.age("value"), -1, -20, -19),
        (visits.tenure("value"), -1, 0, 11),
        (visits.slope("value"), np.nan, 15 / 4, np.nan),
        (visits.apply("median_deviation", "value"), 0, 10, 10),
        (visits.ewm("value", half_life_days=4), 10, 55 / 2.5, np.nan),
    ],
)
@pytest.mark.usefixtures("forms")
def test_a_stream_tells_what_was_known_before_the_day(
    node: Node, on_9: float, on_10: float, on_21: float
) -> None:
    found = ask(node, ROWS, (0, 9), (0, 10), (0, 21))
    expected = np.array([on_9, on_10, on_21])
    told = [0, 1] if np.isnan(on_21) else [0, 1, 2]
    np.testing.assert_allclose(found[told], expected[told], rtol=1e-15)


@pytest.mark.usefixtures("forms")
def test_owners_without_events_have_counts_and_sums_of_zero_and_nothing_else() -> None:
    assert ask(visits.count(), ROWS, (2, 30)).tolist() == [0]
    assert ask(visits.sum("value"), ROWS, (2, 30)).tolist() == [0]
    for node in (visits.mean("value"), visits.last("value"), visits.median("value", 10)):
        assert np.isnan(ask(node, ROWS, (2, 30), (1, 0))).all()


@pytest.mark.usefixtures("forms")
def test_a_stream_without_events_answers_too() -> None:
    for node in (visits.max("value"), visits.median("value"), visits.slope("value")):
        assert np.isnan(ask(node, [], (0, 5))).all()
    assert ask(visits.count(), [], (0, 5)).tolist() == [0]


def _max(values: list[int]) -> float:
    return float(max(values))


def _mad(values: list[int]) -> float:
    return float(np.median(np.abs(np.array(values) - np.median(values))))


@pytest.mark.parametrize(
    ("node", "plain"),
    [
        (visits.max("value", 15), _max),
        (visits.median("value", 15), np.median),
        (visits.apply("median_deviation", "value", 15), _mad),
        (visits.sum("value", 15), sum),
    ],
)
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(DAYS, VALUES), max_size=40),
    st.lists(st.integers(0, 60), min_size=1, max_size=9),
)
def test_windows_give_what_a_plain_loop_gives(
    node: Node,
    plain: Callable[[list[int]], float],
    rows: list[tuple[int, int]],
    days: list[int],
) -> None:
    found = ask(node, [(1, day, value) for day, value in rows], *[(1, day) for day in days])
    for day, answer in zip(days, found.tolist(), strict=True):
        values = [v for d, v in rows if day - 15 <= d < day]
        if values or plain is sum:
            assert answer == plain(values)
        else:
            assert np.isnan(answer)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), DAYS, VALUES), max_size=60))
def test_the_compiled_and_the_numpy_primitives_give_the_same_bits(
    rows: list[tuple[int, int, int]],
) -> None:
    from pipelines import as_of_compiled, as_of_numpy

    owner, day, value = np.array(rows, np.int64).reshape(-1, 3).T
    events = Events.of(owner, day, 3, (value,), value=value)
    values = events.columns["value"]
    asked = np.arange(120) % 3
    until = np.arange(120) * 7 % 45
    low = as_of_numpy.locate(events, asked.astype(np.int32), until - 9)
    high = as_of_numpy.locate(events, asked.astype(np.int32), until)
    _, ranks, zeros = events.ranks("value")
    decay = events.gap_decay(3)
    for name, arguments in {
        "locate": (events, asked.astype(np.int32), until),
        "decayed_means": (events.owner, events.day, values, decay),
        "kth_smallest": (ranks, zeros, low, high, np.maximum(high - low - 1, 0) // 2),
        "median_deviation": (values, low, high),
    }.items():
        compiled = getattr(as_of_compiled, name)(*arguments)
        assert compiled.tobytes() == getattr(as_of_numpy, name)(*arguments).tobytes(), name


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9)), max_size=20))
def test_a_point_is_covered_by_the_first_span_over_it(spans: list[tuple[int, int]]) -> None:
    from pipelines import as_of_compiled, as_of_numpy

    first = np.array([begin for begin, _ in spans], np.int64)
    stop = np.array([begin + length for begin, length in spans], np.int64)
    expected = [
        next((k for k, (b, n) in enumerate(spans) if b <= point < b + n), 99) for point in range(30)
    ]
    for forms in (as_of_compiled, as_of_numpy):
        assert forms.first_cover(first, stop, 30, 99).tolist() == expected


def test_a_constant_amount_has_no_variance_however_often_it_comes() -> None:
    rows = [(0, day % 40, 333_333_333) for day in range(5_000)]
    assert ask(visits.std("value"), rows, (0, 50)).tolist() == [0.0]


def test_expressions_combine_as_arithmetic_and_missing_stays_missing() -> None:
    count, mean = visits.count(), visits.mean("value")
    node = abs(1 - mean) / (count - 1) + 2 * count
    assert np.isnan(ask(node, ROWS, (0, 0))).all()  # nothing known
    assert np.isnan(ask(node, ROWS, (0, 9))).all()  # division by zero
    assert ask(node, ROWS, (0, 10)).tolist() == [19 / 2 + 6]
    assert ask(mean.above(15).fill(-1), ROWS, (0, 0), (0, 9), (0, 10)).tolist() == [-1, 0, 1]
    assert ask((as_of - count) % 7, ROWS, (0, 10)).tolist() == [0]
    assert ask(largest(mean, count), ROWS, (0, 10)).tolist() == [20]
    assert ask(which_largest(count, mean), ROWS, (0, 10)).tolist() == [1]
    assert np.isnan(ask(which_largest(count, mean), ROWS, (2, 10))).all()
    assert np.isnan(ask(count.unless(3), ROWS, (0, 10))).all()


def test_in_float32_each_value_is_rounded_once_wherever_it_is_put() -> None:
    owner, day, value = np.array(ROWS, np.int64).T
    events = {"visits": Events.of(owner, day, 3, (value,), value=value)}
    nodes = [visits.mean("value"), visits.std("value"), visits.sum("value") * 1234567]
    for asked in (range(0, 40), [20], [30, 7, 30]):
        days = np.array(asked)
        owners = {"customer": np.zeros(len(days), np.int64)}
        exact = evaluate(nodes, events, owners=owners, as_of=days, inputs={})
        put = np.empty((3, len(days)), np.float32)
        fill(put.T, nodes, events, owners=owners, as_of=days, inputs={})
        assert put.tobytes() == exact.T.astype(np.float32).tobytes()
