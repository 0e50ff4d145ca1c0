"""Models in MLflow: every training run, its model as a version of `puntuale`, and who is champion.

The only room that imports MLflow, and only training, promotion and rollback enter it: scoring and
serving load the exported bundle. The native trees are logged beside our bundle, so that MLflow's
own tools can open them; the bundle is what comes back, checked against the registered hash.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version as installed
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from models import bundle
from models.bundle import MANIFEST, BundleRefused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "puntuale"
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
_LIBRARIES = ("lightgbm", "numpy", "pandas", "pyarrow", "numba", "scikit-learn", "mlflow")
_NEEDED_TO_LOAD = ("lightgbm", "numpy", "pandas")  # what the logged native trees want, pinned
_FILES = "extra_files"  # where MLflow keeps our bundle beside the native trees


@dataclass(frozen=True)
class Training:
    """What a training run leaves behind; `bundle` is the folder that `bundle.export` made."""

    bundle: Path
    parameters: Mapping[str, object]
    metrics: Mapping[str, float]
    fingerprints: Mapping[str, str]  # of the data, the feature book and the code
    example: Mapping[str, Sequence[float]]  # a few rows of what the trees read, by column
    figures: Mapping[str, "Figure"] = field(default_factory=dict)
    tables: Mapping[str, object] = field(default_factory=dict)  # kept as JSON beside the figures


@dataclass(frozen=True)
class Registered:
    """A version of the registered model: MLflow's number, and the name it answers under."""

    number: str
    version: str
    bundle_path: str  # below the artifact root, so that a moved home still finds it
    manifest_sha256: str


class Registry:
    """The registered model in one MLflow store."""

    def __init__(self, tracking_uri: str, *, artifact_root: str | None = None) -> None:
        """Use the store at this URI; with no artifact root, its server says where files go."""
        self._uri = tracking_uri
        self._root = artifact_root

    def log_training(self, training: Training) -> Registered:
        """Log a run with its model, register the model and make it the challenger."""
        manifest = bundle.check(training.bundle)

        with self._running(manifest.version) as (mlflow, client, run_id):
            mlflow.log_params({k: str(v)[:500] for k, v in training.parameters.items()})
            mlflow.log_metrics(dict(training.metrics))
            mlflow.set_tags({f"fingerprint.{k}": v for k, v in training.fingerprints.items()})
            mlflow.set_tags(_libraries())
            for name, figure in training.figures.items():
                mlflow.log_figure(figure, f"figures/{name}.png")
            for name, table in training.tables.items():
                mlflow.log_dict(table, f"tables/{name}.json")
            model_id = _log_model(mlflow, training, list(manifest.files))
            return self._register(client, run_id, model_id, training.bundle, manifest.version)

    def at(self, alias: str) -> Registered | None:
        """The version that bears the alias, None where none does."""
        mlflow, client = self._client()
        try:
            found = client.get_model_version_by_alias(NAME, alias)
        except mlflow.exceptions.MlflowException as fault:
            if fault.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        tags = found.tags
        return Registered(
            str(found.version),
            tags["bundle_version"],
            tags["bundle_path"],
            tags["manifest_sha256"],
        )

    def promote(self, number: str) -> None:
        """Make this version the champion, and keep who was it before for going back."""
        _, client = self._client()
        before = self.at(CHAMPION)
        if before is not None and before.number != number:
            client.set_registered_model_alias(NAME, PREVIOUS, before.number)
        client.set_registered_model_alias(NAME, CHAMPION, number)

    def roll_back(self) -> Registered:
        """Let champion and previous champion change places; the new champion."""
        _, client = self._client()
        champion, previous = self.at(CHAMPION), self.at(PREVIOUS)
        if champion is None or previous is None:
            raise LookupError("there is no earlier champion to go back to")
        client.set_registered_model_alias(NAME, CHAMPION, previous.number)
        client.set_registered_model_alias(NAME, PREVIOUS, champion.number)
        return previous

    def note(self, number: str, **tags: str) -> None:
        """Write on a version what was decided about it."""
        _, client = self._client()
        for key, value in tags.items():
            client.set_model_version_tag(NAME, number, key, value)

    def fetch(self, alias: str, *, to: Path) -> Path:
        """Bring the alias's bundle into a folder of bundles; BundleRefused if it was changed."""
        registered = self.at(alias)
        if registered is None:
            raise LookupError(f"no version of {NAME} is {alias}; `puntuale train` makes one")
        with TemporaryDirectory() as temporary:
            folder = self._files(registered, Path(temporary))
            if _sha256(folder / MANIFEST) != registered.manifest_sha256:
                raise BundleRefused(MANIFEST, "is not the one that was registered")
            return to / bundle.install(folder, among=to)

    def _files(self, registered: Registered, temporary: Path) -> Path:
        if self._root and (Path(self._root) / registered.bundle_path).is_dir():
            return Path(self._root) / registered.bundle_path
        mlflow, _ = self._client()
        uri = f"models:/{NAME}/{registered.number}"
        downloaded = mlflow.artifacts.download_artifacts(uri, dst_path=str(temporary))
        return Path(downloaded) / _FILES

    def _client(self) -> tuple[ModuleType, Any]:
        mlflow = _mlflow()
        mlflow.set_tracking_uri(self._uri)
        return mlflow, mlflow.MlflowClient()

    @contextmanager
    def _running(self, name: str) -> Iterator[tuple[ModuleType, Any, str]]:
        mlflow, client = self._client()
        with mlflow.start_run(experiment_id=self._experiment(client), run_name=name) as run:
            yield mlflow, client, run.info.run_id

    def _experiment(self, client: Any) -> str:
        """Our experiment; one whose files lie elsewhere (the home was moved) is set aside."""
        found = client.get_experiment_by_name(NAME)
        if found is not None and self._root not in (None, found.artifact_location):
            client.rename_experiment(found.experiment_id, f"{NAME} before {found.experiment_id}")
            found = None
        return str(found.experiment_id if found else client.create_experiment(NAME, self._root))

    def _register(
        self, client: Any, run_id: str, model_id: str, folder: Path, version: str
    ) -> Registered:
        if not client.search_registered_models(f"name = '{NAME}'"):
            client.create_registered_model(NAME)
        location = client.get_logged_model(model_id).artifact_location
        root = self._root or ""
        path = f"{location.removeprefix('file://').removeprefix(root).lstrip('/')}/{_FILES}"
        tags = {
            "bundle_version": version,
            "bundle_path": path,
            "manifest_sha256": _sha256(folder / MANIFEST),
        }
        made = client.create_model_version(
            NAME, f"models:/{model_id}", run_id, tags=tags, model_id=model_id
        )
        client.set_registered_model_alias(NAME, CHALLENGER, made.version)
        return Registered(str(made.version), version, path, tags["manifest_sha256"])


def _mlflow() -> ModuleType:
    """MLflow, imported when it is needed (seconds) and told not to report home."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    return import_module("mlflow")


def _log_model(mlflow: ModuleType, training: Training, names: list[str]) -> str:
    """Log the native trees with our bundle beside them; the id MLflow gives to the model."""
    import lightgbm
    import mlflow.lightgbm as flavor
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    trees = lightgbm.Booster(model_file=training.bundle / "model.txt")
    example = pd.DataFrame(training.example, dtype="float64")[trees.feature_name()]
    signature = ModelSignature(
        inputs=Schema([ColSpec("double", name, required=False) for name in example.columns]),
        outputs=Schema([ColSpec("double")]),
    )
    logged = flavor.log_model(
        trees,
        name="model",
        signature=signature,
        input_example=example,
        pip_requirements=[f"{name}=={installed(name)}" for name in _NEEDED_TO_LOAD],
        extra_files=[str(training.bundle / name) for name in (*names, MANIFEST)],
    )
    return str(logged.model_id)


def _libraries() -> dict[str, str]:
    versions = {f"library.{name}": installed(name) for name in _LIBRARIES}
    return {"library.python": sys.version.split()[0], **versions}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
