"""What the service has at hand to answer with: a model or why not, and the last scores."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol

import pyarrow as pa

from models import bundle
from models.bundle import Bundle, BundleRefused
from models.catalogue import Catalogue
from pipelines.ledger import Ledger
from pipelines.settings import Settings
from pipelines.snapshot import Snapshot, SnapshotDamaged
from pipelines.store import ScoreStore
from serving.answers import Said
from serving.limits import ScoringPlaces
from serving.problems import Problem
from serving.records_at_hand import RecordsAtHand

logger = logging.getLogger(__name__)

STALE_AFTER_DAYS = 2  # a night may fail once, or stop for a Sunday, before anybody is warned
NO_MODEL = "No model has been promoted yet: run `puntuale train`."
NO_SCORES = "No scores have been published yet: run `puntuale nightly`."


class Scorer(Protocol):
    """The one path from a ledger to scores: `pipelines.scoring.score`."""

    def __call__(
        self, ledger: Ledger, as_of: int, model: Bundle, *, invoices: Sequence[str] | None
    ) -> pa.Table: ...


@dataclass
class AtHand:
    """Everything that doors share; made once, by `serving.app`."""

    settings: Settings
    store: ScoreStore
    score: Scorer
    catalogue: Catalogue
    records: RecordsAtHand
    model: Bundle | None = None
    model_missing: str = NO_MODEL
    scores_missing: str = NO_SCORES
    places: ScoringPlaces = field(default_factory=ScoringPlaces)
    today: Callable[[], date] = date.today
    loaded_at: datetime | None = None
    _snapshot: Snapshot | None = None

    def load_model(self) -> None:
        """Takes the champion; without one, or with a damaged one, the service goes on without."""
        try:
            self.model = bundle.champion(self.settings.models_folder)
            self.model_missing, self.loaded_at = NO_MODEL, now()
        except (BundleRefused, OSError) as fault:
            logger.error("the champion cannot answer: %s", fault)
            self.model, self.model_missing = None, str(fault)

    def snapshot(self) -> Snapshot | None:
        """The scores that are read; the last good ones while newer ones are damaged."""
        try:
            self._snapshot = self.store.current()
            self.scores_missing = NO_SCORES
        except (SnapshotDamaged, OSError, ValueError) as fault:
            logger.error("the current scores cannot be read: %s", fault)
            self.scores_missing = str(fault)
        return self._snapshot

    def scores(self) -> Snapshot:
        """The scores that are read, or the problem that there are none."""
        snapshot = self.snapshot()
        if snapshot is None:
            raise Problem("no-scores", self.scores_missing)
        return snapshot

    def is_stale(self, snapshot: Snapshot) -> bool:
        return self.age_days(snapshot) > STALE_AFTER_DAYS

    def is_invented(self, snapshot: Snapshot) -> bool:
        """Whether the scores are those of the sample: they grow old, and nobody waits for new."""
        return bool(snapshot.manifest["facts"].get("is_invented"))

    def age_days(self, snapshot: Snapshot) -> int:
        return (self.today() - snapshot.as_of).days

    def provenance(self, snapshot: Snapshot) -> dict[str, Any]:
        """What every answer from stored scores says about itself."""
        return {
            "as_of": snapshot.as_of,
            "model_version": snapshot.model_version,
            "computed_at": snapshot.manifest["facts"].get("computed_at"),
            "currency": self.currency_of(snapshot),
            "score_source": "stored_score",
            "stale": self.is_stale(snapshot),
            "degraded": self.is_degraded,
        }

    def said_in(self, language: str | None, snapshot: Snapshot | None = None) -> Said:
        """How an answer is worded: in this language, or the service's own."""
        return {
            "language": language or self.settings.language,
            "currency": self.currency_of(snapshot),
            "catalogue": self.catalogue,
        }

    def currency_of(self, snapshot: Snapshot | None) -> str:
        """The currency that the scores are in: the snapshot's own, or that of the settings."""
        kept = snapshot.manifest["facts"].get("currency") if snapshot else None
        return str(kept or self.settings.currency)

    def close(self) -> None:
        self.places.close()
        self.records.close()

    @property
    def is_degraded(self) -> bool:
        """Whether something that should answer is away."""
        away = self.model is None or self.scores_missing != NO_SCORES
        return away or bool(self.lost_inputs)

    @property
    def lost_inputs(self) -> list[str]:
        """What the model learned from and last night's ledger did not tell."""
        facts = self._snapshot.manifest["facts"] if self._snapshot else {}
        return list(facts.get("lost_inputs", []))


def now() -> datetime:
    """The moment of an answer, to the second, in UTC."""
    return datetime.now(UTC).replace(microsecond=0)
