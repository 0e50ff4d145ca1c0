"""The cash forecast of a ledger: from what was known on the day, and what came counted plainly."""

import numpy as np
import pytest

from models.cash import WEEK_ENDS, WEEKS
from pipelines import cash_forecast, landmarks
from pipelines.ledger import Ledger
from pipelines.settlement import is_open, open_cents, settle
from tests.trained import Trained

BACK_DAYS = 70  # before the ledger's end: the weeks are over


def test_what_is_expected_is_no_more_than_what_is_open(trained: Trained) -> None:
    told = cash_forecast.forecast(trained.ledger, trained.model, as_of=trained.as_of)
    settlement = settle(trained.ledger)
    assert told.invoices == is_open(settlement, trained.as_of).sum() > 50
    assert told.open_cents == open_cents(settlement, trained.as_of).sum()
    assert 0 < told.cash.expected_cents.sum() <= told.open_cents
    assert (told.cash.low_cents <= told.cash.high_cents).all()
    assert 0 <= told.shocks.customer_share < 1


def test_into_how_many_parts_customers_are_divided_changes_no_bit(trained: Trained) -> None:
    ids = trained.ledger.customers["customer_id"].combine_chunks()
    told = cash_forecast.forecast(trained.ledger, trained.model, as_of=trained.as_of)
    parts = [
        cash_forecast.part(
            landmarks.prepare(trained.ledger.of_customers(some).known_before(trained.as_of)),
            trained.model,
            as_of=trained.as_of,
            share=1.0,
        )
        for some in (ids[25:], ids[:7], ids[7:25])
    ]
    apart = cash_forecast.of_parts(parts, as_of=trained.as_of)
    assert apart.shocks == told.shocks
    for name in ("expected_cents", "low_cents", "high_cents"):
        assert (getattr(apart.cash, name) == getattr(told.cash, name)).all()


def test_what_comes_later_changes_no_forecast(trained: Trained) -> None:
    as_of = trained.as_of - BACK_DAYS
    told, alone = (
        cash_forecast.forecast(ledger, trained.model, as_of=as_of)
        for ledger in (trained.ledger, trained.ledger.known_before(as_of))
    )
    assert told.shocks == alone.shocks
    assert (told.cash.expected_cents == alone.cash.expected_cents).all()
    assert (told.cash.high_cents == alone.cash.high_cents).all()


def test_what_came_is_what_payments_brought_to_open_invoices() -> None:
    day = 20_000
    ledger = Ledger.of(
        customers={"customer_id": ["A"]},
        invoices={
            "invoice_id": ["open", "paid", "later"],
            "customer_id": ["A"] * 3,
            "issue_date": [day - 40, day - 40, day + 1],
            "due_date": [day - 10, day - 10, day + 31],
            "amount_cents": [10_000, 5_000, 7_000],
        },
        payments={
            "invoice_id": ["paid", "open", "open", "later", "open"],
            "paid_on": [day - 5, day, day + 8, day + 9, day + 60],
            "amount_cents": [5_000, 2_000, 9_999, 7_000, 100],
        },
    )
    came = cash_forecast.came(ledger, as_of=day)
    assert came.tolist() == [2_000, 8_000, *[0.0] * (WEEKS - 2)]  # no more than was open


def test_weeks_that_are_not_over_are_not_told(trained: Trained) -> None:
    as_of = trained.as_of - 20
    last = int(settle(trained.ledger).movements.known_day.max())
    told = ~np.isnan(cash_forecast.came(trained.ledger, as_of=as_of))
    assert told.tolist() == [as_of + end <= last for end in WEEK_ENDS]
    assert told.any()


@pytest.mark.parametrize("customers", [0, 1])
def test_a_ledger_with_next_to_nothing_open_is_forecast(trained: Trained, customers: int) -> None:
    ids = trained.ledger.customers["customer_id"].combine_chunks()[:customers]
    told = cash_forecast.forecast(
        trained.ledger.of_customers(ids), trained.model, as_of=trained.as_of
    )
    assert told.shocks == cash_forecast.Shocks()
    assert (told.cash.expected_cents >= 0).all()


def test_what_a_night_notes_is_the_forecast_in_whole_cents_and_what_the_last_weeks_brought(
    trained: Trained,
) -> None:
    told = cash_forecast.forecast(trained.ledger, trained.model, as_of=trained.as_of)
    noted = cash_forecast.noted(trained.ledger, trained.model, as_of=trained.as_of)

    assert [week["begins"] for week in noted["weeks"][:2]] == ["2026-07-01", "2026-07-08"]
    expected = [week["expected_cents"] for week in noted["weeks"]]
    assert expected == pytest.approx(told.cash.expected_cents, abs=0.5)
    assert all(week["low_cents"] <= week["high_cents"] for week in noted["weeks"])
    assert noted["received"][-1]["begins"] == "2026-06-24"
    assert sum(week["cents"] for week in noted["received"]) > 0


def test_the_cash_of_past_weeks_is_payments_less_returns_by_day() -> None:
    day = 20_000
    ledger = Ledger.of(
        customers={"customer_id": ["A"]},
        invoices={
            "invoice_id": ["one", "two"],
            "customer_id": ["A"] * 2,
            "issue_date": [day - 90] * 2,
            "due_date": [day - 60] * 2,
            "amount_cents": [10_000, 5_000],
        },
        payments={
            "invoice_id": ["one", "two", "one", "one"],
            "paid_on": [day - 1, day - 8, day, day - 60],  # the third is not known yet
            "amount_cents": [2_000, 5_000, 700, 100],  # the last is older than the weeks
            "returned_on": [None, day - 2, None, None],
        },
    )
    assert cash_forecast.received(ledger, as_of=day).tolist() == [*[0] * 6, 5_000, -3_000]
