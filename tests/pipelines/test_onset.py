"""Onset: the week since which a warning has stood, by what was known in each week before."""

from datetime import date, timedelta
from typing import Any

import pytest
from ledgers import Rows, to_ledger

from pipelines import onset
from pipelines.onset import STEP_DAYS, WEEKS
from pipelines.scoring import score
from tests.trained import Trained, on, payer

DRIFT = "delay_drift"


def slipping(trained: Trained, *, since_days: int) -> Rows:
    """A customer who paid on time and, for invoices due in the last days, pays 40 days late."""
    late = [40 if 14 * (26 - at) <= since_days + 40 else 0 for at in range(26)]
    return payer("C1", late, until=trained.as_of, open_for=0)


def signals(rows: Rows, trained: Trained, *, as_of: int | None = None) -> dict[str, dict[str, Any]]:
    day = trained.as_of if as_of is None else as_of
    (row,) = score(to_ledger(rows), day, trained.bundle, invoices=["C1-026"]).to_pylist()
    return {signal["code"]: signal for signal in row["signals"]}


@pytest.fixture
def drifting(trained: Trained) -> Rows:
    return slipping(trained, since_days=90)


def test_a_drift_began_in_the_week_of_the_first_look_that_shows_it(
    trained: Trained, drifting: Rows
) -> None:
    since = signals(drifting, trained)[DRIFT]["since"]
    weeks, rest = divmod((on(trained.as_of) - since).days, STEP_DAYS)
    assert rest == 0
    assert 1 < weeks < WEEKS

    # asked on that day about any invoice open then, the signal stood; a week before it did not
    def stood(day: date) -> bool:
        then = (day - date(1970, 1, 1)).days
        found = score(to_ledger(drifting), then, trained.bundle).to_pylist()
        return any(s["code"] == DRIFT for row in found for s in row["signals"])

    assert stood(since)
    assert not stood(since - timedelta(days=STEP_DAYS))


def test_a_later_slide_began_later(trained: Trained) -> None:
    found = [
        signals(slipping(trained, since_days=days), trained)[DRIFT]["since"] for days in (150, 60)
    ]
    assert found[0] < found[1]


def test_what_is_told_to_have_begun_does_not_move_a_week_later(
    trained: Trained, drifting: Rows
) -> None:
    before = signals(drifting, trained)[DRIFT]["since"]
    after = signals(drifting, trained, as_of=trained.as_of + STEP_DAYS)
    assert after[DRIFT]["since"] == before


def test_an_age_tells_its_own_day(trained: Trained) -> None:
    rows = payer("C1", [0] * 26, until=trained.as_of, open_for=75)
    found = signals(rows, trained)["prolonged_overdue"]
    due = on(trained.as_of - 75)
    while due.weekday() > 4:
        due += timedelta(days=1)
    assert found["now"] == (on(trained.as_of) - due).days
    assert found["since"] == due + timedelta(days=60)


def test_no_one_looks_further_back_than_half_a_year(trained: Trained) -> None:
    rows = slipping(trained, since_days=90)
    for row in rows["payments"]:
        row["paid_on"] = min(row["paid_on"], trained.as_of - 1)
    for since in (signal["since"] for signal in signals(rows, trained).values()):
        assert since >= on(trained.as_of - WEEKS * STEP_DAYS - 400)


def test_without_signals_nothing_is_looked_at(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise AssertionError("there is nothing to date")

    monkeypatch.setattr(onset, "_weeks_unbroken", nothing)
    rows = payer("C1", [0] * 26, until=trained.as_of, open_for=-10)
    assert signals(rows, trained) == {}


def test_rows_of_a_batch_are_dated_as_if_alone(trained: Trained) -> None:
    whole = score(trained.ledger, trained.as_of, trained.bundle).to_pylist()
    warned = [row for row in whole if row["signals"]][:6]
    assert warned
    for row in warned:
        (alone,) = score(
            trained.ledger, trained.as_of, trained.bundle, invoices=[row["invoice_id"]]
        ).to_pylist()
        assert alone["signals"] == row["signals"]


def test_payments_booked_yesterday_had_warned_nobody_before(
    trained: Trained, drifting: Rows
) -> None:
    due = {row["invoice_id"]: row["due_date"] for row in drifting["invoices"]}
    for row in drifting["payments"]:
        if row["paid_on"] > due[row["invoice_id"]]:
            row["recorded_at"] = trained.as_of - 1
    assert signals(drifting, trained)[DRIFT]["since"] == on(trained.as_of)
