"""The recipe that closes the loop: look at the model, and train again where that is advised."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from pipelines import monitoring, night, promotion
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
    """Look at the champion as of the day; train, judge and promote a new one if it is advised."""
    health = monitoring.run(job, night.champion(job.settings), tell=tell)
    if not (trains and health.retrain):
        return Retraining(health, None)
    return Retraining(health, promotion.run(job, because=health.lines(), tell=tell))


def matured(health: Health) -> list[dict[str, object]]:
    """What was said against what came, for a table."""
    return [asdict(row) for row in health.matured]
