"""The training flows: the recipe of `pipelines/promotion.py` under Prefect, with artifacts.

`python -m pipelines.training --as-of 2026-07-01` needs no server: without PREFECT_API_URL Prefect
starts one of its own for the run. The command line runs the same recipe without Prefect.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from prefect import flow, task
from prefect.artifacts import (
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE

from models import bundle
from models.bundle import SHARED_PRIOR
from models.fitting import NotEnoughHistory
from pipelines import contest, monitoring, night, promotion
from pipelines.job import Job
from pipelines.nightly import at_home, options, passes, read
from pipelines.promotion import Trained
from pipelines.settings import Settings

look = task(monitoring.run, name="look at the model that answers", cache_policy=NO_CACHE)
learn = task(promotion.learn, name="learn", cache_policy=NO_CACHE)
judge = task(promotion.judge, name="judge on the last matured window", cache_policy=NO_CACHE)
log = task(
    promotion.log,
    name="log to MLflow",
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=passes,
    cache_policy=NO_CACHE,
)
promote = task(promotion.promote, name="promote", cache_policy=NO_CACHE)
teach = task(promotion.teach, name="learn what actions change", cache_policy=NO_CACHE)


@flow(name="training", validate_parameters=False)  # type: ignore[untyped-decorator]
def training(
    as_of: date | None = None,
    ledger: str | None = None,
    mapping: str | None = None,
    because: Sequence[str] = (),
) -> Trained:
    """Train on what was known before a day; the model takes over unless it loses to somebody."""
    job = Job.of(Settings(), at=datetime.now(UTC), ledger=ledger, mapping=mapping, as_of=as_of)
    progress = create_progress_artifact(progress=0.0, key="training-progress")
    known = read(job).ledger
    champion = bundle.champion(job.settings.models_folder)
    tuned = promotion.tuned_of(champion)
    model = learn(known, cut_off=job.as_of, tuned=tuned)
    update_progress_artifact(artifact_id=progress, progress=50.0)
    judged = judge(known, cut_off=job.as_of, champion=champion, tuned=tuned)
    verdict = contest.decide(judged)
    update_progress_artifact(artifact_id=progress, progress=80.0)
    registered = log(job, known, model, judged, verdict, because=because)
    promote(job.settings, registered, verdict)
    teach(job, known)
    update_progress_artifact(artifact_id=progress, progress=100.0)
    trained = promotion.told(job, registered, judged, verdict)
    create_table_artifact(key="training-summary", table=trained.summary())
    return trained


@flow(name="retraining", validate_parameters=False)  # type: ignore[untyped-decorator]
def retraining(
    as_of: date | None = None, ledger: str | None = None, mapping: str | None = None
) -> Trained | None:
    """Look at the model that answers, and train again only where that is advised."""
    job = Job.of(Settings(), at=datetime.now(UTC), ledger=ledger, mapping=mapping, as_of=as_of)
    model = night.champion(job.settings)
    health = look(job, model)
    create_table_artifact(key="model-health", table=[{"finding": told} for told in health.lines()])
    is_shared = model.source == SHARED_PRIOR
    if not health.retrain and not is_shared:
        return None
    try:
        trained: Trained = training(as_of, ledger, mapping, because=health.lines())
    except NotEnoughHistory:
        if not is_shared:
            raise
        return None
    return trained


def main() -> None:
    parser = options("Train, judge and promote a model, under Prefect.")
    parser.add_argument("--if-advised", action="store_true", help="look at the model first")
    given = parser.parse_args()
    with at_home(Settings()):
        run = retraining if given.if_advised else training
        run(given.as_of, given.ledger, given.mapping)


if __name__ == "__main__":
    main()
