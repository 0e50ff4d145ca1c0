"""Tests that continuous integration may not skip: what they need is there, or the run is wrong."""

import os
from typing import Any

import pytest

MUST_RUN = "PUNTUALE_TESTS_MUST_RUN"


def refuse_skips(item: pytest.Item, report: Any) -> None:
    """Turns a skip into a failure where the test bears a marker named in the environment."""
    wanted = os.environ.get(MUST_RUN, "").split()
    if report.skipped and not hasattr(report, "wasxfail"):
        if named := [name for name in wanted if item.get_closest_marker(name)]:
            report.outcome = "failed"
            report.longrepr = f"{named[0]} tests must run here ({MUST_RUN}), but: {report.longrepr}"
