"""A job: which ledger, as of which day, and when it was asked for."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pipelines import invented_sample
from pipelines.settings import Settings

EPOCH = date(1970, 1, 1)
RECORDS = "records"  # as a source: only what was sent in or pulled


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
        """The job on this ledger, else on the settings', else on what is pulled, else invented.

        As of today where the company is, unless a day is given; the sample is asked on the day
        after its last one.
        """
        pulled = RECORDS if settings.pull_from else None
        today = at.astimezone(ZoneInfo(settings.zone)).date()  # at one in the night UTC is behind
        if named := ledger or settings.ledger or pulled:
            return cls(settings, named, mapping or settings.mapping, as_of or today, at)
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
        return max(self.at.astimezone(ZoneInfo(self.settings.zone)).date(), self.as_of)


def day_number(day: date) -> int:
    """Days since 1970-01-01, as the inside counts them."""
    return (day - EPOCH).days
