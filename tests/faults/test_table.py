"""docs/faults.md: a line for each fault, and every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")


def test_every_fault_has_its_line():
    assert re.findall(r"^\| (F\d+) \|", TABLE, re.MULTILINE) == [f"F{n}" for n in range(1, 36)]


def test_every_test_that_the_table_names_is_there():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TABLE)
    assert len(named) > 35
    files: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        files[path.name] = files.get(path.name, "") + path.read_text(encoding="utf-8")
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in files[file]]
    assert missing == []
