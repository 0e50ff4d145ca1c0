"""Training on a cluster: the whole ledger's labels, trees as good, and the same trees twice."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.late_payment import LatePaymentModel
from pipelines import backtest, buckets, cluster_training, trees_on_dask, workers
from pipelines.judged import CURVE, OURS, judged
from tests.trained import Trained


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with workers.local_cluster(2) as address:
        yield address


@pytest.fixture(scope="module")
def partitioned(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("on_cluster") / "buckets"
    return buckets.partition(trained.ledger, to, partitions=3)


@pytest.fixture(scope="module")
def model(
    cluster: str, trained: Trained, partitioned: Path, tmp_path_factory: pytest.TempPathFactory
) -> LatePaymentModel:
    work = tmp_path_factory.mktemp("tables")
    return cluster_training.train(
        partitioned, work=work, cut_off=trained.as_of, scheduler=cluster, seed=0
    )


def test_what_is_learned_from_is_what_is_learned_from_in_one_piece(
    trained: Trained, model: LatePaymentModel
) -> None:
    own, facts = trained.model.facts, model.facts

    for told in ("snapshots", "labels", "parameters", "inputs", "feature_book"):
        assert facts[told] == own[told]
    assert facts["blend"]["near"]["labels"] == own["blend"]["near"]["labels"]
    assert facts["blend"]["near"]["log_loss"]["0.0"] == pytest.approx(
        own["blend"]["near"]["log_loss"]["0.0"]
    )
    assert model.usual == trained.model.usual
    assert model.curve_base == pytest.approx(trained.model.curve_base)
    assert facts["cluster"] == {"workers": 2, "buckets": 3}


def test_its_trees_are_those_of_any_model_and_know_nothing_of_the_network(
    trained: Trained, model: LatePaymentModel, tmp_path: Path
) -> None:
    model.save(tmp_path)
    again = LatePaymentModel.load(tmp_path)
    again.check_golden()

    own, told = (
        {line.partition(":")[0]: line for line in text.splitlines() if line.startswith("[")}
        for text in (trained.model.tree_text, model.tree_text)
    )
    differ = {name for name in own.keys() | told.keys() if own.get(name) != told.get(name)}
    assert "127.0.0.1" not in model.tree_text
    assert differ <= {"[tree_learner", "[pre_partition", "[num_threads"}


def test_it_is_within_the_noise_of_the_model_of_one_piece(
    trained: Trained, model: LatePaymentModel
) -> None:
    """Two models of one recipe: the difference is small beside its error over customers."""
    near = [m.facts["blend"]["near"]["log_loss"]["1.0"] for m in (model, trained.model)]
    assert abs(near[0] - near[1]) < 0.01

    told = backtest.predict(trained.ledger, model, origin=trained.as_of - 30)
    seen = judged(told, trained.ledger)
    known = ~np.isnan(seen.came)
    assert np.isfinite(seen.said[OURS]).all()
    assert np.corrcoef(seen.said[OURS][known], seen.said[CURVE][known])[0, 1] > 0.5


def test_the_same_buckets_and_seed_give_the_same_trees(
    cluster: str, trained: Trained, partitioned: Path, model: LatePaymentModel, tmp_path: Path
) -> None:
    again = cluster_training.train(
        partitioned, work=tmp_path, cut_off=trained.as_of, scheduler=cluster, seed=0
    )

    assert again.tree_text == model.tree_text
    assert again.facts == model.facts  # the trees that were judged on the last window were the same


def test_the_text_of_trees_grown_without_a_network_stays_as_it_is(trained: Trained) -> None:
    text = trained.model.tree_text
    touched = text.replace("[machines: ]", "[machines: 10.0.0.7:1234,10.0.0.8:99]")

    assert touched != text
    assert trees_on_dask.without_network(touched) == text
