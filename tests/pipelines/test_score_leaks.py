"""Nothing dated or recorded on a day or after it changes any score as of that day, by any bit.

The whole row is compared: probabilities, dates, money, reasons, signals, actions. The relations are
those of the features' leak test, each shown to catch a leak planted for it.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, askable, ledger_rows, to_ledger

from pipelines import scoring
from pipelines.ledger import Ledger
from tests.pipelines.test_leaks import deleted, inserted, permuted
from tests.trained import small

Scores = Callable[[Ledger, int, Sequence[str]], pa.Table]


def scores(ledger: Ledger, as_of: int, asked: Sequence[str]) -> pa.Table:
    return scoring.score(ledger, as_of, small().bundle, invoices=asked)


def peeking(where: object, name: str, place: int) -> Scores:
    """Scores with a leak: one of their parts is asked about the day after."""
    honest = getattr(where, name)

    def late(*args: object, **kwargs: object) -> object:
        later = [a + 1 if i == place else a for i, a in enumerate(args)]  # type: ignore[operator]
        return honest(*later, **kwargs)

    def leaking(ledger: Ledger, as_of: int, asked: Sequence[str]) -> pa.Table:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(where, name, late)
            return scores(ledger, as_of, asked)

    return leaking


def by_row(ledger: Ledger, as_of: int, asked: Sequence[str]) -> pa.Table:
    """Scores with a fault: the row in the ledger shows."""
    table = scores(ledger, as_of, asked)
    ids = ledger.invoices["invoice_id"].combine_chunks()
    at = table.schema.get_field_index("open_cents")
    rows = pc.index_in(table["invoice_id"], value_set=ids).cast(pa.int64())
    return table.set_column(at, table.schema.field(at), rows)


def holds_when_the_future_is_deleted(rows: Rows, as_of: int, of: Scores = scores) -> bool:
    asked = list(askable(rows, as_of))
    past = to_ledger(deleted(rows, as_of, asked))
    return bool(of(to_ledger(rows), as_of, asked).equals(of(past, as_of, asked)))


def holds_when_the_extreme_is_inserted(rows: Rows, as_of: int, of: Scores = scores) -> bool:
    asked = list(askable(rows, as_of))
    more = to_ledger(inserted(rows, as_of))
    return bool(of(to_ledger(rows), as_of, asked).equals(of(more, as_of, asked)))


def holds_when_rows_and_ids_are_permuted(rows: Rows, as_of: int, of: Scores = scores) -> bool:
    asked = list(askable(rows, as_of))
    other, renamed = permuted(rows, as_of)
    names = {new: old for old, new in renamed.items()}
    before = of(to_ledger(rows), as_of, asked)
    after = of(to_ledger(other), as_of, [renamed[name] for name in asked])
    old = pa.array([names[new] for new in after["invoice_id"].to_pylist()], pa.string())
    after = after.set_column(0, before.schema.field(0), old).sort_by("invoice_id")
    ids = ["customer_id"]
    return bool(before.drop_columns(ids).equals(after.drop_columns(ids).combine_chunks()))


def holds_when_repeated(rows: Rows, as_of: int, of: Scores = scores) -> bool:
    """Asked again, and asked one by one."""
    asked, ledger = list(askable(rows, as_of)), to_ledger(rows)
    once = of(ledger, as_of, asked)
    alone = pa.concat_tables([once[:0], *(of(ledger, as_of, [name]) for name in asked)])
    one_by_one = alone.sort_by("invoice_id").equals(once)
    return bool(of(ledger, as_of, asked).equals(once) and one_by_one)


def holds_when_customers_are_alone(rows: Rows, as_of: int, of: Scores = scores) -> bool:
    """Each customer's own part of the ledger gives the customer's rows."""
    asked, ledger = list(askable(rows, as_of)), to_ledger(rows)
    parts = [
        of(ledger.of_customers(pa.array([customer])), as_of, asked)
        for customer in sorted({row["customer_id"] for row in rows["invoices"]})
    ]
    whole = of(ledger, as_of, asked)
    return bool(pa.concat_tables([whole[:0], *parts]).sort_by("invoice_id").equals(whole))


RELATIONS = [
    holds_when_the_future_is_deleted,
    holds_when_the_extreme_is_inserted,
    holds_when_rows_and_ids_are_permuted,
    holds_when_repeated,
    holds_when_customers_are_alone,
]


@pytest.mark.parametrize("holds", RELATIONS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), as_of=st.integers(BASE + 20, BASE + 500))
def test_no_score_sees_the_future_of_any_ledger(
    holds: Callable[[Rows, int], bool], rows: Rows, as_of: int
) -> None:
    assert holds(rows, as_of)


@pytest.fixture(scope="module")
def invented() -> Rows:
    """Some of the company's customers, with days as numbers."""
    ledger = small().ledger
    some = ledger.customers["customer_id"].combine_chunks()[:8]
    rows: Rows = {}
    for name, table in ledger.of_customers(some).tables().items():
        for field in table.schema:
            if field.type == pa.date32():
                at = table.schema.get_field_index(field.name)
                table = table.set_column(at, field.name, table[field.name].cast(pa.int32()))
        rows[name] = table.to_pylist()
    return rows


def busy_day(rows: Rows) -> int:
    """A day late in the ledger, on which something was paid and somebody was contacted."""
    paid = {row["paid_on"] for row in rows["payments"]}
    contacted = {row["performed_on"] for row in rows["actions"]}
    both = sorted(paid & contacted)
    return int(both[3 * len(both) // 4])


@pytest.mark.parametrize("holds", RELATIONS[:3])
@pytest.mark.parametrize("after", [0, 1])
def test_no_score_sees_the_future_of_the_company(
    holds: Callable[[Rows, int], bool], after: int, invented: Rows
) -> None:
    assert holds(invented, busy_day(invented) + after)


@pytest.mark.parametrize(
    ("holds", "leak"),
    [
        (holds_when_the_future_is_deleted, peeking(scoring.landmarks, "take", 2)),
        (holds_when_the_future_is_deleted, peeking(scoring.decisions, "standing", 1)),
        (holds_when_the_future_is_deleted, peeking(scoring, "left_cents", 1)),
        (holds_when_the_extreme_is_inserted, peeking(scoring.landmarks, "take", 2)),
        (holds_when_the_extreme_is_inserted, peeking(scoring.decisions, "standing", 1)),
        (holds_when_the_extreme_is_inserted, peeking(scoring, "is_open", 1)),
        (holds_when_rows_and_ids_are_permuted, by_row),
    ],
)
def test_a_planted_leak_is_caught(
    holds: Callable[[Rows, int, Scores], bool], leak: Scores, invented: Rows
) -> None:
    assert not holds(invented, busy_day(invented), leak)


def test_scores_that_remember_being_asked_are_caught(invented: Rows) -> None:
    calls: list[int] = []

    def counting(ledger: Ledger, as_of: int, asked: Sequence[str]) -> pa.Table:
        calls.append(1)
        table = scores(ledger, as_of, asked)
        at = table.schema.get_field_index("mass_beyond")
        told = pa.array(np.full(table.num_rows, float(len(calls))))
        return table.set_column(at, table.schema.field(at), told)

    day = busy_day(invented)
    open_then = set(scores(to_ledger(invented), day, list(askable(invented, day)))["invoice_id"])
    few = [row for row in invented["invoices"] if pa.scalar(row["invoice_id"]) in open_then][:9]
    assert not holds_when_repeated({**invented, "invoices": few}, day, counting)
    assert holds_when_repeated({**invented, "invoices": few}, day)
