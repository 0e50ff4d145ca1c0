"""Questions: which invoices a table of features is about, and as of which days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.events import Counts, Days
from pipelines.settlement import Settlement, is_open


@dataclass(frozen=True)
class Questions:
    """Of each invoice known before `as_of`: as of its own issue, or of each day it was open on."""

    as_of: int  # nothing known on this day or later is looked at
    days: tuple[int, ...] | None = None  # None: the day of issue

    @classmethod
    def on_issue(cls, *, as_of: int) -> "Questions":
        """Every invoice known before `as_of`, on the day of its issue."""
        return cls(as_of)

    @classmethod
    def on(cls, days: Sequence[int]) -> "Questions":
        """Every invoice open on a day, for each of the days."""
        if not days:
            raise ValueError("days must name at least one day, got none")
        return cls(max(days), tuple(sorted(set(days))))

    def of(self, settlement: Settlement) -> tuple[Counts, Days]:
        """The rows of the invoices asked about, and the day of each question."""
        if self.days is None:
            rows = np.flatnonzero(settlement.known_day < self.as_of)
            return rows, settlement.issue_day[rows]
        still_open = [np.flatnonzero(is_open(settlement, day)) for day in self.days]
        asked = np.repeat(np.array(self.days, np.int32), [len(rows) for rows in still_open])
        return np.concatenate(still_open), asked
