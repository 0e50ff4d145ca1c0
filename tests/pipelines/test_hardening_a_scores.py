"""Bad data that gets as far as training and scoring, row by row of what must not break us."""

import os
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from ledgers import Rows, to_ledger

from models.customer_curve import MOST_INVOICES
from models.fitting import NotEnoughHistory
from models.horizons import PROBABILITY_COLUMNS
from pipelines import backtest, features, landmarks
from pipelines.features import Peers
from pipelines.ledger import Ledger
from pipelines.scoring import score
from tests.thorough import examples
from tests.trained import Trained, payer


def ask(rows: Rows, trained: Trained, **options: Any) -> dict[str, dict[str, Any]]:
    """The scores of the ledger's open invoices by id."""
    table = score(to_ledger(rows), trained.as_of, trained.bundle, **options)
    for field in table.schema:
        if pa.types.is_floating(field.type):
            assert np.isfinite(table[field.name].to_numpy()).all(), field.name
    return {row["invoice_id"]: row for row in table.to_pylist()}


@pytest.fixture
def usual(trained: Trained) -> Rows:
    """A customer with a year of history and one open invoice, five days overdue."""
    return payer("C1", [6] * 24, until=trained.as_of, open_for=5)


def test_a59_a_payment_dated_after_the_day_is_not_seen(trained: Trained, usual: Rows) -> None:
    before = ask(usual, trained)
    for later in (0, 1, 300):
        paid = {"paid_on": trained.as_of + later, "amount_cents": 100_000}
        payments = [*usual["payments"], {"invoice_id": "C1-024", **paid}]
        assert ask({**usual, "payments": payments}, trained) == before


def test_a59_a_payment_booked_after_the_day_is_not_seen(trained: Trained, usual: Rows) -> None:
    paid = {"invoice_id": "C1-024", "paid_on": trained.as_of - 4, "amount_cents": 100_000}
    booked_later = [*usual["payments"], {**paid, "recorded_at": trained.as_of}]
    assert ask({**usual, "payments": booked_later}, trained) == ask(usual, trained)
    booked = [*usual["payments"], {**paid, "recorded_at": trained.as_of - 1}]
    assert ask({**usual, "payments": booked}, trained) == {}


def test_a66_invoices_of_nothing_are_not_scored_and_upset_nobody_elses(
    trained: Trained, usual: Rows
) -> None:
    before = ask(usual, trained)["C1-024"]
    nothing = [
        {**row, "invoice_id": f"nil-{row['invoice_id']}", "amount_cents": 0}
        for row in usual["invoices"]
    ]
    after = ask({**usual, "invoices": usual["invoices"] + nothing}, trained)
    assert list(after) == ["C1-024"]
    assert abs(after["C1-024"]["p_late_30"] - before["p_late_30"]) < 0.25


def test_a66_a_customer_of_nothing_but_nil_invoices_divides_by_no_zero(trained: Trained) -> None:
    rows = payer("C1", [3] * 8, until=trained.as_of, open_for=-5, amount_cents=0)
    open_invoice = {**rows["invoices"][-1], "invoice_id": "real", "amount_cents": 50_000}
    found = ask({**rows, "invoices": [*rows["invoices"], open_invoice]}, trained)
    assert list(found) == ["real"]


def test_a68_a_credit_note_beyond_its_invoice_leaves_nothing_to_score(
    trained: Trained, usual: Rows
) -> None:
    note = {"invoice_id": "C1-024", "issued_on": trained.as_of - 2, "amount_cents": 250_000}
    assert ask({**usual, "credit_notes": [note]}, trained) == {}


def test_a68_negative_exposure_does_not_reach_the_money_of_other_invoices(
    trained: Trained, usual: Rows
) -> None:
    note = {"invoice_id": "C1-020", "issued_on": trained.as_of - 2, "amount_cents": 10_000_000}
    loose = {"customer_id": "C1", "issued_on": trained.as_of - 2, "amount_cents": 10_000_000}
    row = ask({**usual, "credit_notes": [note, loose]}, trained)["C1-024"]
    assert row["open_cents"] == 100_000
    for name in ("value_at_risk_cents", "expected_loss_cents", "cost_of_delay_cents"):
        assert 0 <= row[name] <= row["open_cents"]


def test_a68_a_negative_invoice_is_never_a_risk(trained: Trained, usual: Rows) -> None:
    credit = {**usual["invoices"][-1], "invoice_id": "credit", "amount_cents": -40_000}
    found = ask({**usual, "invoices": [*usual["invoices"], credit]}, trained)
    assert list(found) == ["C1-024"]


def one_customer(invoices: int, trained: Trained) -> Ledger:
    """A customer with so many invoices over three years, most of them paid."""
    random = np.random.default_rng(0)
    issue = np.sort(trained.as_of - random.integers(1, 1_095, invoices)).astype(np.int32)
    paid = issue + 30 + random.integers(-5, 40, invoices)
    settled = np.flatnonzero(paid < trained.as_of)
    names = [f"F{i:07}" for i in range(invoices)]
    dates = {"issue_date": issue, "due_date": issue + 30}
    amount = random.integers(10_000, 900_000, invoices)
    return Ledger.of(
        customers={"customer_id": ["C1"], "country": ["IT"]},
        invoices={
            "invoice_id": names,
            "customer_id": ["C1"] * invoices,
            **{name: pa.array(day, pa.int32()).cast(pa.date32()) for name, day in dates.items()},
            "amount_cents": amount,
        },
        payments={
            "invoice_id": [names[i] for i in settled],
            "paid_on": pa.array(paid[settled], pa.int32()).cast(pa.date32()),
            "amount_cents": amount[settled],
        },
    )


def test_a85_one_customers_history_costs_memory_and_time_in_step_with_its_length(
    trained: Trained,
) -> None:
    """EXAMPLES=1000 asks about a million invoices, and looks at the processor's time as well."""
    fewer, more, is_thorough = 4_000, 16_000, "EXAMPLES" in os.environ
    if is_thorough:
        fewer, more = 100 * examples(1_000), 1_000 * examples(1_000)
    seconds, peaks = {}, {}
    for invoices in (fewer, more):
        ledger = one_customer(invoices, trained)
        wanted = [f"F{i:07}" for i in range(invoices - 100, invoices)]
        began = time.process_time()
        table = score(ledger, trained.as_of, trained.bundle, invoices=wanted)
        seconds[invoices] = time.process_time() - began
        assert table.num_rows > 50
        tracemalloc.start()
        score(ledger, trained.as_of, trained.bundle, invoices=wanted)
        peaks[invoices] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[more] < 1.25 * more / fewer * peaks[fewer]
    assert not is_thorough or seconds[more] < 12 * seconds[fewer], seconds


def test_a85_the_curve_looks_at_the_last_invoices_only(trained: Trained) -> None:
    prepared = landmarks.prepare(one_customer(20_000, trained))
    day = np.full(50, trained.as_of, np.int32)
    first, last = prepared.records.recent(np.zeros(50, np.int32), day - np.arange(50))
    a_day = 20_000 / 1_095
    assert (last - first).max() < MOST_INVOICES + 4 * a_day


@pytest.mark.parametrize("settled", [0, 1, 2])
def test_a86_a_customer_with_few_invoices_is_scored_by_its_peers(
    trained: Trained, settled: int
) -> None:
    rows = payer("new", [1] * settled, until=trained.as_of, open_for=-10)
    row = ask(rows, trained)[f"new-{settled:03}"]
    assert row["history_level"] == ("thin" if settled else "none")
    p = [row[name] for name in PROBABILITY_COLUMNS]
    assert p == sorted(p, reverse=True)
    assert all(0 < value < 1 for value in p)
    assert row["action"]["code"]
    told = row["base_probability"] + sum(reason["points"] for reason in row["reasons"])
    assert told == pytest.approx(row[row["reasons_for"]], abs=1e-9)


def test_a86_a_customers_very_first_invoice_is_scored_on_its_day(trained: Trained) -> None:
    rows = payer("new", [], until=trained.as_of, open_for=-30)
    row = ask(rows, trained, invoices=["new-000"])["new-000"]
    assert row["history_level"] == "none"
    assert row["signals"] == []
    assert ask(rows, trained) == {}  # not yet known when the day opened


def test_a86_a_customer_that_is_not_in_the_customers_table_is_scored(trained: Trained) -> None:
    rows = payer("lost", [4] * 12, until=trained.as_of, open_for=3)
    row = ask({**rows, "customers": []}, trained)["lost-012"]
    assert (row["customer_id"], row["customer_name"]) == ("lost", None)


def test_a86_a_customer_without_invoices_has_no_scores(trained: Trained, usual: Rows) -> None:
    idle = [*usual["customers"], {"customer_id": "idle"}]
    assert ask({**usual, "customers": idle}, trained) == ask(usual, trained)


def test_a92_a_ledger_of_identical_rows_is_refused_with_the_reason(trained: Trained) -> None:
    begin = trained.as_of - 500
    same = {"customer_id": "C1", "issue_date": begin, "due_date": begin + 30, "amount_cents": 100}
    invoices = [{"invoice_id": f"F{i}", **same, "amount_cents": 50_000} for i in range(600)]
    payments = [
        {"invoice_id": row["invoice_id"], "paid_on": begin + 90, "amount_cents": 50_000}
        for row in invoices
    ]
    ledger = to_ledger(
        {"customers": [{"customer_id": "C1"}], "invoices": invoices, "payments": payments}
    )
    with pytest.raises(NotEnoughHistory, match="training needs"):
        backtest.train(ledger, cut_off=trained.as_of)


def test_a92_a_ledger_without_payments_is_refused_with_the_reason(usual: Rows) -> None:
    with pytest.raises(NotEnoughHistory, match="needs payments, got: a ledger without any"):
        backtest.train(
            to_ledger({**usual, "payments": []}), cut_off=usual["invoices"][-1]["due_date"]
        )


def blinded(trained: Trained, *names: str) -> np.ndarray:
    """The curve of some invoices when these features are missing from all of them."""
    some = trained.some(60)
    known = some.features.copy()
    known[:, [some.feature_names.index(name) for name in names]] = np.nan
    ahead = np.tile(np.arange(0, 180, 15, dtype=np.int32), (60, 1))
    return trained.model.predict_curve(replace(some, features=known), ahead)


@pytest.mark.parametrize("name", [*features.BOOK][::9])
def test_a93_without_any_one_feature_the_curve_stays_a_curve(trained: Trained, name: str) -> None:
    curve = blinded(trained, name)
    assert (np.diff(curve, axis=1) <= 0).all()
    assert ((curve > 0) & (curve < 1)).all()


def test_a93_without_all_features_the_customers_own_curve_still_tells_payers_apart(
    trained: Trained,
) -> None:
    blind = blinded(trained, *features.BOOK)
    assert (np.diff(blind, axis=1) <= 0).all()
    assert blind[:, 4].std() > 0.01


def test_a93_a_feature_that_is_missing_is_no_reason_with_a_value(
    trained: Trained, usual: Rows
) -> None:
    """A model without peers: what they would say is missing, and no number is made up for it."""
    empty = replace(trained.model, peers=Peers.empty().as_columns())
    table = score(to_ledger(usual), trained.as_of, replace(trained.bundle, model=empty))
    (row,) = table.to_pylist()
    for reason in row["reasons"]:
        if reason["feature"] is not None and reason["feature"].startswith("peer_"):
            assert reason["value"] is None
    told = row["base_probability"] + sum(reason["points"] for reason in row["reasons"])
    assert told == pytest.approx(row[row["reasons_for"]], abs=1e-9)
