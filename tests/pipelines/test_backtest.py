"""The back-test: the columns the judge reads, and nothing known later than each origin."""

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.bundle import Bundle, Manifest
from models.horizons import HORIZONS_DAYS, PROBABILITY_COLUMNS, column
from pipelines import backtest, sources, synthetic
from pipelines.backtest import (
    AVERAGE,
    CURVE,
    CURVE_COLUMNS,
    DATE_COLUMNS,
    DUE_DATE,
    ISSUE_DAYS,
    OURS,
    Backtest,
)
from pipelines.job import day_number
from pipelines.ledger import Ledger, days
from pipelines.scoring import score
from pipelines.settlement import is_open, settle

ORIGINS = [day_number(date(2026, 1, 15)), day_number(date(2026, 3, 1))]
DAY, P = pa.date32(), pa.float64()


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return synthetic.generate(customers=15, months=18, seed=9)[0]


@pytest.fixture(scope="module")
def told(ledger: Ledger) -> Backtest:
    return backtest.run(ledger, ORIGINS)


def part(told: Backtest, origin: int, test: str) -> pa.Table:
    table = told.predictions
    cut = pc.equal(table["cut"].cast(pa.int32()), origin)
    return table.filter(pc.and_(cut, pc.equal(table["test"], test)))


def test_predictions_have_the_columns_and_types_that_the_judge_reads(told: Backtest) -> None:
    schema = told.predictions.schema
    expected = {
        "invoice_id": pa.string(),
        "cut": DAY,
        "test": pa.string(),
        "as_of": DAY,
        "n_settled": pa.int64(),
    }
    for who in (OURS, CURVE, AVERAGE, DUE_DATE):
        expected |= dict.fromkeys([f"{who}{name}" for name in PROBABILITY_COLUMNS], P)
        expected |= dict.fromkeys([f"{who}{name}" for name in DATE_COLUMNS], DAY)
    assert dict(zip(schema.names, schema.types, strict=True)) == expected
    assert set(told.predictions["test"].to_pylist()) == {"issue", "portfolio"}
    assert days(pc.unique(told.predictions["cut"])).tolist() == ORIGINS


def test_the_ledger_beside_them_has_what_the_judge_needs(told: Backtest) -> None:
    outcomes = told.ledger
    assert outcomes.column_names == ["invoice_id", "cust", "issue", "due", "paid", "amt"]
    assert [outcomes.schema.field(name).type for name in ("issue", "due", "paid")] == [DAY] * 3
    due = outcomes["due"].to_pylist()
    assert all(day.weekday() < 5 for day in due)
    assert 0 < outcomes["paid"].null_count < outcomes.num_rows / 3
    assert pc.count_distinct(outcomes["invoice_id"]).as_py() == outcomes.num_rows


def test_invoices_cancelled_in_full_have_no_outcome(ledger: Ledger, told: Backtest) -> None:
    settled = settle(ledger)
    ids = np.array(ledger.invoices["invoice_id"].to_pylist())
    assert settled.cancelled.any()
    assert not set(ids[settled.cancelled]) & set(told.ledger["invoice_id"].to_pylist())


@pytest.mark.parametrize("origin", ORIGINS)
def test_each_test_asks_about_its_invoices_on_their_days(
    ledger: Ledger, told: Backtest, origin: int
) -> None:
    new, standing = part(told, origin, "issue"), part(told, origin, "portfolio")
    asked = days(new["as_of"])
    assert new.num_rows > 30
    assert ((asked >= origin) & (asked < origin + ISSUE_DAYS)).all()
    assert (days(standing["as_of"]) == origin).all()
    ids = np.array(ledger.invoices["invoice_id"].to_pylist())
    open_then = is_open(settle(ledger), origin)
    assert sorted(standing["invoice_id"].to_pylist()) == sorted(ids[open_then].tolist())


def test_probabilities_and_dates_do_not_contradict_each_other(told: Backtest) -> None:
    table = told.predictions
    for names in (PROBABILITY_COLUMNS, CURVE_COLUMNS):
        p = np.column_stack([table[name].to_numpy() for name in names])
        assert ((p > 0) & (p <= 1)).all()
        assert (np.diff(p, axis=1) <= 0).all()
    for row in table.select(["as_of", "date_lo", "expected_date", "date_hi"]).to_pylist():
        dates = [day for day in row.values() if day is not None]
        assert dates == sorted(dates)


def test_what_comes_on_the_origin_or_later_changes_nothing_said_of_the_portfolio(
    ledger: Ledger, told: Backtest
) -> None:
    origin = ORIGINS[0]
    past = ledger.known_before(origin)
    alone = backtest.run(past, [origin])
    assert alone.predictions.filter(pc.equal(alone.predictions["test"], "portfolio")).equals(
        part(told, origin, "portfolio").combine_chunks()
    )
    assert alone.models[0].tree_text == told.models[0].tree_text


def test_an_issue_is_predicted_from_what_was_known_on_its_own_day(
    ledger: Ledger, told: Backtest
) -> None:
    origin, model = ORIGINS[1], told.models[1]
    new = part(told, origin, "issue")
    for day in pc.unique(new["as_of"]).to_pylist()[::8]:
        mine = new.filter(pc.equal(new["as_of"], pa.scalar(day)))
        then = ledger.known_before(day_number(day) + 1)
        again = backtest.predict(then, model, origin=origin)
        same = again.filter(pc.is_in(again["invoice_id"], value_set=mine["invoice_id"]))
        same = same.filter(pc.equal(same["test"], "issue"))
        assert same.sort_by("invoice_id").equals(mine.sort_by("invoice_id").combine_chunks())


def test_the_back_test_says_what_scoring_says(ledger: Ledger, told: Backtest) -> None:
    origin, model = ORIGINS[0], told.models[0]
    bundle = Bundle(model, "v", Manifest("v", "2026-01-15", {}, {}))
    scored = score(ledger, origin, bundle)
    names = ["invoice_id", *PROBABILITY_COLUMNS, "expected_date", "date_lo", "date_hi"]
    predicted = part(told, origin, "portfolio").select(names).sort_by("invoice_id")
    assert scored.select(names).equals(predicted.combine_chunks())


def test_in_parallel_the_numbers_are_the_same(ledger: Ledger, told: Backtest) -> None:
    parallel = backtest.run(ledger, ORIGINS, workers=2)
    assert parallel.predictions.equals(told.predictions)
    assert parallel.cash.equals(told.cash)
    assert [m.tree_text for m in parallel.models] == [m.tree_text for m in told.models]


def test_what_is_prepaid_is_not_asked_about() -> None:
    invoices = {
        "invoice_id": ["late", "prepaid"],
        "customer_id": ["A", "A"],
        "issue_date": [ORIGINS[0] + 3] * 2,
        "due_date": [ORIGINS[0] + 33] * 2,
        "amount_cents": [10_000, 10_000],
    }
    payments = {"invoice_id": ["prepaid"], "paid_on": [ORIGINS[0]], "amount_cents": [10_000]}
    settled = settle(
        Ledger.of(customers={"customer_id": ["A"]}, invoices=invoices, payments=payments)
    )
    asked = backtest.tests(settled, ORIGINS[0])
    assert asked["issue"][0].tolist() == [0]


def test_progress_is_told_for_each_origin(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(backtest, "train", lambda *_, **__: None)
    monkeypatch.setattr(backtest, "predict", lambda *_, **__: pa.table({"invoice_id": ["F1"]}))
    monkeypatch.setattr(backtest, "cash", lambda *_, **__: pa.table({"week": [1]}))
    backtest.run(ledger, ORIGINS, tell=said.append)
    assert said == [
        "2026-01-15: training", "2026-01-15: predicting",
        "2026-03-01: training", "2026-03-01: predicting",
    ]  # fmt: skip


def judge(shared: Path) -> ModuleType:
    """The judge's own code, loaded from where it lies."""
    spec = importlib.util.spec_from_file_location("judge", shared / "judge" / "evaluate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


@pytest.mark.shared
def test_on_a_real_ledger_the_judge_finds_no_contradiction_and_no_loss_to_the_curve(
    shared: Path,
) -> None:
    pytest.importorskip("scipy")
    ledger = sources.read(shared / "data" / "sap_items", mapping="sap_items").ledger
    some = ledger.customers["customer_id"].combine_chunks()[::4]
    made = backtest.run(ledger.of_customers(some), [day_number(date(2018, 6, 15))])
    predictions, outcomes = made.predictions.to_pandas(), made.ledger.to_pandas()
    assert any(made.models[0].weights)  # else the curve would be judged against itself
    judged = judge(shared)
    for test in ("issue", "portfolio"):
        ours = predictions[predictions["test"] == test]
        curve = ours.assign(**{column(h): ours[f"curve_{column(h)}"] for h in HORIZONS_DAYS})
        found, baseline = (judged.metrics(said, outcomes) for said in (ours, curve))
        assert found["incoherent"] == 0
        assert found["rows"] - found["rejected"] > 500
        for horizon in HORIZONS_DAYS:
            assert found[f"ll{horizon}"] <= baseline[f"ll{horizon}"] + 0.003
