"""What the service has at hand to answer with: a model or why not, and the last scores."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol

import pyarrow as pa

from models import bundle
from models.bundle import MODEL_SOURCE, OWN, Bundle, BundleRefused
from models.catalogue import Catalogue
from pipelines import prior
from pipelines.ledger import Ledger
from pipelines.score_database import DatabaseStore
from pipelines.settings import Settings
from pipelines.snapshot import Snapshot, SnapshotDamaged
from pipelines.store import ScoreStore
from serving.answers import Said
from serving.limits import ScoringPlaces
from serving.problems import Problem
from serving.records_at_hand import RecordsAtHand

logger = logging.getLogger(__name__)

MODEL_STALE_AFTER_DAYS = 92  # a quarter, after which monitoring too advises to train again
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
    store: ScoreStore | DatabaseStore
    score: Scorer
    catalogue: Catalogue
    records: RecordsAtHand
    model: Bundle | None = None
    model_missing: str = NO_MODEL
    scores_missing: str = NO_SCORES
    places: ScoringPlaces = field(default_factory=ScoringPlaces)
    today: Callable[[], date] = date.today
    loaded_at: datetime | None = None
    model_fault: str | None = None  # why the champion does not answer, or the last good one does
    reloads: Counter[tuple[str, str]] = field(default_factory=Counter)  # by what, and what came
    records_fault: Callable[[], str | None] = lambda: None
    _champion: str | None = None  # as the pointer named it at the last look
    _snapshot: Snapshot | None = None
    _replaced: Snapshot | None = None

    def load_model(self) -> None:
        """Takes the champion, checked beside the model that answers; a damaged one is not taken.

        Without any model the service goes on: last night's scores need none.
        """
        try:
            self._champion = bundle.champion_version(prior.answering(self.settings))
            model = prior.champion(self.settings)
            had, has = (None if each is None else each.source for each in (self.model, model))
            if had is not None and has != had and has != OWN:
                raise BundleRefused(bundle.CHAMPION, "is gone")
        except (BundleRefused, OSError) as fault:
            logger.error("the champion cannot answer: %s", fault)
            self.model_fault = self.model_missing = str(fault)
            self.reloads["model", "refused"] += 1
            return
        if model is not None and (self.model is None or model.version != self.model.version):
            logger.info("the model %s answers", model.version)
            self.reloads["model", "taken"] += 1
        self.model, self.loaded_at = model, now()
        self.model_fault, self.model_missing = None, NO_MODEL

    def is_champion_other(self) -> bool:
        """Whether another bundle was crowned since the last was taken, or refused."""
        try:
            return bundle.champion_version(prior.answering(self.settings)) != self._champion
        except (BundleRefused, OSError):
            return self.model_fault is None

    def refresh_scores(self) -> None:
        """Takes the scores that were published last; damaged ones leave the last good in place."""
        try:
            found = self.store.current()
            if found is None and self._snapshot is not None:
                raise SnapshotDamaged("the pointer to the scores is gone")
        except (SnapshotDamaged, OSError, ValueError) as fault:
            if self.scores_missing != str(fault):  # said once, not every second
                logger.error("the current scores cannot be read: %s", fault)
                self.reloads["scores", "refused"] += 1
            self.scores_missing = str(fault)
            return
        self.scores_missing = NO_SCORES
        if found is self._snapshot or found is None:
            return
        logger.info("the scores %s are read", found.name)
        self.reloads["scores", "taken"] += 1
        if self._replaced is not None:
            self._replaced.close()  # replaced a night ago: no request reads it any more
        self._replaced, self._snapshot = self._snapshot, found

    def champion(self) -> Bundle:
        """The model that answers, or the problem that there is none."""
        if self.model is None:
            raise Problem("no-model", self.model_missing)
        return self.model

    def snapshot(self) -> Snapshot | None:
        """The scores that are read; the last good ones while newer ones are damaged."""
        return self._snapshot

    def scores(self) -> Snapshot:
        """The scores that are read, or the problem that there are none."""
        snapshot = self.snapshot()
        if snapshot is None:
            raise Problem("no-scores", self.scores_missing)
        return snapshot

    def is_stale(self, snapshot: Snapshot) -> bool:
        """Whether newer scores should be there: a night was missed, or cannot be read."""
        is_old = self.age_days(snapshot) > STALE_AFTER_DAYS
        return is_old or self.scores_missing != NO_SCORES

    @property
    def is_model_stale(self) -> bool:
        """Whether a newer model should answer: it is old, or the one promoted is refused."""
        made = self.model_made_on
        is_old = made is not None and (self.today() - made).days > MODEL_STALE_AFTER_DAYS
        return is_old or self.model_fault is not None

    @property
    def model_made_on(self) -> date | None:
        """The day of the model's bundle, None where its manifest names no day."""
        if self.model is None:
            return None
        try:
            return date.fromisoformat(self.model.manifest.created_at[:10])
        except ValueError:
            return None

    def parts_away(self) -> list[str]:
        """Which parts do not answer, or answer with the last good of theirs."""
        away = {
            "model": self.model is None or self.model_fault is not None,
            "records": self.records_fault() is not None,
            "scores": self.scores_missing != NO_SCORES,
        }
        return [part for part, is_away in away.items() if is_away]

    def is_invented(self, snapshot: Snapshot) -> bool:
        """Whether the scores are those of the sample: they grow old, and nobody waits for new."""
        return snapshot.is_invented

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
            "model_source": self.source_of(snapshot),
            "stale": self.is_stale(snapshot),
            "degraded": self.is_degraded,
        }

    def worked_out(self, as_of: date, model: Bundle) -> dict[str, Any]:
        """What every answer that was worked out for its request alone says about itself."""
        return {
            "as_of": as_of,
            "model_version": model.version,
            "computed_at": now(),
            "currency": self.settings.currency,
            "score_source": "model",
            "model_source": model.source,
            "stale": self.is_model_stale,
            "degraded": self.model_fault is not None,
        }

    def source_of(self, snapshot: Snapshot) -> str:
        """Whose model made the scores: the company's own, or the shared prior."""
        return str(snapshot.manifest["facts"].get(MODEL_SOURCE, OWN))

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
