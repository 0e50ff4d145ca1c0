"""Training on a Dask cluster: labels stay in buckets, and `lightgbm.dask` grows trees across them.

    partition("accepted/", to="buckets/", partitions=20)
    model = train("buckets/", work="tables/", cut_off=20_600, scheduler="tcp://10.0.0.7:8786")

Each bucket's snapshots and labels are made on a worker, with the peers and cohorts of the whole
ledger, and stay on disk: together the workers' memories must hold them, twice, while trees are
grown; this process sees totals, the last window's answers and a sample. All workers must see both
folders under the same paths.

The same buckets, seed and number of workers give the same trees, as long as each worker holds the
same buckets: they are dealt out by the workers' names, and only Dask's work stealing or a worker
that dies in between could move them. Another number of workers gives others: LightGBM finds the
bins of each column on one worker's rows, and each worker draws its own bag.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from models import durable
from models.blend import Window
from models.cohorts import Cohorts
from models.fitting import evenly, fit_to, tabulated, totals_of
from models.growing import raw_scores
from models.label_table import LabelTable, Totals
from models.late_payment import LatePaymentModel
from pipelines import backtest, buckets, dataset, features, sampling, trees_on_dask, workers
from pipelines.features import Peers
from pipelines.sampling import Counted
from pipelines.workers import Crew

Floats = npt.NDArray[np.float64]

MOST_SEEN = 50_000  # snapshots that come here, to tell what is usual of a feature


def train(
    partitioned: str | Path,
    *,
    work: str | Path,
    cut_off: int,
    scheduler: str,
    workers_here: int = 1,
    seed: int = 0,
    tuned: Mapping[str, float] | None = None,
    looking_at: Collection[str] | None = None,
) -> LatePaymentModel:
    """The model of what was known before the cut-off, its trees grown on a cluster.

    The scheduler is an address, or `local` for so many workers here. Raises NotEnoughHistory.
    """
    filled = [
        folder.resolve()
        for folder in buckets.folders(partitioned)
        if (folder / "invoices.parquet").exists()
    ]
    to = Path(work).resolve()
    durable.make(to)
    with (
        workers.cluster(scheduler, workers=workers_here) as address,
        workers.crew(scheduler=address) as do,
    ):
        counted = do(_Counting(cut_off), filled)
        peers, cohorts = sampling.of_the_whole(counted, cut_off=cut_off)
        buckets.write(peers.as_columns(), to / "peers.parquet")
        cohorts.save(to / "cohorts.parquet")
        kept = None if looking_at is None else tuple(looking_at)
        tabling = _Tabling(to, cut_off, seed, kept, MOST_SEEN // max(len(filled), 1))
        labels = _OnCluster(do(tabling, filled), address, do)
        return fit_to(
            labels,
            cohorts=cohorts,
            peers=peers.as_columns(),
            cut_off=cut_off,
            seed=seed,
            tuned=tuned,
            facts={
                "feature_book": features.fingerprint(),
                "cluster": {"workers": labels.machines, "buckets": len(labels.parts)},
            },
        )


@dataclass(frozen=True)
class _Part:
    """The labels of a bucket, on disk."""

    folder: Path
    feature_names: tuple[str, ...]
    totals: Totals

    @property
    def labels(self) -> Path:
        return self.folder / "labels"

    @property
    def features(self) -> Path:
        """The features of some of its snapshots."""
        return self.folder / "features.npy"

    def table(self) -> LabelTable:
        return LabelTable.load(self.labels)


@dataclass(frozen=True)
class _Counting:
    """The task that counts what a bucket tells of the whole ledger."""

    cut_off: int

    def __call__(self, bucket: Path) -> Counted:
        return Counted.of(buckets.read(bucket).known_before(self.cut_off), cut_off=self.cut_off)


@dataclass(frozen=True)
class _Tabling:
    """The task that makes a bucket's labels."""

    work: Path
    cut_off: int
    seed: int
    looking_at: tuple[str, ...] | None
    seen: int

    def __call__(self, bucket: Path) -> _Part:
        cohorts = Cohorts.load(self.work / "cohorts.parquet")
        peers = pq.read_table(self.work / "peers.parquet", use_threads=False)
        built = dataset.build(
            buckets.read(bucket),
            cut_off=self.cut_off,
            seed=self.seed,
            peers=Peers.from_columns(peers),
            cohorts_known=cohorts,
        )
        rows = backtest.narrowed(built.rows, self.looking_at)
        table, taken = tabulated(rows, cohorts), rows.snapshots
        part = _Part(self.work / bucket.name, taken.feature_names, totals_of(taken, table))
        part.labels.mkdir(parents=True, exist_ok=True)
        table.save(part.labels)
        np.save(part.features, taken.features[evenly(len(taken), self.seen)])
        return part


class _OnCluster:
    """Labels in buckets that a cluster's workers see."""

    def __init__(self, parts: Sequence[_Part], address: str, do: Crew) -> None:
        self.parts = [part for part in parts if part.totals.labels]
        self.all, self.address, self.do = tuple(parts), address, do
        self.feature_names = parts[0].feature_names if parts else ()
        with workers.client(address) as client:
            self.machines = len(trees_on_dask.dealt(client, self._tables))

    @property
    def _tables(self) -> list[Path]:
        return [part.labels for part in self.parts]

    def totals(self) -> Totals:
        return Totals.together([part.totals for part in self.all])

    def sizes(self, day: int) -> tuple[int, int]:
        counts = np.array(self.do(_Sizes(day), self.parts))
        return int(counts[:, 0].sum()), int(counts[:, 1].sum())

    def grow(self, settings: Mapping[str, Any], *, before: int | None = None) -> str:
        with workers.client(self.address) as client:
            return trees_on_dask.grow(
                client, self._tables, self.feature_names, settings, before=before
            )

    def window(self, text: str, *, since: int) -> Window:
        judged = self.do(_Judging(text, since), self.parts)
        together = {
            name: np.concatenate([getattr(part, name) for part in judged])
            for name in Window.__dataclass_fields__
        }
        # a customer is in one bucket, and its number is the bucket's own
        bucket = np.repeat(np.arange(len(judged)), [len(part.raw) for part in judged])
        numbers = bucket.astype(np.int64) << 32 | together["customer"]
        together["customer"] = np.unique(numbers, return_inverse=True)[1].astype(np.int32)
        return Window(**together)

    def features(self) -> Floats:
        return np.concatenate([np.load(part.features) for part in self.all])

    def some(self, count: int) -> LabelTable:
        """From the first bucket: any customers tell whether a model still says what it said."""
        table = self.parts[0].table()
        return table.take(evenly(len(table), count))


@dataclass(frozen=True)
class _Sizes:
    """The task that counts a bucket's labels on both sides of a day."""

    day: int

    def __call__(self, part: _Part) -> tuple[int, int]:
        table = part.table()
        return int(table.before(self.day).sum()), int(table.since(self.day).sum())


@dataclass(frozen=True)
class _Judging:
    """The task that says what trees say of a bucket's last window."""

    text: str
    since: int

    def __call__(self, part: _Part) -> Window:
        table = part.table()
        judged = table.take(table.since(self.since))
        return judged.window(raw_scores(self.text, judged.stacked))
