import numpy as np
import pytest

from pipelines.contest import CHALLENGER, CHAMPION, CURVE, Contest, decide

ROWS = 4000


def contest(**bent: float) -> Contest:
    """Outcomes of known chances; each contender says the chance, bent on the logit scale."""
    dice = np.random.default_rng(1)
    logit = dice.normal(-1, 1, ROWS)[:, None] - np.arange(4)
    y = (dice.uniform(size=(ROWS, 1)) < 1 / (1 + np.exp(-logit))).astype(float)
    said = {name: 1 / (1 + np.exp(-(logit + bend))) for name, bend in bent.items()}
    tests = np.where(np.arange(ROWS) % 2, "issue", "portfolio")
    return Contest(y, {name.replace("_", " "): p for name, p in said.items()}, tests)


def test_a_challenger_that_equals_the_others_takes_over() -> None:
    verdict = decide(contest(challenger=0, champion=0, customer_curve=0))

    assert verdict.promoted
    assert len(verdict.why) == 4
    assert all("does not lose" in reason for reason in verdict.why)


@pytest.mark.parametrize("better", ["champion", "customer_curve"])
def test_a_challenger_that_loses_to_one_of_them_stays_where_it_is(better: str) -> None:
    said = {"challenger": 0.8, "champion": 0.8, "customer_curve": 0.8, better: 0.0}
    verdict = decide(contest(**said))

    assert not verdict.promoted
    assert any(f"loses to the {better.replace('_', ' ')} (issue)" in why for why in verdict.why)


def test_losing_within_the_noise_is_not_losing() -> None:
    assert decide(contest(challenger=0.03, champion=0, customer_curve=0)).promoted


def test_the_first_model_is_judged_against_the_customer_curve_alone() -> None:
    verdict = decide(contest(challenger=0, customer_curve=0.5))

    assert verdict.promoted
    assert not any(CHAMPION in reason for reason in verdict.why)


def test_losing_on_the_portfolio_alone_is_losing() -> None:
    both = contest(challenger=0, customer_curve=0)
    bad = np.where((both.tests == "portfolio")[:, None], 0.9, both.said[CHALLENGER])

    assert not decide(Contest(both.y, {**both.said, CHALLENGER: bad}, both.tests)).promoted


def test_without_matured_outcomes_there_is_nothing_to_judge() -> None:
    known = contest(challenger=0, customer_curve=0)
    none = np.full_like(known.y, np.nan)

    assert decide(Contest(none, known.said, known.tests)).promoted is False
    assert "nothing to judge" in decide(Contest(none[:0], known.said, known.tests[:0])).why[0]


def test_figures_name_contender_test_metric_and_horizon_and_skip_what_is_not_known() -> None:
    known = contest(challenger=0, customer_curve=0.5)
    known.y[:, 3] = np.nan
    figures = known.figures()

    assert figures["challenger.issue.rows.p_late_0"] == ROWS / 2
    assert (
        figures["challenger.issue.log_loss.p_late_30"]
        < (figures["customer_curve.issue.log_loss.p_late_30"])
    )
    assert not any(name.endswith("p_late_90") for name in figures)
    assert all(np.isfinite(value) for value in figures.values())


def test_reliability_is_the_challengers() -> None:
    groups = contest(challenger=0, customer_curve=2).reliability()

    assert set(groups) == {"p_late_0", "p_late_30", "p_late_60", "p_late_90"}
    assert all(abs(g.predicted - g.observed) < 0.1 for group in groups.values() for g in group)
    assert CURVE not in groups
