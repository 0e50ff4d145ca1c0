"""Training on a sample: whole customers, drawn with known chances, that stand for all of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines import backtest, buckets, dataset, sampling
from pipelines.sampling import Sample
from pipelines.settlement import settle
from tests.trained import Trained


@pytest.fixture(scope="module")
def partitioned(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("sampled") / "buckets"
    return buckets.partition(trained.ledger, to, partitions=3)


@pytest.fixture(scope="module")
def sample(trained: Trained, partitioned: Path) -> Sample:
    return sampling.draw(partitioned, cut_off=trained.as_of, share=0.5)


def test_of_each_customer_drawn_all_of_its_past_is_there(trained: Trained, sample: Sample) -> None:
    drawn = sorted(sample.chance)
    known = trained.ledger.known_before(trained.as_of).of_customers(pa.array(drawn))

    assert 0 < len(drawn) < sample.customers == trained.ledger.customers.num_rows
    for name, table in known.tables().items():
        assert sample.ledger.tables()[name].num_rows == table.num_rows
    assert set(sample.ledger.invoices["customer_id"].unique().to_pylist()) <= set(drawn)


def test_peers_and_cohorts_are_those_of_the_whole_ledger(trained: Trained, sample: Sample) -> None:
    order = [(name, "ascending") for name in ("kind", "value", "known_day")]
    peers, known = sample.peers.as_columns(), trained.model.cohorts

    assert peers.sort_by(order).equals(trained.model.peers.sort_by(order))
    assert sample.cohorts.names == known.names
    assert sample.cohorts.observed_from == known.observed_from
    assert (sample.cohorts.hazards == known.hazards).all()


def test_weights_make_the_sample_as_large_as_the_ledger(
    trained: Trained, partitioned: Path
) -> None:
    totals = []
    for seed in range(12):
        drawn = sampling.draw(partitioned, cut_off=trained.as_of, share=0.5, seed=seed)
        totals.append(drawn.weights(pa.array(sorted(drawn.chance))).sum())

    error = np.std(totals) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - trained.ledger.customers.num_rows) < 4 * error


def test_the_draw_depends_on_the_customer_and_the_seed_alone(
    trained: Trained, partitioned: Path, sample: Sample, tmp_path: Path
) -> None:
    other = buckets.partition(trained.ledger, tmp_path / "buckets", partitions=7)
    again = sampling.draw(other, cut_off=trained.as_of, share=0.5)
    different = sampling.draw(partitioned, cut_off=trained.as_of, share=0.5, seed=1)

    assert again.chance == pytest.approx(sample.chance)
    assert different.chance.keys() != sample.chance.keys()


def test_a_share_of_one_learns_from_everybody(trained: Trained, partitioned: Path) -> None:
    model = sampling.train(partitioned, cut_off=trained.as_of, share=1.0)

    assert model.facts["sample"]["customers"] == trained.ledger.customers.num_rows
    assert model.facts["labels"] == trained.model.facts["labels"]


def test_a_model_of_a_sample_says_what_it_was_learned_from_and_answers(
    trained: Trained, partitioned: Path
) -> None:
    model = sampling.train(partitioned, cut_off=trained.as_of, share=0.6)
    said = backtest.predict(trained.ledger, model, origin=trained.as_of - 30)

    assert model.facts["sample"]["share"] == 0.6
    assert model.facts["labels"] < trained.model.facts["labels"]
    assert np.isfinite(said["p_late_30"].to_numpy()).all()


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none_is_refused(partitioned: Path, share: float) -> None:
    with pytest.raises(ValueError, match="share must be above 0 and at most 1"):
        sampling.draw(partitioned, cut_off=20_000, share=share)


def test_labels_weigh_one_on_average(trained: Trained, sample: Sample) -> None:
    rows = dataset.build(sample.ledger, cut_off=trained.as_of, peers=sample.peers).rows
    weighted = replace(
        rows, sample_weight=sample.weights(settle(sample.ledger).customer_ids)[rows.customer]
    )

    assert rows.weight is None
    assert weighted.weight is not None
    assert weighted.weight.mean() == pytest.approx(1.0)
    assert len(weighted.where(rows.still_open).weight) == rows.still_open.sum()
