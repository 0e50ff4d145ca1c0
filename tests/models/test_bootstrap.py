"""Bootstrap by clusters: the same from the same seed, and covering on drawn data."""

import numpy as np

from models import bootstrap

Floats = np.ndarray


def mean_of(values: Floats) -> bootstrap.Statistic:
    return lambda weights: ((weights @ values) / weights.sum(axis=1))[:, None]


def test_the_same_seed_gives_the_same_interval() -> None:
    values, cluster = np.arange(60.0), np.arange(60) // 4
    one, two, other = (bootstrap.intervals(mean_of(values), cluster, seed=s) for s in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()


def test_whole_clusters_are_drawn() -> None:
    cluster = np.array([5, 5, 9, 9, 9, 2])

    def equal(weights: Floats) -> Floats:
        assert (weights[:, 0] == weights[:, 1]).all()
        assert (weights[:, 2] == weights[:, 4]).all()
        assert (weights[:, [0, 2, 5]].sum(axis=1) == 3).all()
        return weights.sum(axis=1, keepdims=True)

    assert bootstrap.replicates(equal, cluster).shape == (bootstrap.DRAWS, 1)


def test_intervals_cover_the_truth_of_clustered_data_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(150):
        random = np.random.default_rng(seed)
        values = np.repeat(random.normal(size=80), 6) + random.normal(size=480)
        low, high = bootstrap.intervals(mean_of(values), np.repeat(np.arange(80), 6), seed=seed)[0]
        covered += low <= 0 <= high
    assert 0.82 <= covered / 150 <= 0.96  # rows taken as independent would cover half of the time


def test_a_figure_that_can_seldom_be_told_has_no_interval() -> None:
    def never(weights: Floats) -> Floats:
        return np.full((len(weights), 1), np.nan)

    assert np.isnan(bootstrap.intervals(never, np.arange(5))).all()


def test_drawing_in_parts_changes_nothing(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    values, cluster = np.arange(40.0), np.arange(40) // 3
    whole = bootstrap.replicates(mean_of(values), cluster)
    monkeypatch.setattr(bootstrap, "_CELLS", 80)
    assert np.allclose(bootstrap.replicates(mean_of(values), cluster), whole, rtol=1e-13)
