"""The recipe that closes the loop: look at the model, and train again where that is advised."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from models.bundle import SHARED_PRIOR
from models.fitting import NotEnoughHistory
from pipelines import monitoring, night, prior, promotion
from pipelines.findings import Health
from pipelines.job import Job
from pipelines.promotion import Trained

STEPS = monitoring.STEPS + promotion.STEPS  # that `run` tells of, at most


@dataclass(frozen=True)
class Retraining:
    """How the model does, and what training again has led to where it was advised and asked."""

    health: Health
    trained: Trained | None


def run(
    job: Job, *, trains: bool = True, tell: Callable[[str], None] = lambda step: None
) -> Retraining:
    """Look at the champion as of the day; train, judge and promote a new one if it is advised.

    While the shared prior answers, that is as soon as there is history enough to learn from.
    """
    model = night.champion(job.settings)
    health = monitoring.run(job, model, tell=tell)
    is_shared = model.source == SHARED_PRIOR
    if not (trains and (health.retrain or is_shared)):
        return Retraining(health, None)
    because = (*health.lines(), *([prior.ANSWERS] if is_shared else []))
    try:
        return Retraining(health, promotion.run(job, because=because, tell=tell))
    except NotEnoughHistory:
        if not is_shared:
            raise
        return Retraining(health, None)


def matured(health: Health) -> list[dict[str, object]]:
    """What was said against what came, for a table."""
    return [asdict(row) for row in health.matured]
