"""A night's scores: the ledger's buckets scored wherever there is room, and put together again.

What is said of an invoice depends on its customer and the model, never on who is scored beside it:
so the bits do not depend on how many buckets there are, nor on whether they are worked out here,
in processes or on a Dask cluster. Memory follows the buckets that a worker has at one time.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models import bundle, durable
from models.bundle import Bundle
from models.cases import Cases
from models.policy import Policy
from pipelines import buckets, cash_forecast, landmarks, prior, scoring
from pipelines.decisions import Asked
from pipelines.ledger import Ledger
from pipelines.settings import Settings
from pipelines.store import STUCK_SECONDS
from pipelines.workers import Crew, crew

INVOICES_AT_ONCE = 100_000  # that a worker has before it; a ledger of fewer is scored in one piece


class Worked(NamedTuple):
    """The scores by invoice_id, the cases they rest on in the same order, the parts of the cash."""

    scores: pa.Table
    asked: list[Asked]
    cash: list[cash_forecast.Part]


@dataclass(frozen=True)
class Scoring:
    """What a worker needs to know to score a bucket; everything large is on the disk."""

    as_of: int
    policy: Policy
    share: float  # of the customers that tell of past windows
    bundle: Path
    to: Path

    def __call__(self, folders: Sequence[Path]) -> tuple[Path, list[Asked], cash_forecast.Part]:
        """Score these buckets; the table is left on the disk."""
        parts = [buckets.read(folder) for folder in folders]
        ledger = Ledger.of(
            **{
                name: pa.concat_tables([part.tables()[name] for part in parts])
                for name in parts[0].tables()
            }
        )
        worked = of_ledger(ledger, self.as_of, _model(self.bundle), self.policy, share=self.share)
        path = self.to / f"{folders[0].name}.arrow"
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, worked.scores.schema) as file,
        ):
            file.write_table(worked.scores)
        return path, worked.asked, worked.cash[0]


def work(
    ledger: Ledger,
    as_of: int,
    model: Bundle,
    policy: Policy,
    *,
    settings: Settings,
    kept: Path | None = None,
) -> Worked:
    """The night's scores of a ledger; `kept` is where its buckets are already."""
    share = cash_forecast.share_looked_at(ledger.invoices.num_rows)
    is_small = ledger.invoices.num_rows <= INVOICES_AT_ONCE
    if is_small and not settings.dask_scheduler:
        return of_ledger(ledger, as_of, model, policy, share=share)
    folder = settings.home / "work"
    durable.sweep(folder, older_than=STUCK_SECONDS)  # of killed nights; others may be at work
    with (
        _divided(ledger, kept) as partitioned,
        durable.aside(folder) as to,
        crew(workers=settings.workers_here, scheduler=settings.dask_scheduler) as do,
    ):
        where = prior.folder_of(settings, model).resolve()
        task = Scoring(as_of, policy, share, where, to.resolve())
        return of_buckets(partitioned.resolve(), task, do)


def of_ledger(ledger: Ledger, as_of: int, model: Bundle, policy: Policy, *, share: float) -> Worked:
    """The scores of a ledger in one piece, here."""
    scores, asked = scoring.score_and_ask(ledger, as_of, model, policy=policy)
    prepared = landmarks.prepare(ledger.known_before(as_of))
    cash = cash_forecast.part(prepared, model.model, as_of=as_of, share=share)
    return Worked(scores, asked, [cash])


def of_buckets(partitioned: Path, task: Scoring, do: Crew) -> Worked:
    """The scores of a ledger in buckets: some of them at a time by each worker."""
    told = do(task, _groups(partitioned))
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path, _, _ in told]
    scores = pa.concat_tables(tables)
    order = pc.sort_indices(scores["invoice_id"])
    asked = _in_order([one for _, of, _ in told for one in of], task.as_of, order.to_numpy())
    return Worked(scores.take(order).combine_chunks(), [asked], [cash for _, _, cash in told])


def _groups(partitioned: Path) -> list[list[Path]]:
    """Buckets next to each other, together about as many invoices as a worker has at one time."""
    folders = buckets.folders(partitioned)
    facts = json.loads((partitioned / buckets.FACTS).read_text())
    each = max(facts["rows"]["invoices"] / len(folders), 1.0)
    size = max(round(INVOICES_AT_ONCE / each), 1)
    return [folders[at : at + size] for at in range(0, len(folders), size)]


def _in_order(asked: Sequence[Asked], as_of: int, order: np.ndarray) -> Asked:
    return Asked(
        Cases.join([one.cases for one in asked]).take(order),
        as_of,
        np.concatenate([np.zeros(0, np.int32), *(one.on for one in asked)])[order],
        np.concatenate([np.zeros(0, np.bool_), *(one.over_terms for one in asked)])[order],
    )


@contextmanager
def _divided(ledger: Ledger, kept: Path | None) -> Iterator[Path]:
    """The ledger in buckets: those that are kept, else some for as long as the block lasts."""
    if kept is not None:
        yield kept
        return
    with TemporaryDirectory(prefix="puntuale-") as folder:
        yield buckets.partition(ledger, Path(folder) / "ledger", partitions=buckets.fitting(ledger))


@lru_cache(maxsize=2)
def _model(folder: Path) -> Bundle:
    """The model, loaded once by each worker: a version never changes."""
    return bundle.load(folder)
