"""The ledger that is used where none is named: invented, small, the same on every machine."""

from datetime import timedelta
from pathlib import Path

from models import durable
from pipelines import synthetic

AS_OF = synthetic.UNTIL + timedelta(days=1)  # the invented company knows nothing after this day
CUSTOMERS = 200


def folder(home: Path) -> Path:
    """The sample's files below the home folder, written the first time they are asked for."""
    sample = place(home)
    if not sample.exists():
        with durable.folder(sample) as aside:
            synthetic.write(aside, customers=CUSTOMERS)
    return sample


def place(home: Path) -> Path:
    """Where the sample is, or would be."""
    return home / "sample"
