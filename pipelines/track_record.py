"""The track record: what each night said of each invoice, kept until its longest horizon has come.

Snapshots are large and go after a fortnight; an invoice said to be unpaid 90 days after it is due
is judged four months later. So each night leaves its probabilities in one small file: all nights of
the last fortnight stay, before that the first of each week.
"""

from contextlib import suppress
from datetime import date
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models import durable
from models.horizons import HORIZONS_DAYS, column
from pipelines.snapshot import SCORES, SnapshotDamaged
from pipelines.store import ScoreStore

FOLDER = "track_record"  # beside the nights, below the store's root
ALL_DAYS = 14  # so long every night is kept
COLUMNS = ["invoice_id", "customer_id", "as_of", "model_version", *map(column, HORIZONS_DAYS)]


class TrackRecord:
    """The files below a store of nights; only a run that holds the store may write them."""

    def __init__(self, store: ScoreStore) -> None:
        self.store = store
        self.root = store.root / FOLDER

    def keep(self, as_of: date, scores: pa.Table) -> None:
        """Keep what a night says; said again, the day's last word counts."""
        durable.make(self.root)
        file = BytesIO()
        pq.write_table(scores.select(COLUMNS).combine_chunks(), file, compression="zstd")
        durable.write(self._path(as_of), file.getvalue())

    def thin(self, as_of: date, *, days: int) -> list[date]:
        """Remove what is older than so many days, and older nights but the first of a week."""
        weeks: set[tuple[int, int]] = set()
        gone = []
        for night in self.nights():
            age, week = (as_of - night).days, night.isocalendar()[:2]
            is_first = week not in weeks
            weeks.add(week)
            if age > days or (age > ALL_DAYS and not is_first):
                self._path(night).unlink()
                gone.append(night)
        return gone

    def nights(self) -> list[date]:
        """The nights that are kept, the oldest first."""
        names = sorted(path.stem for path in self.root.glob("????-??-??.parquet"))
        return [date.fromisoformat(name) for name in names]

    def first_words(self, before: date, *, version: str | None = None) -> pa.Table | None:
        """What was said of each invoice on the first night that asked this model, or any model."""
        read = [self._said(path) for night, path in sorted(self._files().items()) if night < before]
        nights = [said for said in read if said is not None and said.num_rows]
        if version is not None:
            nights = [said for said in nights if said["model_version"][0].as_py() == version]
        if not nights:
            return None
        together = pa.concat_tables(nights).combine_chunks()
        ids = together["invoice_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        _, first = np.unique(ids, return_index=True)
        return together.take(pa.array(np.sort(first)))

    def _files(self) -> dict[date, Path]:
        """Each night's file: its own, or a snapshot's scores from before there was a record."""
        found = {
            date.fromisoformat(name[: len("2026-07-01")]): self.store.root / name / SCORES
            for name in self.store.names()
        }
        return {**found, **{night: self._path(night) for night in self.nights()}}

    def _said(self, path: Path) -> pa.Table | None:
        """None where the file is damaged: that is told of where the night itself is read."""
        with suppress(SnapshotDamaged, OSError, pa.ArrowInvalid):
            if path.name == SCORES:
                self.store.snapshot(path.parent.name).close()  # it is as it was written
            return pq.read_table(path, columns=COLUMNS)
        return None

    def _path(self, night: date) -> Path:
        return self.root / f"{night.isoformat()}.parquet"
