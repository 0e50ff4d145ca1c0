"""How a model learns: all of it here unless a sample or a cluster is asked for, never both."""

from pathlib import Path

import pytest

from pipelines.learning import Learning, LearningRefused
from pipelines.settings import Settings
from tests.trained import Trained


def settings(home: Path, scheduler: str | None = None) -> Settings:
    return Settings(_env_file=None, home=home, dask_scheduler=scheduler)  # type: ignore[call-arg]


def test_a_cluster_that_nobody_named_is_refused_with_the_setting_that_names_one(
    tmp_path: Path,
) -> None:
    with pytest.raises(LearningRefused, match="needs PUNTUALE_DASK_SCHEDULER"):
        Learning.of(settings(tmp_path), share=None, on_cluster=True)


def test_a_named_cluster_is_used_only_where_it_is_asked_for(tmp_path: Path) -> None:
    named = settings(tmp_path, "tcp://10.0.0.7:8786")

    assert Learning.of(named, share=None, on_cluster=False).scheduler is None
    assert Learning.of(named, share=None, on_cluster=True).scheduler == "tcp://10.0.0.7:8786"


def test_a_sample_and_a_cluster_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LearningRefused, match="a sample or a cluster, got both"):
        Learning.of(settings(tmp_path, "local"), share=0.3, on_cluster=True)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(LearningRefused, match="share must be above 0 and at most 1"):
        Learning(share)


def test_a_sample_is_learned_from_and_leaves_nothing_behind(
    trained: Trained, tmp_path: Path
) -> None:
    model = Learning(0.6, work=tmp_path / "training").train(trained.ledger, cut_off=trained.as_of)
    least, most = model.facts["sample"]["weights"]

    assert model.facts["sample"]["share"] == 0.6
    assert 1 <= least <= most
    assert list((tmp_path / "training").iterdir()) == []


def test_features_that_are_not_looked_at_are_not_learned_from(trained: Trained) -> None:
    kept = trained.model.feature_names[::2]
    model = Learning(0.6).train(trained.ledger, cut_off=trained.as_of, looking_at=kept)

    assert model.feature_names == tuple(kept)


def test_with_another_share_a_cluster_is_not_asked(tmp_path: Path) -> None:
    on_cluster = Learning(scheduler="tcp://10.0.0.7:8786", work=tmp_path)

    assert on_cluster.with_share(0.2).scheduler is None
    assert on_cluster.with_share(None) == on_cluster
