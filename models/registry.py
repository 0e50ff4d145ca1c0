"""Models in MLflow: every training run, its model as a version of `puntuale`, and who is champion.

The only room that imports MLflow, and only training, promotion and rollback enter it: scoring and
serving load the exported bundle. The native trees are logged beside our bundle, so that MLflow's
own tools can open them; the bundle is what comes back, checked against the registered hash.
"""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
PROMOTED, NOT_PROMOTED = "promoted", "not promoted"  # the verdicts on a version
# What a model's bits and figures depend on, and what keeps them.
LIBRARIES = (
    *("lightgbm", "numpy", "scipy", "pandas", "pyarrow", "numba", "scikit-learn", "holidays"),
    "mlflow",
)
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


@dataclass(frozen=True)
class Version:
    """A registered version as it is listed: its numbers, who it is now and what was decided."""

    number: str
    version: str
    aliases: tuple[str, ...]
    verdict: str
    why: str

    @property
    def cut_off(self) -> str:
        """The day that ends its training data: the beginning of its name."""
        return self.version[: len("2026-07-01")]


@dataclass(frozen=True)
class Trial:
    """One trial of a tuning: what was tried and how good it was."""

    number: int
    parameters: Mapping[str, float]
    metrics: Mapping[str, float]
    state: str


class NoEarlierChampion(LookupError):  # noqa: N818 - the name says what is missing
    """There is no such version to go back to."""


class Registry:
    """The registered model in one MLflow store."""

    def __init__(
        self, tracking_uri: str, *, artifact_root: str | None = None, name: str = NAME
    ) -> None:
        """Use the store at this URI; with no artifact root, its server says where files go.

        Under another name are another company's experiment and models.
        """
        self._uri = tracking_uri
        self._root = artifact_root
        self._name = name

    def log_training(self, training: Training) -> Registered:
        """Log a run with its model, register the model and make it the challenger."""
        manifest = bundle.check(training.bundle)

        with self._running(manifest.version) as (mlflow, client, run_id):
            mlflow.log_params({k: str(v)[:500] for k, v in training.parameters.items()})
            mlflow.log_metrics(dict(training.metrics))
            mlflow.set_tags({f"fingerprint.{k}": v for k, v in training.fingerprints.items()})
            mlflow.set_tags(_library_tags())
            for name, figure in training.figures.items():
                mlflow.log_figure(figure, f"figures/{name}.png")
            for name, table in training.tables.items():
                mlflow.log_dict(table, f"tables/{name}.json")
            model_id = _log_model(mlflow, training, list(manifest.files))
            return self._register(client, run_id, model_id, training.bundle, manifest.version)

    def log_backtest(
        self, parameters: Mapping[str, str], metrics: Mapping[str, float], files: Sequence[Path]
    ) -> str:
        """Log a back-test's figures with the files of its report; the run's id."""
        with self._running("back-test") as (mlflow, _, run_id):
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics(dict(metrics))
            mlflow.set_tags(_library_tags())
            for path in files:
                mlflow.log_artifact(str(path), "backtest")
            return run_id

    def log_effects(
        self,
        name: str,
        estimates: Mapping[str, Mapping[str, float]],
        *,
        parameters: Mapping[str, str],
        metrics: Mapping[str, float],
        table: Mapping[str, Any],
    ) -> str:
        """Log what a log of actions taught: a run, and below it a run for each estimate."""
        with self._running(name) as (mlflow, _, run_id):
            mlflow.log_params(dict(parameters))
            mlflow.log_metrics(dict(metrics))
            mlflow.log_dict(dict(table), "tables/effects.json")
            mlflow.set_tags({"kind": "effects", **_library_tags()})
            experiment = mlflow.get_run(run_id).info.experiment_id
            for estimate, figures in estimates.items():
                with mlflow.start_run(experiment_id=experiment, run_name=estimate, nested=True):
                    mlflow.log_metrics(dict(figures))
            return run_id

    def at(self, alias: str) -> Registered | None:
        """The version that bears the alias, None where none does."""
        mlflow, client = self._client()
        try:
            found = client.get_model_version_by_alias(self._name, alias)
        except mlflow.exceptions.MlflowException as fault:
            if fault.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return _registered(found)

    def promote(self, number: str) -> None:
        """Make this version the champion, and keep who was it before for going back."""
        _, client = self._client()
        before = self.at(CHAMPION)
        if before is not None and before.number != number:
            client.set_registered_model_alias(self._name, PREVIOUS, before.number)
        client.set_registered_model_alias(self._name, CHAMPION, number)

    def roll_back(self, to: str | None = None) -> Registered:
        """Let the previous champion, or an earlier version that was one, be champion again."""
        number = self._previous() if to is None else self._once_champion(to)
        self.promote(number)
        _, client = self._client()
        return _registered(client.get_model_version(self._name, number))

    def versions(self) -> list[Version]:
        """All registered versions, the newest first."""
        _, client = self._client()
        registered = client.search_registered_models(f"name = '{self._name}'")
        aliases = dict(registered[0].aliases) if registered else {}
        found = client.search_model_versions(f"name = '{self._name}'") if registered else []
        return [
            Version(
                str(v.version),
                v.tags["bundle_version"],
                tuple(sorted(a for a, number in aliases.items() if str(number) == str(v.version))),
                v.tags.get("verdict", ""),
                v.tags.get("why", ""),
            )
            for v in sorted(found, key=lambda v: -int(v.version))
        ]

    def log_tuning(self, name: str, trials: Sequence[Trial], *, result: Mapping[str, Any]) -> None:
        """Log a tuning: a run with its result, and below it a run for each trial."""
        with self._running(name) as (mlflow, client, parent):
            mlflow.log_dict(dict(result), "tables/tuning.json")
            mlflow.set_tag("kind", "tuning")
            experiment = mlflow.get_run(parent).info.experiment_id
            for trial in trials:
                with mlflow.start_run(
                    experiment_id=experiment, run_name=f"trial {trial.number}", nested=True
                ):
                    mlflow.log_params(dict(trial.parameters))
                    mlflow.log_metrics(dict(trial.metrics))
                    mlflow.set_tag("state", trial.state)

    def note(self, number: str, **tags: str) -> None:
        """Write on a version what was decided about it."""
        _, client = self._client()
        for key, value in tags.items():
            client.set_model_version_tag(self._name, number, key, value)

    def fetch(self, alias: str, *, to: Path) -> Path:
        """Bring the alias's bundle into a folder of bundles; BundleRefused if it was changed."""
        registered = self.at(alias)
        if registered is None:
            raise LookupError(f"no version of {self._name} is {alias}; `puntuale train` makes one")
        with TemporaryDirectory() as temporary:
            folder = self._files(registered, Path(temporary))
            if _sha256(folder / MANIFEST) != registered.manifest_sha256:
                raise BundleRefused(MANIFEST, "is not the one that was registered")
            return to / bundle.install(folder, among=to)

    def _previous(self) -> str:
        champion, previous = self.at(CHAMPION), self.at(PREVIOUS)
        if champion is None or previous is None:
            raise NoEarlierChampion("there is no earlier champion to go back to")
        return previous.number

    def _once_champion(self, asked: str) -> str:
        once = [v for v in self.versions() if v.verdict == PROMOTED]
        for version in once:
            if asked in (version.number, version.version):
                return version.number
        names = [v.version for v in once]
        raise NoEarlierChampion(f"version must be one that was champion {names}, got: {asked!r}")

    def _files(self, registered: Registered, temporary: Path) -> Path:
        if self._root and (Path(self._root) / registered.bundle_path).is_dir():
            return Path(self._root) / registered.bundle_path
        mlflow, _ = self._client()
        uri = f"models:/{self._name}/{registered.number}"
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
        found = client.get_experiment_by_name(self._name)
        if found is not None and self._root not in (None, found.artifact_location):
            client.rename_experiment(
                found.experiment_id, f"{self._name} before {found.experiment_id}"
            )
            found = None
        return str(
            found.experiment_id if found else client.create_experiment(self._name, self._root)
        )

    def _register(
        self, client: Any, run_id: str, model_id: str, folder: Path, version: str
    ) -> Registered:
        if not client.search_registered_models(f"name = '{self._name}'"):
            client.create_registered_model(self._name)
        location = client.get_logged_model(model_id).artifact_location
        root = self._root or ""
        path = f"{location.removeprefix('file://').removeprefix(root).lstrip('/')}/{_FILES}"
        tags = {
            "bundle_version": version,
            "bundle_path": path,
            "manifest_sha256": _sha256(folder / MANIFEST),
        }
        made = client.create_model_version(
            self._name, f"models:/{model_id}", run_id, tags=tags, model_id=model_id
        )
        client.set_registered_model_alias(self._name, CHALLENGER, made.version)
        return Registered(str(made.version), version, path, tags["manifest_sha256"])


def _registered(found: Any) -> Registered:
    tags = found.tags
    return Registered(
        str(found.version), tags["bundle_version"], tags["bundle_path"], tags["manifest_sha256"]
    )


def _mlflow() -> ModuleType:
    """MLflow, imported when it is needed (seconds) and told not to report home."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    with warnings.catch_warnings(), suppress(ImportError):  # in a notebook it misses its widgets
        warnings.simplefilter("ignore")
        import_module("tqdm.auto")
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


def libraries() -> dict[str, str]:
    """The version of Python and of each library that a model was made with."""
    return {"python": sys.version.split()[0], **{name: installed(name) for name in LIBRARIES}}


def _library_tags() -> dict[str, str]:
    return {f"library.{name}": version for name, version in libraries().items()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
