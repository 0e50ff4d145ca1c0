import numpy as np
import pytest

from models import drift, metrics
from models.drift import Reference


def customers(count: int, each: int) -> np.ndarray:
    return np.repeat(np.arange(count), each)


def test_rows_of_the_same_spread_have_no_index_to_speak_of() -> None:
    dice = np.random.default_rng(0)
    reference = Reference.of(dice.normal(size=20_000))
    now = dice.normal(size=2_000)

    seen = drift.stability_interval(reference, now, customers(400, 5))
    assert drift.stability(reference, now) < 0.02
    assert seen.low < 0.01


def test_few_rows_of_the_same_spread_are_not_called_drift_though_their_index_is_high() -> None:
    dice = np.random.default_rng(1)
    reference = Reference.of(dice.normal(size=20_000))
    seen = [
        drift.stability_interval(reference, dice.normal(size=40), customers(40, 1), seed=seed)
        for seed in range(40)
    ]

    assert np.mean([s.value for s in seen]) > 0.15
    assert np.mean([s.low > 0.25 for s in seen]) < 0.05


def test_a_shifted_feature_is_seen_and_so_is_one_that_goes_missing() -> None:
    dice = np.random.default_rng(2)
    reference = Reference.of(dice.normal(size=20_000))
    shifted = dice.normal(size=1_000) + 1
    gone = np.where(np.arange(1_000) % 2, np.nan, dice.normal(size=1_000))

    for now in (shifted, gone):
        assert drift.stability_interval(reference, now, customers(500, 2)).low > 0.25


def test_customers_with_many_rows_make_the_interval_wider() -> None:
    dice = np.random.default_rng(3)
    level = np.repeat(dice.normal(size=50), 20)
    alone = drift.mean(level, np.arange(1_000))
    together = drift.mean(level, customers(50, 20))

    assert together.value == alone.value
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_reference_comes_back_from_its_facts_and_keeps_what_many_share_apart() -> None:
    values = np.array([0.0] * 700 + [1.0] * 200 + [2.0] * 50 + [np.nan] * 50)
    reference = Reference.of(values)

    assert Reference.from_facts(reference.as_facts()) == reference
    assert sum(reference.shares) == pytest.approx(1)
    assert reference.shares[-1] == 0.05
    assert drift.stability(reference, values) == 0


def test_a_feature_never_known_has_one_bin_and_no_drift_while_it_stays_so() -> None:
    nothing = np.full(100, np.nan)

    assert drift.stability(Reference.of(nothing), nothing) == 0
    assert drift.stability(Reference.of(nothing), np.zeros(100)) > 1


def test_the_auc_is_the_metrics_own_and_its_interval_holds_the_truth_of_noise() -> None:
    dice = np.random.default_rng(4)
    covered = 0
    for seed in range(40):
        y, p = (dice.random(400) < 0.4).astype(float), dice.random(400)
        seen = drift.auc(y, p, customers(80, 5), seed=seed)
        assert seen.value == metrics.auc(y, p)
        covered += seen.covers(0.5)

    assert 34 <= covered <= 40  # 38 expected


def test_an_auc_with_one_side_empty_is_not_a_number() -> None:
    seen = drift.auc(np.zeros(10), np.linspace(0, 1, 10), np.arange(10))

    assert np.isnan([seen.value, seen.low, seen.high]).all()
    assert not seen.covers(0.5)
