"""The data dictionary, which stands beside the sample that it describes."""

from pathlib import Path

FILE = Path(__file__).parents[2] / "data" / "README.md"


def markdown() -> str:
    """All of `data/README.md` below its title."""
    return FILE.read_text(encoding="utf-8").partition("\n")[2]
