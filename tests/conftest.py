"""What all tests share: the real ledgers beside the project, and which tests may not be skipped."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import must_run
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.trained import Trained

SHARED = Path(__file__).parents[2] / "shared"

# Test processes share the cores: LightGBM's threads would wait for each other, seven times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# As wide as each test says: test processes are told how wide the terminal is that they write to.
os.environ.pop("COLUMNS", None)

# The same code gets the same verdict; EXAMPLES=... draws anew each time, as `make fuzz` does.
settings.register_profile("repeatable", derandomize="EXAMPLES" not in os.environ)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real ledgers; skips where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real ledgers are not beside the project")
    return SHARED


@pytest.fixture(scope="session")
def trained() -> "Trained":
    """A small ledger and a model that has learned from it."""
    from tests import trained

    return trained.small()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    must_run.refuse_skips(item, report)
    return report
