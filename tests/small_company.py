"""A small invented company with a trained model, made once per test process and then copied."""

import atexit
import shutil
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from models import bundle
from pipelines import promotion, sources, synthetic
from pipelines.settings import Settings

AS_OF = date(2026, 7, 1)

# MLflow 3.17 asks SQLAlchemy 2.1 for a loader that is to go away, pandas 3 for a comparison whose
# meaning will change, and itself for a type hint of its own
QUIET_MLFLOW = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),
]


@cache
def ledger_folder() -> Path:
    """The company's files, as its bookkeeping would export them."""
    folder = _temporary() / "ledger"
    synthetic.write(folder, customers=40, months=18)
    return folder


@cache
def migrated_database() -> Path:
    """MLflow's tables: the migration takes seconds, a copy of its file none."""
    from models.registry import CHAMPION, Registry

    folder = _temporary()
    Registry(f"sqlite:///{folder / 'mlflow.db'}").at(CHAMPION)
    return folder / "mlflow.db"


@cache
def trained_bundle() -> Path:
    """A bundle of a model that has learned from the company."""
    folder = _temporary()
    files = folder / "files"
    files.mkdir()
    ledger = sources.read(ledger_folder(), today=AS_OF).ledger
    promotion.learn(ledger, cut_off=AS_OF).save(files)
    version = bundle.version_of(files, cut=AS_OF.isoformat())
    facts = {"cut_off": AS_OF.isoformat()}
    bundle.export(
        files, to=folder / "bundle", version=version, created_at="2026-07-01", facts=facts
    )
    return folder / "bundle"


def settings(home: Path, **given: object) -> Settings:
    """Settings of an empty home on the company's ledger, with MLflow's tables in place."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(migrated_database(), home / "mlflow.db")
    return Settings(_env_file=None, home=home, ledger=str(ledger_folder()), **given)  # type: ignore[arg-type]


def crowned(settings: Settings) -> str:
    """Let the trained model answer in this home; its version."""
    version = bundle.install(trained_bundle(), among=settings.models_folder)
    bundle.crown(version, among=settings.models_folder)
    return version


def _temporary() -> Path:
    folder = Path(mkdtemp(prefix="puntuale-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
