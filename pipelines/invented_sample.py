"""The ledger that is used where none is named: invented, small, the same on every machine."""

from datetime import date, timedelta
from pathlib import Path

from models import durable
from pipelines import synthetic

AS_OF = synthetic.UNTIL + timedelta(days=1)  # the invented company knows nothing after this day
CUSTOMERS = 200


def folder(home: Path) -> Path:
    """The sample's files below the home folder, written the first time they are asked for."""
    sample = home / "sample"
    if not sample.exists():
        with durable.folder(sample) as aside:
            synthetic.write(aside, customers=CUSTOMERS)
    return sample


def choose(home: Path, named: str | None, *, today: date) -> tuple[str, date]:
    """The ledger that was named and today, or else the sample and the day after its last one."""
    return (named, today) if named else (str(folder(home)), AS_OF)
