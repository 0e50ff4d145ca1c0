"""Learning: from all rows in this process, from a sample of the customers, or on a Dask cluster."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from models import durable
from models.late_payment import LatePaymentModel
from pipelines import backtest, buckets, cluster_training, sampling
from pipelines.ledger import Ledger
from pipelines.settings import Settings

PARTITIONS = 16  # buckets of customers: a sample is drawn, or labels are made, one at a time


class LearningRefused(ValueError):  # noqa: N818 - the name says what happened
    """A model cannot be learned in the way that was asked for."""


@dataclass(frozen=True)
class Learning:
    """How a model learns; whoever says nothing learns from all rows in this process."""

    share: float | None = None  # of the customers that are learned from
    scheduler: str | None = None  # of a Dask cluster that learns instead
    workers: int = 1  # of a local cluster
    work: Path | None = None  # a folder that all workers see under the same path

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise LearningRefused(f"share must be above 0 and at most 1, got: {self.share}")
        if self.share is not None and self.scheduler is not None:
            raise LearningRefused(
                "training takes a sample or a cluster, got both: "
                "a cluster learns from all customers"
            )

    @classmethod
    def of(cls, settings: Settings, *, share: float | None, on_cluster: bool) -> "Learning":
        """What was asked for, on the cluster that the settings name."""
        if on_cluster and not settings.dask_scheduler:
            raise LearningRefused(
                "training on a cluster needs PUNTUALE_DASK_SCHEDULER: the address of a Dask "
                "scheduler, or `local` for processes of this machine; got: none"
            )
        scheduler = settings.dask_scheduler if on_cluster else None
        return cls(share, scheduler, settings.feature_workers or 1, settings.home / "training")

    def train(
        self,
        ledger: Ledger,
        *,
        cut_off: int,
        tuned: Mapping[str, float] | None = None,
        looking_at: Collection[str] | None = None,
    ) -> LatePaymentModel:
        """The model of what was known before the cut-off; raises NotEnoughHistory."""
        if self.share is None and self.scheduler is None:
            return backtest.train(ledger, cut_off=cut_off, tuned=tuned, looking_at=looking_at)
        if self.work is not None:
            durable.make(self.work)
        with TemporaryDirectory(dir=self.work) as folder:
            divided = Path(folder) / "ledger"
            buckets.partition(ledger, divided, partitions=PARTITIONS)
            if self.share is not None:
                return sampling.train(
                    divided,
                    cut_off=cut_off,
                    share=self.share,
                    tuned=tuned,
                    looking_at=looking_at,
                )
            return cluster_training.train(
                divided,
                work=Path(folder) / "tables",
                cut_off=cut_off,
                scheduler=str(self.scheduler),
                workers_here=self.workers,
                tuned=tuned,
                looking_at=looking_at,
            )

    def with_share(self, share: float | None) -> "Learning":
        """The same, from another share of the customers; a sample is learned from here."""
        return replace(self, share=share, scheduler=None if share else self.scheduler)


USUAL = Learning()
