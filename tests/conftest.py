"""What all tests share: the real ledgers beside the project, and which tests may not be skipped."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import must_run
import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real ledgers; skips where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real ledgers are not beside the project")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    must_run.refuse_skips(item, report)
    return report
