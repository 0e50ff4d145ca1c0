from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, drawn, ledger_rows, to_ledger
from reference.kpis import kpis as slow_kpis
from thorough import examples

from pipelines import kpis
from pipelines.kpi_record import KpiRecord
from pipelines.ledger import Ledger
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.store import ScoreStore

# Day 120 is 30 April 2024; the period of 90 days begins on day 30, a month before is day 90.
COMPANY = """
    invoices invoice_id customer_id issue_date due_date amount
    A C1 0   30  1000.00
    B C1 40  80  2000.00
    C C2 100 130 3000.00
    D C2 60  70  400.00
    payments invoice_id paid_on amount
    A 50  1000.00
    B 90  500.00
    credit_notes invoice_id customer_id issued_on amount
    D C2 61 100.00
    disputes invoice_id opened_on amount
    B 100 600.00
    promises invoice_id made_on promised_date
    A 40 50
    B 95 110
"""


def flat(told: kpis.Kpis) -> dict[str, object]:
    """The figures under one name each, as the slow reference names them."""
    found = {}
    for name, value in told.items():
        inner = value if isinstance(value, dict) else {None: value}
        found.update({f"{name}.{key}" if key else name: of for key, of in inner.items()})
    return {name: of for name, of in found.items() if name not in ("as_of", "period_days")}


def test_the_figures_of_a_small_company_are_those_worked_by_hand() -> None:
    told = kpis.of(to_ledger(drawn(COMPANY)), BASE + 120)

    # open: B 1,500 (40 days late), C 3,000 (not due), D 300 (50 days late); then A was open
    assert told["receivables_cents"] == 4_800_00
    assert told["opening_receivables_cents"] == 1_000_00
    assert told["sales_cents"] == (2_000 + 3_000 + 400 - 100) * 100
    assert told["ageing_cents"] == {
        "not_due": 3_000_00,
        "days_1_30": 0,
        "days_31_60": 1_800_00,
        "days_61_90": 0,
        "days_over_90": 0,
    }
    assert told["dso_days"] == pytest.approx(4800 / 5300 * 90)
    assert told["best_possible_dso_days"] == pytest.approx(3000 / 5300 * 90)
    assert told["add_days"] == pytest.approx(1800 / 5300 * 90)
    # months back: 3,000 sold in 90-120 uses 30 days, 300 in 60-90 another 30, 1,500 of the 2,000
    # before that 22.5; then nothing is left
    assert told["count_back_dso_days"] == pytest.approx(30 + 30 + 1500 / 2000 * 30)
    assert told["cei_percent"] == pytest.approx((1000 + 5300 - 4800) / (1000 + 5300 - 3000) * 100)
    # a month before, B (2,000) was 10 and D (300) 20 days late and nothing was not due
    assert told["roll_rates"]["days_1_30_to_days_31_60"] == pytest.approx(1800 / 2300)
    assert told["roll_rates"]["not_due_to_days_1_30"] is None
    assert (told["payments"], told["average_days_late"]) == (2, (20 + 10) / 2)
    assert told["late_payment_share"] == 1.0
    assert (told["promises"], told["promise_kept_share"]) == (2, 0.5)
    assert told["disputed_share"] == pytest.approx(600 / 4800)
    assert told["at_risk_share"] == 0.0


@settings(max_examples=examples(50), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE - 10, BASE + 600))
def test_a_plain_reference_tells_the_same(rows: dict, as_of: int) -> None:
    found, expected = flat(kpis.of(to_ledger(rows), as_of)), slow_kpis(rows, as_of)

    assert found.keys() == expected.keys()
    for name, value in expected.items():
        exact = isinstance(value, int) or value is None
        assert found[name] == (value if exact else pytest.approx(value, rel=1e-12)), name


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE, BASE + 500))
def test_what_comes_after_the_day_changes_nothing(rows: dict, as_of: int) -> None:
    ledger = to_ledger(rows)
    assert kpis.of(ledger, as_of) == kpis.of(ledger.known_before(as_of), as_of)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE, BASE + 500))
def test_slices_add_up_to_the_whole(rows: dict, as_of: int) -> None:
    ledger = to_ledger(rows)
    first = np.array([row["customer_id"] == "C0" for row in rows["invoices"]], bool)
    whole, one, rest = (kpis.of(ledger, as_of, among=among) for among in (None, first, ~first))
    for name in ("receivables_cents", "sales_cents", "payments", "promises"):
        assert whole[name] == one[name] + rest[name]
    for bucket, amount in whole["ageing_cents"].items():
        assert amount == one["ageing_cents"][bucket] + rest["ageing_cents"][bucket]


def test_an_empty_ledger_has_no_figures_and_no_fault() -> None:
    told = kpis.of(Ledger.of(), BASE)
    assert told["receivables_cents"] == told["sales_cents"] == 0
    assert told["dso_days"] is told["cei_percent"] is told["average_days_late"] is None


def test_a_night_notes_its_own_figures_and_the_months_before() -> None:
    noted = kpis.noted(to_ledger(drawn(COMPANY)), BASE + 120)

    assert noted["now"]["as_of"] == "2024-04-30"
    assert [told["as_of"] for told in noted["history"]] == ["2024-04-01"]  # 90 days after day 0
    assert noted["history"][0] == kpis.of(to_ledger(drawn(COMPANY)), BASE + 91)


def test_the_figures_of_the_nights_kept_are_read_by_day(tmp_path) -> None:
    store = ScoreStore(tmp_path)
    ledger = to_ledger(drawn(COMPANY))
    nothing = pa.Table.from_pylist([], schema=SCORE_SCHEMA)
    for day in (119, 120):
        facts = {"kpis": kpis.noted(ledger, BASE + day)}
        with store.writing() as run:
            store.publish(
                date.fromisoformat(facts["kpis"]["now"]["as_of"]), nothing, run=run, facts=facts
            )

    days = [told["as_of"] for told in kpis.history(store)]
    assert days == ["2024-04-01", "2024-04-29", "2024-04-30"]


def test_the_figures_of_nights_that_went_are_still_told(tmp_path) -> None:
    store, record = ScoreStore(tmp_path), KpiRecord(ScoreStore(tmp_path))
    ledger = to_ledger(drawn(COMPANY))
    old = kpis.of(ledger, BASE - 45)  # the first of a month of which the ledger has nothing
    record.keep([old, kpis.of(ledger, BASE + 118)])
    record.keep([kpis.of(ledger, BASE + 118)])
    assert old["as_of"] == "2023-11-17"
    assert [told["as_of"] for told in kpis.history(store)] == ["2023-11-17", "2024-04-28"]

    first = {**old, "as_of": "2023-11-01"}
    noted = kpis.noted(ledger, BASE + 120, recorded={**record.read(), "2023-11-01": first})
    assert noted["history"][0] == first
    assert [told["as_of"] for told in noted["history"]] == ["2023-11-01", "2024-04-01"]


def test_a_file_of_the_record_that_is_damaged_is_passed_over(tmp_path) -> None:
    record = KpiRecord(ScoreStore(tmp_path))
    record.keep([{"as_of": "2025-12-31"}, {"as_of": "2026-01-01"}])
    (record.root / "2025.json").write_text("{")
    assert list(record.read()) == ["2026-01-01"]


def test_what_is_due_on_the_day_is_not_late_before_the_day_has_ended() -> None:
    drawing = "invoices invoice_id customer_id issue_date due_date amount\nA C 0 30 10.00"
    days = {
        day: kpis.of(to_ledger(drawn(drawing)), BASE + day)["ageing_cents"]
        for day in (30, 31, 60, 61, 120, 121)
    }
    held = [next(name for name, cents in ageing.items() if cents) for ageing in days.values()]
    assert held == [
        "not_due",
        "days_1_30",
        "days_1_30",
        "days_31_60",
        "days_61_90",
        "days_over_90",
    ]
