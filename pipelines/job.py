"""A job: which ledger, as of which day, and when it was asked for."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime

from pipelines import invented_sample
from pipelines.settings import Settings

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Job:
    """What the nightly and the training recipes are told to do."""

    settings: Settings
    source: str  # a folder, a file or a database URL
    mapping: str | None
    as_of: date
    at: datetime  # the only look at the clock: recipes take the time from here

    @classmethod
    def of(
        cls,
        settings: Settings,
        *,
        at: datetime,
        ledger: str | None = None,
        mapping: str | None = None,
        as_of: date | None = None,
    ) -> "Job":
        """The job on this ledger, else on the settings', else on the invented sample.

        As of today, unless a day is given; the sample is asked on the day after its last one.
        """
        if named := ledger or settings.ledger:
            return cls(settings, named, mapping or settings.mapping, as_of or at.date(), at)
        source = str(invented_sample.folder(settings.home))
        return cls(settings, source, None, as_of or invented_sample.AS_OF, at)

    @property
    def is_invented(self) -> bool:
        """Whether the ledger is the sample that comes with Puntuale: nobody's invoices."""
        return self.source == str(invented_sample.place(self.settings.home))

    @property
    def source_mark(self) -> str:
        """A short name of the source, without the passwords that it may hold."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:12]

    @property
    def today(self) -> date:
        """The day of the reading: a payment dated after it is a mistake in the ledger."""
        return max(self.at.date(), self.as_of)


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the inside counts them."""
    return (day - EPOCH).days
