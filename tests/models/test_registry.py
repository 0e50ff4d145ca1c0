import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import bundle, figures, metrics
from models.bundle import BundleRefused
from models.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry, Training
from tests import small_company

pytestmark = small_company.QUIET_MLFLOW

COLUMNS = ["delay_mean", "days_to_due"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return small_company.settings(tmp_path / "home").home


@pytest.fixture(scope="module")
def trees_text() -> str:
    import lightgbm

    X = np.random.default_rng(0).normal(size=(200, 2))
    data = lightgbm.Dataset(X, (X[:, 0] > 0).astype(float), feature_name=COLUMNS)
    settings = {"objective": "binary", "verbose": -1, "num_leaves": 4, "num_threads": 1}
    return str(lightgbm.train(settings, data, num_boost_round=3).model_to_string())


@pytest.fixture
def training(trees_text: str, tmp_path: Path) -> Training:
    return a_training(trees_text, tmp_path / "first", "v1")


def a_training(trees: str, at: Path, version: str) -> Training:
    at.mkdir()
    (at / "model.txt").write_text(trees)
    (at / "model.json").write_text(json.dumps({"version": version}))
    bundle.export(at, to=at / "bundle", version=version, created_at="2026-07-01")
    y, p = np.array([0.0, 1, 0, 1]), np.array([0.1, 0.6, 0.2, 0.9])
    return Training(
        bundle=at / "bundle",
        parameters={"num_leaves": 4},
        metrics={"issue.log_loss.p_late_0": 0.45},
        fingerprints={"data": "d1", "book": "b1", "code": "c1"},
        example={"days_to_due": [30.0, -3.0], "delay_mean": [1.5, float("nan")]},
        figures={
            "reliability": figures.reliability({"p_late_0": metrics.reliability(y, p, bins=2)}),
            "importance": figures.importance({"delay_mean": 5.0, "days_to_due": 1.0}),
        },
        tables={"verdict": {"promoted": True}},
    )


def registry(home: Path) -> Registry:
    return Registry(f"sqlite:///{home / 'mlflow.db'}", artifact_root=str(home / "mlflow"))


@pytest.fixture(autouse=True)
def _mlflow_state_ends_with_the_test() -> Iterator[None]:
    yield
    import mlflow

    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_TRACKING_URI", None)


def test_an_empty_store_has_no_champion(home: Path, tmp_path: Path) -> None:
    assert registry(home).at(CHAMPION) is None
    with pytest.raises(LookupError, match="`puntuale train` makes one"):
        registry(home).fetch(CHAMPION, to=tmp_path / "models")
    with pytest.raises(LookupError, match="no earlier champion"):
        registry(home).roll_back()


def test_a_training_run_is_logged_with_its_model_and_becomes_the_challenger(
    home: Path, training: Training
) -> None:
    import mlflow

    registered = registry(home).log_training(training)
    run = mlflow.search_runs(experiment_names=["puntuale"], output_format="list")[0]

    assert (registered.number, registered.version) == ("1", "v1")
    assert registry(home).at(CHALLENGER) == registered
    others = Registry(f"sqlite:///{home / 'mlflow.db'}", name="puntuale-rossi")
    assert (others.at(CHALLENGER), others.versions()) == (None, [])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"num_leaves": "4"}
    assert run.data.metrics == {"issue.log_loss.p_late_0": 0.45}
    assert {k: v for k, v in run.data.tags.items() if k.startswith("fingerprint")} == {
        "fingerprint.data": "d1",
        "fingerprint.book": "b1",
        "fingerprint.code": "c1",
    }
    assert run.data.tags["library.lightgbm"]
    pictures = Path(run.info.artifact_uri) / "figures"
    assert sorted(p.name for p in pictures.iterdir()) == ["importance.png", "reliability.png"]


def test_the_logged_model_has_signature_example_and_pinned_requirements_and_no_code(
    home: Path, training: Training
) -> None:
    import mlflow

    registered = registry(home).log_training(training)
    described = mlflow.models.get_model_info("models:/puntuale/1")
    files = home / "mlflow" / registered.bundle_path / ".."

    assert described.signature.inputs.input_names() == COLUMNS
    assert (files / "input_example.json").exists()
    assert all("==" in line for line in (files / "requirements.txt").read_text().split())
    kept = {p.name for p in files.resolve().rglob("*")}
    assert not any(name.endswith((".pkl", ".py", ".skops")) for name in kept)
    loaded = mlflow.lightgbm.load_model("models:/puntuale@challenger")
    assert loaded.predict(np.array([[2.0, 0.0]]))[0] > 0.5


def test_the_champion_comes_back_as_the_bundle_that_was_logged(
    home: Path, training: Training, tmp_path: Path
) -> None:
    ours = registry(home)
    ours.promote(ours.log_training(training).number)

    fetched = ours.fetch(CHAMPION, to=tmp_path / "models")
    assert fetched == tmp_path / "models" / "v1"
    assert bundle.check(fetched) == bundle.check(training.bundle)


def test_a_moved_home_still_has_its_champion_and_trains_on(
    home: Path, training: Training, trees_text: str, tmp_path: Path
) -> None:
    ours = registry(home)
    ours.promote(ours.log_training(training).number)
    moved = tmp_path / "elsewhere"
    shutil.move(home, moved)

    fetched = registry(moved).fetch(CHAMPION, to=tmp_path / "models")
    assert bundle.check(fetched).version == "v1"

    again = registry(moved).log_training(a_training(trees_text, tmp_path / "second", "v2"))
    assert (moved / "mlflow" / again.bundle_path).is_dir()
    assert not home.exists()


def test_f21_a_bundle_that_was_changed_in_the_registry_is_refused(
    home: Path, training: Training, tmp_path: Path
) -> None:
    ours = registry(home)
    registered = ours.log_training(training)
    files = home / "mlflow" / registered.bundle_path
    for changed in (files / "model.json", files / "manifest.json"):
        whole = changed.read_text()
        changed.write_text(whole.replace("v1", "v9"))

        with pytest.raises(BundleRefused) as refused:
            ours.fetch(CHALLENGER, to=tmp_path / "models")
        assert refused.value.file == changed.name
        changed.write_text(whole)


def test_promotion_moves_the_alias_and_rollback_moves_it_back(
    home: Path, training: Training, trees_text: str, tmp_path: Path
) -> None:
    ours = registry(home)
    first = ours.log_training(training)
    ours.promote(first.number)
    second = ours.log_training(a_training(trees_text, tmp_path / "second", "v2"))
    ours.promote(second.number)
    assert (ours.at(CHAMPION), ours.at(PREVIOUS)) == (second, first)

    assert ours.roll_back() == first
    assert (ours.at(CHAMPION), ours.at(PREVIOUS)) == (first, second)


def test_what_was_decided_stands_on_the_version(home: Path, training: Training) -> None:
    import mlflow

    ours = registry(home)
    number = ours.log_training(training).number
    ours.note(number, verdict="promoted", why="it does not lose")

    tags = mlflow.MlflowClient().get_model_version("puntuale", number).tags
    assert (tags["verdict"], tags["why"]) == ("promoted", "it does not lose")


def test_a_run_that_fails_is_logged_as_failed_and_registers_nothing(
    home: Path, training: Training
) -> None:
    import mlflow

    ours = registry(home)
    with pytest.raises(KeyError, match="days_to_due"):
        ours.log_training(replace(training, example={"delay_mean": [1.0]}))

    run = mlflow.search_runs(experiment_names=["puntuale"], output_format="list")[0]
    assert run.info.status == "FAILED"
    assert ours.at(CHALLENGER) is None
