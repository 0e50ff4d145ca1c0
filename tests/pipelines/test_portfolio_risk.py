import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.risk_causes import risk_causes
from pipelines.portfolio_risk import risk_of
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.scoring import score
from tests.trained import small

NEEDED = ("open_cents", "value_at_risk_cents", "base_probability", "reasons", "cause_hint")
CAUSES = ("delay_level", "peers", "time", "exposure")


def table(*rows: dict[str, object]) -> pa.Table:
    """Scores with the columns that are summed."""
    names = (*NEEDED, "signals")
    schema = pa.schema([SCORE_SCHEMA.field(name) for name in names])
    return pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], schema)


def invoice(
    open_cents: int,
    at_risk: int,
    points: dict[str, float],
    *,
    hint: str = "habit",
    signals: tuple[str, ...] = (),
) -> dict[str, object]:
    told = sorted(points.items(), key=lambda item: -abs(item[1]))
    return {
        "open_cents": open_cents,
        "value_at_risk_cents": at_risk,
        "base_probability": 0.25,
        "reasons": [{"feature_group": cause, "points": value} for cause, value in told]
        + [{"feature_group": "everything_else", "points": 0.0}],
        "cause_hint": {"code": hint, "evidence": []},
        "signals": [{"code": code, "severity": "low"} for code in signals],
    }


def test_value_at_risk_is_that_of_the_reason_that_raises_an_invoice_most() -> None:
    risk = risk_of(
        table(
            invoice(1_000, 300, {"peers": -0.5, "time": 0.2, "delay_level": 0.1}),
            invoice(2_000, 50, {"time": 0.3}),
            invoice(4_000, 7, {"peers": -0.2}),  # nothing raises it
        )
    )
    by_cause = {cause["feature_group"]: cause["value_at_risk_cents"] for cause in risk["causes"]}
    assert by_cause == {"time": 350, "peers": 0, "delay_level": 0, "everything_else": 7}
    assert risk["causes"][-1]["feature_group"] == "everything_else"


def test_hints_and_warnings_sum_the_invoices_that_carry_them() -> None:
    risk = risk_of(
        table(
            invoice(1_000, 300, {}, signals=("first_late", "delay_drift")),
            invoice(2_000, 50, {}, hint="unknown", signals=("first_late",)),
            invoice(4_000, 7, {}),
        )
    )
    names = ("code", "invoices", "open_cents", "value_at_risk_cents")
    assert [tuple(hint[name] for name in names) for hint in risk["cause_hints"]] == [
        ("habit", 2, 5_000, 307),
        ("unknown", 1, 2_000, 50),
    ]
    assert [tuple(signal[name] for name in names) for signal in risk["signals"]] == [
        ("first_late", 2, 3_000, 350),
        ("delay_drift", 1, 1_000, 300),
    ]


def test_of_no_invoices_nothing_is_at_risk() -> None:
    risk = risk_of(table())
    assert (risk["invoices"], risk["late_cents"], risk["value_at_risk_cents"]) == (0, 0, 0)
    assert (risk["cause_hints"], risk["signals"]) == ([], [])


points = st.dictionaries(st.sampled_from(CAUSES), st.floats(-0.2, 0.2), max_size=4)
invoices = st.builds(invoice, st.integers(0, 10**9), st.integers(0, 10**9), points)


@given(st.lists(invoices, max_size=12))
def test_causes_are_those_of_the_reasons_one_by_one_and_shares_of_risk_add_up(
    rows: list[dict[str, object]],
) -> None:
    risk = risk_of(table(*rows))
    one_by_one = risk_causes([row["reasons"] for row in rows], [row["open_cents"] for row in rows])
    assert [
        (cause["feature_group"], cause["cents"], cause["points"]) for cause in risk["causes"]
    ] in ([tuple(cause) for cause in one_by_one], [("everything_else", 0, 0.0)])
    at_risk = sum(cause["value_at_risk_cents"] for cause in risk["causes"])
    assert at_risk == risk["value_at_risk_cents"]


def test_base_and_causes_are_what_is_expected_late() -> None:
    scores = score(small().ledger, small().as_of, small().bundle)
    risk = risk_of(scores)
    late = sum(row["open_cents"] * row[row["reasons_for"]] for row in scores.to_pylist())
    assert risk["late_cents"] == pytest.approx(late, abs=len(risk["causes"]) + 1)
    assert len(risk["causes"]) > 5
    assert sum(hint["invoices"] for hint in risk["cause_hints"]) == scores.num_rows
