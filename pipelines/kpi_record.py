"""The record of KPIs: what each night told of its own day, kept when the night itself has gone.

Snapshots go after a fortnight, and an extract may reach back a year only; figures over time are
asked for longer. One small file for each year holds the KPIs by day; the last word of a day counts.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from models import durable
from pipelines.store import ScoreStore

FOLDER = "kpi_record"  # beside the nights, below the store's root

Kpis = dict[str, Any]  # as `pipelines.kpis.of` tells them


class KpiRecord:
    """The files below a store of nights; only a run that holds the store may write them."""

    def __init__(self, store: ScoreStore) -> None:
        self.root = store.root / FOLDER

    def keep(self, told: Iterable[Kpis]) -> None:
        """Keep the KPIs of these days; a file that would not change is not written."""
        by_year: dict[str, dict[str, Kpis]] = {}
        for kpis in told:
            by_year.setdefault(kpis["as_of"][:4], {})[kpis["as_of"]] = kpis
        for year, days in by_year.items():
            before = self._year(year)
            if (now := before | days) != before:
                durable.make(self.root)
                text = json.dumps(now, sort_keys=True, indent=0, allow_nan=False)
                durable.write(self.root / f"{year}.json", text.encode())

    def read(self) -> Mapping[str, Kpis]:
        """The KPIs of every day that is kept, the oldest first; damaged files are passed over."""
        found: dict[str, Kpis] = {}
        for path in sorted(self.root.glob("????.json")):
            found |= self._year(path.stem)
        return dict(sorted(found.items()))

    def _year(self, year: str) -> dict[str, Kpis]:
        with suppress(OSError, ValueError):
            read: dict[str, Kpis] = json.loads((self.root / f"{year}.json").read_bytes())
            return read
        return {}
