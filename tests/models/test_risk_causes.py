import pytest

from models.risk_causes import RiskCause, risk_causes


def told(**points: float) -> list[dict[str, object]]:
    return [{"feature_group": cause, "points": value} for cause, value in points.items()]


def test_a_cause_adds_its_points_of_what_is_open_of_each_invoice():
    reasons = [
        told(delay_level=0.2, everything_else=0.5),
        told(peers=-0.1, delay_level=0.1, everything_else=-0.4),
    ]
    assert risk_causes(reasons, [10_000, 30_000]) == [
        RiskCause("delay_level", 5_000, 0.125),
        RiskCause("peers", -3_000, -0.075),
        RiskCause("everything_else", -7_000, -0.175),
    ]


def test_causes_add_up_to_what_is_expected_late_beyond_the_base():
    reasons = [told(time=0.31, peers=0.02, everything_else=-0.01), told(time=-0.05)]
    base, open_cents, p = 0.2, [812_345, 1_999], [0.2 + 0.32, 0.2 - 0.05]
    late = sum(c * probability for c, probability in zip(open_cents, p, strict=True))
    found = risk_causes(reasons, open_cents)
    assert sum(cause.cents for cause in found) == pytest.approx(
        late - base * sum(open_cents), abs=2
    )


def test_of_no_invoices_there_are_no_causes_and_of_no_money_no_points():
    assert risk_causes([], []) == []
    assert risk_causes([told(time=0.3)], [0]) == [RiskCause("time", 0, 0.0)]
