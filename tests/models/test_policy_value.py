"""Policy values: exact by hand, as sure as they say, silent without support."""

from dataclasses import replace

import drawn_logs as world
import numpy as np
import pytest

from models import bootstrap
from models.decision_log import DecisionLog
from models.policy_value import Evaluation

RUNS = 40


def evaluation(seed: int = 0, **drawn: object) -> tuple[world.Drawn, Evaluation]:
    log = world.draw(seed, **{"customers": 150, "each": 4, **drawn})  # type: ignore[arg-type]
    return log, Evaluation.of(log.log, log.reward, folds=2)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = []
    for seed in range(RUNS):
        drawn, judged = evaluation(seed)
        for name, policy in (("careful", world.careful), ("tossing", world.tossing)):
            target, truth = policy(drawn.cases), world.true_value(name)
            for value in (judged.snips(target), judged.doubly_robust(target)):
                held.append(value.lowest <= truth <= value.highest)
    assert 0.80 <= np.mean(held) <= 0.98  # 40 runs of 90 %; the four of a run go together


def test_the_policy_of_the_log_is_worth_what_it_brought() -> None:
    drawn, judged = evaluation()
    own = judged.snips(judged.chances)
    assert np.isclose(own.value, drawn.reward.mean())
    assert np.isclose(own.value, judged.logged().value)
    assert own.largest_weight == pytest.approx(1.0)
    assert np.isclose(own.error, judged.logged().error)


def test_weights_by_hand() -> None:
    log = DecisionLog.of(
        action=["wait", "call"] * 20,
        propensities=[0.5, 0.25] * 20,
        customer=np.arange(40),
        features=np.zeros((40, 1)),
        outcomes={},
    )
    judged = Evaluation.of(log, np.array([1.0, 5.0] * 20))
    half = np.full((40, 2), 0.5)  # weights 1 and 2
    assert judged.snips(half).value == pytest.approx((1 * 1 + 2 * 5) / 3)
    assert judged.snips(half).largest_weight == 2.0


def test_what_every_decision_brings_more_is_what_the_policy_is_worth_more() -> None:
    drawn, judged = evaluation(3)
    target = world.careful(drawn.cases)
    more = Evaluation.of(drawn.log, drawn.reward + 100.0, folds=2)
    assert more.snips(target).value == pytest.approx(judged.snips(target).value + 100)
    assert more.snips(target).error == pytest.approx(judged.snips(target).error)


def test_intervals_are_as_long_as_those_of_a_bootstrap_over_customers() -> None:
    drawn, judged = evaluation(4)
    target = world.tossing(drawn.cases)
    row = np.arange(len(drawn.log))
    weight = target[row, drawn.log.action] / judged.chances[row, drawn.log.action]

    def snips(times: np.ndarray) -> np.ndarray:
        return ((times @ (weight * drawn.reward)) / (times @ weight))[:, None]

    low, high = bootstrap.intervals(snips, drawn.log.customer.astype(np.int64))[0]
    ours = judged.snips(target)
    assert (ours.highest - ours.lowest) / (high - low) == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("tossed", [True, False])
def test_choices_that_were_never_made_are_named_in_every_run(tossed: bool) -> None:
    for seed in range(10):
        of = world.cases(np.random.default_rng(seed), 150, 4)
        never = np.eye(3)[np.where(of.slow > 0.2, 1, 0)]  # nobody is ever called
        drawn, judged = evaluation(seed, chance=never, tossed=tossed)
        for value in (f(world.careful(drawn.cases)) for f in (judged.snips, judged.doubly_robust)):
            assert not value.is_identified
            assert np.isnan([value.value, value.lowest, value.highest, value.error]).all()
            assert "call" in value.lacking
            assert value.unsupported_share > 0.3


def test_a_policy_that_few_customers_speak_for_is_not_told() -> None:
    drawn, judged = evaluation(6)
    few = drawn.log.customer < np.sort(np.unique(drawn.log.customer))[6]
    target = np.where(few[:, None], world.careful(drawn.cases), np.eye(3)[drawn.log.action - 1])
    assert judged.snips(target).lacking.startswith("its choices were made with too few customers")


def test_a_policy_gains_nothing_over_itself_and_the_better_one_over_the_worse() -> None:
    drawn, judged = evaluation(1, customers=500)
    wait, careful = np.eye(3)[np.zeros(len(drawn.log), int)], world.careful(drawn.cases)
    same = judged.gain(careful, over=careful)
    assert (same.value, same.error) == (0.0, 0.0)
    better, worse = judged.gain(careful, over=wait), judged.gain(wait, over=careful)
    assert better.lowest > 0 > worse.highest
    assert better.value == -worse.value
    apart = judged.doubly_robust(careful).value - judged.doubly_robust(wait).value
    assert better.value == pytest.approx(apart)


def test_decisions_whose_reward_is_not_known_yet_are_left_out() -> None:
    drawn, _ = evaluation(2)
    known = np.arange(len(drawn.log)) % 2 == 0
    target = world.careful(drawn.cases)
    half = Evaluation.of(drawn.log, np.where(known, drawn.reward, np.nan), folds=2)
    only = Evaluation.of(drawn.log.take(known), drawn.reward[known], folds=2)
    assert half.doubly_robust(target) == only.doubly_robust(target[known])


def test_a_log_of_nothing_is_worth_nothing_that_can_be_told() -> None:
    drawn, _ = evaluation(2)
    none = Evaluation.of(drawn.log, np.full(len(drawn.log), np.nan))
    target = world.careful(drawn.cases)
    assert not none.snips(target).is_identified
    assert not none.doubly_robust(target).is_identified


def test_a_target_that_is_no_policy_is_refused() -> None:
    drawn, judged = evaluation(0)
    with pytest.raises(ValueError, match="a probability for each"):
        judged.snips(np.ones((3, 3)))
    with pytest.raises(ValueError, match="sum to 1"):
        judged.snips(np.full((len(drawn.log), 3), 0.5))


def test_doubly_robust_needs_only_one_of_its_two_halves() -> None:
    truth, wrong_rewards = world.true_value("careful"), []
    for seed in range(10):
        drawn, judged = evaluation(seed, customers=400)
        target = world.careful(drawn.cases)
        blind = replace(judged, expected=np.zeros_like(judged.expected))
        wrong_rewards.append(blind.doubly_robust(target).value)
    assert np.mean(wrong_rewards) == pytest.approx(truth, abs=1.5)
