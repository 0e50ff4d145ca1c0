"""The customer's curve against a plain count, day by day, of who was watched and who paid."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.customer_curve import (
    DELAYS,
    FIRST_DELAY,
    LAST_DELAY,
    LEAST_INVOICES,
    MOST_INVOICES,
    NEWEST_INVOICES,
    OLDER_WEIGHT,
    OWN_WEIGHT,
    RECENT_DAYS,
    PaymentRecords,
    survival,
)

NEVER = 1 << 20
BEGINNING = -10_000  # a ledger that has always been watched
AHEAD = np.array([-3, 0, 1, 2, 5, 9, 10, 30, 90, 200, 364, 400, 600])
HAZARDS = np.linspace(0.001, 0.2, DELAYS)  # of the cohort, by delay


def records(rows: list[tuple[int, ...]]) -> PaymentRecords:
    """One customer's invoices: known, due, closed, closed known, cancelled."""
    rows = sorted(rows, key=lambda row: row[0])
    known, due, closed, closed_known, cancelled = [
        list(column) for column in zip(*rows, strict=True)
    ] or [[]] * 5
    days = [np.array(column, np.int32) for column in (known, due, closed, closed_known)]
    return PaymentRecords(np.array([0, len(rows)]), *days, np.array(cancelled, bool))


def paid(due: int, late: int) -> tuple[int, ...]:
    return (due - 30, due, due + late, due + late, 0)


def ask(
    of: PaymentRecords,
    *,
    as_of: int,
    due: int,
    ahead: np.ndarray = AHEAD,
    hazards: np.ndarray = HAZARDS,
    observed_from: int = BEGINNING,
) -> np.ndarray:
    day = np.array([as_of], np.int32)
    return survival(
        of,
        of.recent(np.zeros(1, np.int32), day),
        as_of=day,
        due_day=np.array([due], np.int32),
        days_ahead=ahead[None, :].astype(np.int32),
        hazards=hazards[None, :],
        cohort=np.zeros(1, np.int64),
        observed_from=observed_from,
    )[0]


def counted(rows: list[tuple[int, ...]], as_of: int, delay: int, observed_from: int) -> np.ndarray:
    """Of the invoices known on the day: how many paid with this delay, how many were watched."""
    tally = np.zeros(2)
    for known, due, closed, closed_known, cancelled in rows:
        is_closed = closed_known < as_of
        if known >= as_of or (is_closed and cancelled):
            continue
        if is_closed and closed < observed_from:
            continue  # had it been paid later, it would be in the ledger as well: it tells nothing
        last = max(closed - due, FIRST_DELAY) if is_closed else as_of - due - 1
        if max(observed_from - due, FIRST_DELAY) <= delay <= last:
            tally += (is_closed and delay == last, 1)
    return tally


def slowly(
    rows: list[tuple[int, ...]], as_of: int, due: int, ahead: int, observed_from: int
) -> float:
    """Kaplan and Meier, each day's hazard shrunk to the cohort's with the weight of 5 invoices."""
    still = 1.0
    for delay in range(max(as_of - due, FIRST_DELAY), as_of - due + ahead + 1):
        if delay >= LAST_DELAY:
            still *= 1 - HAZARDS[-1]
            continue
        closed, watched = counted(rows, as_of, delay, observed_from)
        prior = OWN_WEIGHT * HAZARDS[delay - FIRST_DELAY]
        still *= 1 - (closed + prior) / (watched + OWN_WEIGHT)
    return still


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, ...]]:
    rows = []
    for _ in range(draw(st.integers(0, 6))):
        due = draw(st.integers(-500, 60))
        known = due - draw(st.sampled_from([0, 30, 120]))
        closed = draw(st.one_of(st.just(NEVER), st.integers(due - 130, due + 420)))
        later = draw(st.sampled_from([0, 0, 7]))
        seen = NEVER if closed == NEVER else max(closed + later, known)
        rows.append((known, due, closed, seen, draw(st.sampled_from([0, 0, 0, 1]))))
    return rows


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(-100, 450), st.sampled_from([BEGINNING, -300, 0]))
def test_it_is_the_kaplan_meier_curve_shrunk_to_the_cohort(
    rows: list[tuple[int, ...]], age: int, observed_from: int
) -> None:
    # an invoice settled before the first day watched is in no ledger that begins then
    found = ask(records(rows), as_of=0, due=-age, observed_from=observed_from)
    expected = [slowly(rows, 0, -age, int(k), observed_from) for k in AHEAD]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(-100, 450))
def test_it_never_rises_and_stays_between_0_and_1(rows: list[tuple[int, ...]], age: int) -> None:
    found = ask(records(rows), as_of=0, due=-age)
    assert (np.diff(found) <= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1


@settings(max_examples=40, deadline=None)
@given(histories())
def test_what_happens_or_is_learned_on_the_day_or_later_changes_no_bit(
    rows: list[tuple[int, ...]],
) -> None:
    future = [
        (known, due, closed, seen, cancelled)
        if seen < 0
        else (known, due, NEVER - 1, max(known, 0), 1)
        for known, due, closed, seen, cancelled in rows
        if known < 0
    ]
    before, after = (ask(records(r), as_of=0, due=-5) for r in (rows, [*future, paid(31, -31)]))
    assert before.tobytes() == after.tobytes()


def test_one_row_of_a_batch_is_the_row_asked_alone() -> None:
    of = records([paid(-300 + 20 * i, i % 9) for i in range(14)])
    as_of = np.arange(-250, 100, 7).astype(np.int32)
    queries = {
        "as_of": as_of,
        "due_day": as_of - np.arange(len(as_of), dtype=np.int32) % 60,
        "days_ahead": np.tile(AHEAD, (len(as_of), 1)).astype(np.int32),
        "cohort": np.zeros(len(as_of), np.int64),
    }
    recent = of.recent(np.zeros(len(as_of), np.int32), as_of)
    of_all = survival(of, recent, **queries, hazards=HAZARDS[None, :], observed_from=BEGINNING)
    for i in range(len(as_of)):
        one = {name: column[i : i + 1] for name, column in queries.items()}
        window = (recent[0][i : i + 1], recent[1][i : i + 1])
        alone = survival(of, window, **one, hazards=HAZARDS[None, :], observed_from=BEGINNING)
        assert alone.tobytes() == of_all[i : i + 1].tobytes()


def test_who_has_paid_later_is_expected_to_pay_later() -> None:
    dues = range(-400, -60, 20)
    curves = [
        ask(records([paid(due, late) for due in dues]), as_of=0, due=10) for late in (-5, 4, 25)
    ]
    assert (np.diff(curves, axis=0) >= 0).all()
    assert curves[2][7] > 2 * curves[1][7] > 0  # in 30 days: 20 after the due date


def test_three_payers_on_the_fifth_day_by_hand() -> None:
    of = records([paid(-100, 5), paid(-80, 5), paid(-60, 5)])
    flat = np.full(DELAYS, 0.1)
    found = ask(of, as_of=0, due=0, ahead=np.array([0, 4, 5, 6]), hazards=flat)
    watched = 1 - 0.5 / 8  # nobody of three paid; five of the cohort, of whom half a one did
    expected = [watched, watched**5, watched**5 * (1 - 3.5 / 8), watched**5 * (1 - 3.5 / 8) * 0.9]
    np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_an_open_invoice_is_watched_up_to_yesterday() -> None:
    open_invoice = (-40, -10, NEVER, NEVER, 0)
    flat = np.full(DELAYS, 0.1)
    own = ask(records([open_invoice]), as_of=0, due=0, ahead=np.arange(12), hazards=flat)
    steps = own[1:] / own[:-1]
    np.testing.assert_allclose(steps[:9], 1 - 0.5 / 6)
    np.testing.assert_allclose(steps[9:], 0.9)


def test_an_invoice_due_before_the_ledger_begins_is_watched_from_its_first_day() -> None:
    flat = np.full(DELAYS, 0.1)
    own = ask(
        records([paid(-50, 8)]),
        as_of=0,
        due=0,
        ahead=np.arange(10),
        hazards=flat,
        observed_from=-45,
    )
    hazard = 1 - own[1:] / own[:-1]
    np.testing.assert_allclose(hazard[:4], 0.1)  # delays 1 to 4 lie before the beginning
    np.testing.assert_allclose(hazard[4:7], 0.5 / 6)
    np.testing.assert_allclose(hazard[7], 1.5 / 6)


def test_beyond_the_last_delay_every_day_has_the_cohorts_last_hazard() -> None:
    long_ago = ask(records([]), as_of=0, due=-LAST_DELAY, ahead=np.array([0, 1, 99]))
    np.testing.assert_allclose(long_ago, (1 - HAZARDS[-1]) ** np.array([1, 2, 100]))


def test_without_a_record_the_curve_is_the_cohorts() -> None:
    of = records([paid(-100, 5)])
    day = np.zeros(1, np.int32)
    empty = (np.zeros(1, np.int64), np.zeros(1, np.int64))
    found = survival(
        of, empty, as_of=day, due_day=day, days_ahead=np.array([[0, 3]], np.int32),
        hazards=HAZARDS[None, :], cohort=np.zeros(1, np.int64), observed_from=BEGINNING,
    )  # fmt: skip
    at_due = HAZARDS[-FIRST_DELAY : -FIRST_DELAY + 4]
    np.testing.assert_allclose(found[0], np.cumprod(1 - at_due)[[0, 3]])


def test_what_credit_notes_cancelled_is_nobodys_record() -> None:
    cancelled = (-130, -100, -95, -95, 1)
    assert ask(records([cancelled]), as_of=0, due=0).tobytes() == (
        ask(records([]), as_of=0, due=0).tobytes()
    )


def known(day: int) -> tuple[int, ...]:
    """An invoice that became known on the day and was paid three days late."""
    return paid(day + 30, 3)


def begins(of: PaymentRecords, *, as_of: int) -> int:
    """How many invoices the record holds on the day."""
    first, last = of.recent(np.zeros(1, np.int32), np.array([as_of], np.int32))
    assert not first[0] or of.known_day[first[0] - 1] < of.known_day[first[0]]
    return int(last[0] - first[0])


def test_a_record_is_of_half_a_year_or_of_so_many_invoices_whichever_is_longer() -> None:
    weekly = records([known(-7 * i) for i in range(3 * LEAST_INVOICES)])
    daily = records([known(-i) for i in range(3 * RECENT_DAYS)])
    assert begins(weekly, as_of=1) == LEAST_INVOICES
    assert begins(daily, as_of=1) == RECENT_DAYS


def test_only_so_many_invoices_count_and_all_of_the_oldest_ones_day() -> None:
    many = records([known(-i // 17) for i in range(3 * MOST_INVOICES)])
    assert MOST_INVOICES <= begins(many, as_of=1) < MOST_INVOICES + 17


def test_invoices_before_the_newest_count_for_less() -> None:
    """A customer that paid on the due date and now pays three weeks later."""
    old = [paid(-30 - i, 0) for i in range(NEWEST_INVOICES)]
    new = [paid(-25, 21)] * NEWEST_INVOICES
    found = ask(records([*old, *new]), as_of=0, due=0, ahead=np.array([0]))
    prior = HAZARDS[-FIRST_DELAY]
    closed = OLDER_WEIGHT * NEWEST_INVOICES
    watched = closed + NEWEST_INVOICES
    assert found[0] == 1 - (closed + OWN_WEIGHT * prior) / (watched + OWN_WEIGHT)


def test_the_order_among_one_days_invoices_does_not_matter() -> None:
    rows = [paid(-100 - i // 13, i * 7 % 31) for i in range(2 * NEWEST_INVOICES)]
    turned = sorted(rows, key=lambda row: (row[0], -row[2]))
    assert turned != sorted(rows, key=lambda row: row[0])
    found = [ask(records(some), as_of=0, due=0).tobytes() for some in (rows, turned)]
    assert found[0] == found[1]


@pytest.mark.parametrize("day", [-5000, 0, 5000])
def test_a_customer_without_invoices_has_no_recent_ones(day: int) -> None:
    none = records([])
    nobody = replace(none, start=np.array([0, 0, 0]))
    first, last = nobody.recent(np.array([0, 1], np.int32), np.full(2, day, np.int32))
    assert (first == last).all()
