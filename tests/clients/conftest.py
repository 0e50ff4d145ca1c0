"""A live service as an integrator finds it: a trained model, a night's plan and a key."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines import night
from pipelines.job import Job
from pipelines.settings import Settings
from serving.app import create_app
from tests import small_company
from tests.live import listening
from tests.small_company import AS_OF

KEY = "a-key-of-the-tests"
AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Service:
    """Where it listens, which key opens it, and what it keeps."""

    url: str
    key: str
    home: Path


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings(
        _env_file=None,
        home=tmp_path_factory.mktemp("clients"),
        ledger=str(small_company.ledger_folder()),
        api_keys=(KEY,),
        webhook_allow_private=True,
    )
    small_company.crowned(settings)
    night.run(Job.of(settings, at=AT, as_of=AS_OF))
    with listening(create_app(settings, today=lambda: AS_OF)) as (host, port):
        yield Service(f"http://{host}:{port}", KEY, settings.home)
