"""Scores: every field there and in agreement with the others, whoever asks and beside whatever."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ledgers import Rows, drawn, to_ledger

from models import causes, reasons
from models.horizons import ALL_HORIZONS_DAYS, PROBABILITY_COLUMNS
from models.outlook import BANDS, Economics, lgd
from pipelines import features, scoring
from pipelines.explaining import explained_horizon
from pipelines.ledger import Ledger
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.scoring import score
from pipelines.settlement import open_cents, settle
from tests.trained import Trained, on, payer

MAY_BE_NULL = {
    "customer_name", "company_code", "issue_date", "expected_date", "date_lo", "date_hi",
}  # fmt: skip


@pytest.fixture(scope="module")
def table(trained: Trained) -> pa.Table:
    return score(trained.ledger, trained.as_of, trained.bundle)


def numbers(table: pa.Table, *names: str) -> np.ndarray:
    return np.column_stack([table[name].to_numpy() for name in names])


def ask(rows: Rows, trained: Trained, *invoices: str) -> list[dict[str, object]]:
    wanted = list(invoices) or None
    found = score(to_ledger(rows), trained.as_of, trained.bundle, invoices=wanted)
    return list(found.to_pylist())


def test_every_field_is_there_in_the_schemas_types_and_without_nan(table: pa.Table) -> None:
    assert table.schema.equals(SCORE_SCHEMA)
    assert table.num_rows > 100
    for field in table.schema:
        column = table[field.name]
        assert column.null_count == 0 or field.name in MAY_BE_NULL, field.name
        if pa.types.is_floating(field.type):
            assert np.isfinite(column.to_numpy()).all(), field.name


def test_each_open_invoice_has_one_row_in_the_order_of_the_ids(
    trained: Trained, table: pa.Table
) -> None:
    ids = table["invoice_id"].to_pylist()
    left = open_cents(settle(trained.ledger), trained.as_of)
    everything = trained.ledger.invoices["invoice_id"].to_pylist()
    assert ids == sorted(name for name, cents in zip(everything, left, strict=True) if cents)
    by_id = dict(zip(everything, left.tolist(), strict=True))
    assert table["open_cents"].to_pylist() == [by_id[name] for name in ids]


def test_probabilities_never_rise_with_the_horizon_and_are_1_where_it_has_passed(
    table: pa.Table,
) -> None:
    p = numbers(table, *PROBABILITY_COLUMNS)
    age = table["days_past_due"].to_numpy()
    assert (np.diff(p, axis=1) <= 0).all()
    passed = np.array(ALL_HORIZONS_DAYS) < age[:, None]
    assert (p[passed] == 1).all()
    assert ((p[~passed] > 0) & (p[~passed] < 1)).all()


def test_dates_stand_in_order_from_today_and_agree_with_the_mass_beyond(table: pa.Table) -> None:
    for row in table.to_pylist():
        dates = [row["date_lo"], row["expected_date"], row["date_hi"]]
        told = [day for day in dates if day is not None]
        assert told == sorted(told)
        assert all(day >= row["as_of"] for day in told)
        assert [day is None for day in dates] == [row["mass_beyond"] > q for q in (0.9, 0.5, 0.1)]


def test_the_money_follows_from_the_probabilities(table: pa.Table) -> None:
    left, p90, p180, late = numbers(
        table, "open_cents", "p_late_90", "p_unpaid_180", "expected_days_late"
    ).T
    age = table["days_past_due"].to_numpy()
    expected = {
        "value_at_risk_cents": left * p90,
        "expected_loss_cents": left * p180 * lgd(age, Economics()),
        "cost_of_delay_cents": left * np.maximum(late, 0) * Economics().annual_rate / 365,
    }
    for name, cents in expected.items():
        np.testing.assert_allclose(table[name].to_numpy(), cents, atol=0.501)
    assert (late <= 180).all()
    assert (late >= np.minimum(age, 180)).all()


def test_days_past_due_count_from_the_business_due_date(table: pa.Table) -> None:
    for row in table.to_pylist():
        assert row["due_business_date"] >= row["due_date"]
        assert row["due_business_date"].weekday() < 5
        assert row["as_of"] - row["due_business_date"] == timedelta(days=row["days_past_due"])


def test_base_and_points_are_the_probability(table: pa.Table) -> None:
    for row in table.to_pylist():
        told = row["base_probability"] + sum(r["points"] for r in row["reasons"])
        assert told == pytest.approx(row[row["reasons_for"]], abs=1e-9)


def test_reasons_name_known_causes_and_features_and_end_with_everything_else(
    table: pa.Table,
) -> None:
    for row in table.to_pylist():
        *shown, rest = row["reasons"]
        assert rest["feature_group"] == reasons.EVERYTHING_ELSE
        assert len(shown) <= reasons.REASONS_SHOWN
        sizes = [abs(reason["points"]) for reason in shown]
        assert sizes == sorted(sizes, reverse=True)
        groups = [reason["feature_group"] for reason in shown]
        assert len(set(groups)) == len(groups)
        for reason in shown:
            assert reason["feature_group"] in reasons.CAUSES
            assert reason["feature"] is None or (
                features.BOOK[reason["feature"]].cause == reason["feature_group"]
            )


def test_reasons_are_about_30_days_or_the_next_horizon_ahead() -> None:
    ages = np.array([-200, 0, 30, 31, 60, 61, 90, 91, 180, 181, 900], np.int32)
    expected = [30, 30, 30, 60, 60, 90, 90, 180, 180, 180, 180]
    assert explained_horizon(ages).tolist() == expected


def test_words_come_from_their_lists(table: pa.Table) -> None:
    assert set(table["risk_band"].to_pylist()) <= set(BANDS)
    assert {hint["code"] for hint in table["cause_hint"].to_pylist()} <= set(causes.CODES)
    assert set(table["history_level"].to_pylist()) <= {"rich", "thin", "none"}


def test_actions_are_not_in_the_past_and_signals_not_in_the_future(table: pa.Table) -> None:
    for row in table.to_pylist():
        assert row["action"]["on"] >= row["as_of"]
        assert row["action"]["effect_lo"] <= row["action"]["effect_days"]
        assert row["action"]["effect_days"] <= row["action"]["effect_hi"]
        for signal in row["signals"]:
            assert signal["since"] <= row["as_of"]


def test_asked_again_the_answer_is_the_same_to_the_bit(trained: Trained, table: pa.Table) -> None:
    assert score(trained.ledger, trained.as_of, trained.bundle).equals(table)


def test_one_customer_alone_gets_the_bits_of_the_whole_portfolio(
    trained: Trained, table: pa.Table
) -> None:
    for customer in pc.unique(table["customer_id"]).to_pylist()[::6]:
        own = trained.ledger.of_customers(pa.array([customer]))
        alone = score(own, trained.as_of, trained.bundle)
        assert alone.equals(table.filter(pc.equal(table["customer_id"], customer)))


def test_one_invoice_asked_by_name_gets_the_bits_of_the_whole_portfolio(
    trained: Trained, table: pa.Table
) -> None:
    ids = table["invoice_id"].to_pylist()
    wanted = [ids[40], ids[3], ids[40], "unknown"]
    found = score(trained.ledger, trained.as_of, trained.bundle, invoices=wanted)
    assert found.equals(table.take([3, 40]))


def test_the_order_of_the_ledgers_rows_changes_no_bit(trained: Trained, table: pa.Table) -> None:
    random = np.random.default_rng(0)
    shuffled = {
        name: of.take(pa.array(random.permutation(of.num_rows)))
        for name, of in trained.ledger.tables().items()
    }
    assert score(Ledger(**shuffled), trained.as_of, trained.bundle).equals(table)


def test_blocks_do_not_show(
    trained: Trained, table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "BLOCK", 37)
    assert score(trained.ledger, trained.as_of, trained.bundle).equals(table)


def test_the_past_is_replayed_as_it_was_told_then(trained: Trained) -> None:
    then = trained.as_of - 120
    told = score(trained.ledger.known_before(then), then, trained.bundle)
    assert told.num_rows > 50
    assert score(trained.ledger, then, trained.bundle).equals(told)


def test_an_invoice_issued_on_the_day_is_scored_when_asked_by_name(trained: Trained) -> None:
    rows = payer("C1", [5] * 12, until=trained.as_of, open_for=-30)
    new = rows["invoices"][-1]["invoice_id"]
    assert on(rows["invoices"][-1]["issue_date"]) == on(trained.as_of)
    assert new not in {row["invoice_id"] for row in ask(rows, trained)}
    (row,) = ask(rows, trained, new)
    assert (row["open_cents"], row["days_past_due"]) == (100_000, -30)


def test_an_invoice_paid_in_advance_is_not_asked_about_and_a_part_is_taken_off(
    trained: Trained,
) -> None:
    rows = payer("C1", [5] * 12, until=trained.as_of, open_for=-30)
    new = rows["invoices"][-1]["invoice_id"]
    advance = {"invoice_id": new, "paid_on": trained.as_of - 3, "amount_cents": 40_000}
    rows["payments"].append(advance)
    (row,) = ask(rows, trained, new)
    assert (row["amount_cents"], row["open_cents"]) == (100_000, 60_000)
    advance["amount_cents"] = 100_000
    assert ask(rows, trained, new) == []


def test_later_payers_are_higher_risks_and_cost_more(trained: Trained) -> None:
    answers = [
        ask(payer("C1", [late] * 24, until=trained.as_of, open_for=-10), trained, "C1-024")[0]
        for late in (-3, 10, 25, 60)
    ]
    for name in ("p_late_30", "expected_days_late", "cost_of_delay_cents"):
        found = [row[name] for row in answers]
        assert found == sorted(found), name
        assert found[0] < found[-1]


def test_history_is_rich_from_ten_settled_invoices_thin_from_one(trained: Trained) -> None:
    levels = {}
    for settled in (0, 1, 9, 10):
        rows = payer("C1", [2] * settled, until=trained.as_of, open_for=-2)
        levels[settled] = ask(rows, trained, f"C1-{settled:03}")[0]["history_level"]
    assert levels == {0: "none", 1: "thin", 9: "thin", 10: "rich"}


def test_a_company_sets_its_own_economics(trained: Trained, table: pa.Table) -> None:
    dear = score(
        trained.ledger, trained.as_of, trained.bundle, economics=Economics(annual_rate=0.16)
    )
    assert pc.sum(dear["cost_of_delay_cents"]).as_py() == pytest.approx(
        2 * pc.sum(table["cost_of_delay_cents"]).as_py(), rel=1e-3
    )


@pytest.mark.parametrize(
    "changes",
    [{"facts": {"feature_book": "of another time"}}, {"feature_names": ("n_invoices",)}],
)
def test_a_model_of_another_feature_book_is_refused(
    trained: Trained, changes: dict[str, object]
) -> None:
    other = replace(trained.bundle, model=replace(trained.model, **changes))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"trained on feature book .* run `puntuale train`"):
        score(trained.ledger, trained.as_of, other)


def test_a_ledger_with_nothing_open_has_no_scores(trained: Trained) -> None:
    empty = score(Ledger.of(), trained.as_of, trained.bundle)
    assert empty.equals(SCORE_SCHEMA.empty_table())
    paid = drawn("""
    invoices  invoice_id  customer_id  issue_date  due_date  amount
              F1          A            0           31        100.00
    payments  invoice_id  paid_on  amount
              F1          40       100.00
    """)
    assert ask(paid, trained) == []
