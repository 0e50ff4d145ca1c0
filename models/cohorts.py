"""Cohorts: how fast invoices of one company and terms are paid, as of every other week.

The hazards of a cohort are shrunk to its company's, those to everybody's. They are kept for
a calendar of days, so that whoever looks back reads only what was known then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from models.customer_curve import DELAYS, FIRST_DELAY, PaymentRecords

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

EVERYBODY = ""
SHRINKAGE = 20.0  # invoices that the wider cohort counts for
LEAST_INVOICES = 30  # a smaller cohort is its company's
RECENT_DAYS = 365  # hazards follow the last year's invoices
TAIL_DAYS = 90  # the hazard beyond the last delay is this stretch's mean
UNKNOWN_HAZARD = 0.05  # before anything is known, one open invoice in twenty is paid each day


def key(company_code: str | None, terms_code: str | None) -> str:
    """The name of the narrowest cohort of an invoice."""
    return f"{company_code or ''}\x1f{terms_code or ''}"


def _wider(name: str) -> str:
    company, _, terms = name.partition("\x1f")
    return f"{company}\x1f" if terms else EVERYBODY


@dataclass(frozen=True)
class Cohorts:
    """Daily hazards by (day they were known, cohort), with `observed_from`, the ledger's first day.

    Day 0 of `known_on` stands for all time before anything was known.
    """

    known_on: npt.NDArray[np.int32]
    names: tuple[str, ...]
    hazards: Floats  # (days, cohorts, DELAYS)
    observed_from: int

    def rows(self, names: Sequence[str], which: Rows, as_of: npt.NDArray[np.int32]) -> Rows:
        """Where the hazards of each query, of cohort `names[which]`, stand in `table`."""
        place = {name: at for at, name in enumerate(self.names)}
        cohort = np.array([_known(name, place) for name in names], np.int64)
        day = np.searchsorted(self.known_on, as_of, side="right") - 1
        return np.maximum(day, 0) * len(self.names) + cohort[which]

    @property
    def table(self) -> Floats:
        return self.hazards.reshape(-1, DELAYS)

    def save(self, path: Path) -> None:
        table = pa.table(
            {
                "known_on": np.repeat(self.known_on, len(self.names)),
                "cohort": list(self.names) * len(self.known_on),
                "hazards": pa.FixedSizeListArray.from_arrays(
                    pa.array(self.hazards.ravel()), DELAYS
                ),
            }
        ).replace_schema_metadata({"observed_from": str(self.observed_from)})
        pq.write_table(table, path, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> "Cohorts":
        table = pq.read_table(path)
        known_on = np.unique(table["known_on"].to_numpy())
        names = tuple(table["cohort"].to_pylist()[: table.num_rows // max(len(known_on), 1)])
        flat = table["hazards"].combine_chunks().flatten().to_numpy()
        observed_from = int((table.schema.metadata or {})[b"observed_from"])
        shape = (len(known_on), len(names), DELAYS)
        return cls(known_on.astype(np.int32), names, flat.reshape(shape), observed_from)


def learn(
    records: PaymentRecords,
    names: Sequence[str],
    which: Rows,
    *,
    known_on: npt.NDArray[np.int32],
    observed_from: int,
) -> Cohorts:
    """The hazards of every cohort as of each day; `names[which]` is each record's narrowest."""
    counts = np.bincount(which, minlength=len(names))
    large = [n for n, count in zip(names, counts, strict=True) if count >= LEAST_INVOICES]
    kept = _with_wider(large)
    place = {name: at for at, name in enumerate(kept)}

    # An invoice counts in its own cohort and in all that hold it.
    levels = []
    ladder = list(names)
    while True:
        levels.append(np.array([place.get(name, -1) for name in ladder])[which])
        if all(name == EVERYBODY for name in ladder):
            break
        ladder = [_wider(name) if name else name for name in ladder]

    hazards = np.full((len(known_on) + 1, len(kept), DELAYS), UNKNOWN_HAZARD)
    for at, day in enumerate(known_on, start=1):
        paid, watched = _observed(records, levels, len(kept), int(day), observed_from)
        for cohort, name in enumerate(kept):  # wider cohorts come first
            if name == EVERYBODY:
                wider, weight = np.full(DELAYS, UNKNOWN_HAZARD), 1e-6
            else:
                wider, weight = hazards[at, _known(_wider(name), place)], SHRINKAGE
            shrunk = (paid[cohort] + weight * wider) / (watched[cohort] + weight)
            shrunk[-1] = shrunk[-TAIL_DAYS - 1 : -1].mean()
            hazards[at, cohort] = shrunk
    days = np.concatenate([[0], known_on]).astype(np.int32)
    return Cohorts(days, tuple(kept), hazards, observed_from)


def _with_wider(names: Sequence[str]) -> list[str]:
    """The cohorts and all that hold them, wider ones first."""
    found = {EVERYBODY}
    for name in names:
        while name not in found:
            found.add(name)
            name = _wider(name)
    return sorted(found, key=lambda name: (name != EVERYBODY, not name.endswith("\x1f"), name))


def _known(name: str, place: dict[str, int]) -> int:
    """The narrowest cohort that is known and holds this one."""
    while name not in place:
        name = _wider(name)
    return place[name]


def _observed(
    records: PaymentRecords, levels: list[Rows], cohorts: int, as_of: int, observed_from: int
) -> tuple[Floats, Floats]:
    """By cohort and delay: how many were paid, and how many were open and watched."""
    closed = records.closed_known_day < as_of
    seen = (records.known_day < as_of) & (records.known_day >= as_of - RECENT_DAYS)
    seen &= ~(closed & records.cancelled)
    until = np.where(closed, records.closed_day, as_of) - records.due_day - FIRST_DELAY
    since = observed_from - records.due_day - FIRST_DELAY
    seen &= np.where(closed, until >= since, until > np.maximum(since, 0))
    until, since = np.clip(until, 0, DELAYS), np.clip(since, 0, DELAYS)
    ends = closed & (until < DELAYS - 1)

    paid = np.zeros((cohorts, DELAYS))
    change = np.zeros((cohorts, DELAYS + 2))
    for level in levels:
        rows = np.flatnonzero(seen & (level >= 0))
        gone = rows[ends[rows]]
        paid += _counts(level[gone], until[gone], cohorts, DELAYS)
        change += _counts(level[rows], since[rows], cohorts, DELAYS + 2)
        leaves = until[rows] + ends[rows]
        change -= _counts(level[rows], leaves, cohorts, DELAYS + 2)
    return paid, np.cumsum(change, axis=1)[:, :DELAYS]


def _counts(cohort: Rows, delay: npt.NDArray[np.integer], cohorts: int, delays: int) -> Floats:
    flat = np.bincount(cohort * delays + delay, minlength=cohorts * delays)
    return flat.reshape(cohorts, delays).astype(np.float64)
