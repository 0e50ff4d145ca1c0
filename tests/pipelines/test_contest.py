from dataclasses import replace

import numpy as np
import pytest

from pipelines.contest import CHALLENGER, CHAMPION, CURVE, Contest, decide, difference

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
    assert len(verdict.why) == 5
    assert verdict.why[0].startswith("tells late from not late: AUC 0.7")
    assert all("does not lose" in reason for reason in verdict.why[1:])


@pytest.mark.parametrize("better", ["champion", "customer_curve"])
def test_a_challenger_that_loses_to_one_of_them_stays_where_it_is(better: str) -> None:
    said = {"challenger": 0.8, "champion": 0.8, "customer_curve": 0.8, better: 0.0}
    verdict = decide(contest(**said))

    assert not verdict.promoted
    assert any(f"loses to the {better.replace('_', ' ')} (issue)" in why for why in verdict.why)


def test_f28_a_challenger_that_knows_too_much_stays_where_it_is() -> None:
    known = contest(challenger=0, champion=0, customer_curve=0)
    leaked = {**known.said, CHALLENGER: 0.8 * known.said[CHALLENGER] + 0.2 * known.y}
    verdict = decide(replace(known, said=leaked))

    assert not verdict.promoted
    assert any(why.startswith("too good to be believed: AUC +0.") for why in verdict.why)
    first = replace(known, said={name: p for name, p in leaked.items() if name != CHAMPION})
    assert decide(first).promoted, "without a champion there is no jump"


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


def test_a_challenger_whose_skill_cannot_be_told_from_none_stays_where_it_is() -> None:
    known = contest(challenger=0, customer_curve=0)
    guesses = np.sort(np.random.default_rng(2).uniform(size=known.y.shape), axis=1)[:, ::-1]
    blind = dict.fromkeys((CHALLENGER, CURVE), guesses)
    verdict = decide(Contest(known.y, blind, known.tests, weights=(0.0, 0.0)))

    assert not verdict.promoted
    assert verdict.why[0].startswith("no skill that can be told from none: AUC 0.")
    assert "the trees' weights are 0 and 0: the customer's curve answers" in verdict.why[0]


def test_outcomes_that_are_all_alike_show_no_skill() -> None:
    known = contest(challenger=0, customer_curve=0)
    verdict = decide(Contest(np.ones_like(known.y), known.said, known.tests))

    assert not verdict.promoted
    assert "all outcomes of the window are alike" in verdict.why[0]


def test_one_customers_rows_count_as_one_customers_luck() -> None:
    known = contest(challenger=0.1, customer_curve=0)
    rows = known.tests == "issue"
    alone = difference(known, CHALLENGER, CURVE, rows)
    together = difference(replace(known, customers=np.arange(ROWS) // 400), CHALLENGER, CURVE, rows)

    assert together[0] == alone[0]
    assert together[1] != alone[1]


def test_who_is_not_compared_is_named_with_the_reason() -> None:
    told = replace(contest(challenger=0, customer_curve=0), notes=("the champion is too young",))

    assert decide(told).why[-1] == "the champion is too young"
