"""The public Python names, in one list: what is here keeps its name and its meaning.

    from pipelines.workbench import desk, read, train, champion, score

Every one is a name of the room where it lives, so that a notebook, a batch and the service compute
in one way; `docs/python.md` says what each gives. Only `desk` looks at the clock.
"""

from datetime import UTC, date, datetime
from pathlib import Path

from models.catalogue import Catalogue
from models.fitting import NotEnoughHistory
from models.late_payment import LatePaymentModel
from models.registry import Version
from models.what_if import Change
from pipelines.action_log import decisions
from pipelines.action_log import read as action_log
from pipelines.backtest import run as backtest
from pipelines.backtest_report import figures as backtest_figures
from pipelines.estimators import (
    LatePaymentClassifier,
    LedgerFeatures,
    day_of,
    training_questions,
)
from pipelines.features import BOOK
from pipelines.features.page import described
from pipelines.job import Job
from pipelines.leak_check import another_future
from pipelines.leak_check import of_first_origin as leak_verdict
from pipelines.learned_effects import learn as learn_effects
from pipelines.ledger import Ledger
from pipelines.monitoring import run as monitor
from pipelines.night import champion
from pipelines.night import run as work_night
from pipelines.policies import in_force as policy_in_force
from pipelines.policy_report import compare as compare_policies
from pipelines.portfolio_risk import risk_of
from pipelines.promotion import registry, roll_back
from pipelines.promotion import run as train
from pipelines.reading import read
from pipelines.scoring import score
from pipelines.settings import Settings
from pipelines.sources import Intake, IntakeRefused
from pipelines.sources import read as read_ledger
from pipelines.what_if import Asked

__all__ = [
    "BOOK",
    "Asked",
    "Catalogue",
    "Change",
    "Intake",
    "IntakeRefused",
    "Job",
    "LatePaymentClassifier",
    "LatePaymentModel",
    "Ledger",
    "LedgerFeatures",
    "NotEnoughHistory",
    "Settings",
    "Version",
    "action_log",
    "another_future",
    "backtest",
    "backtest_figures",
    "champion",
    "compare_policies",
    "day_of",
    "decisions",
    "described",
    "desk",
    "leak_verdict",
    "learn_effects",
    "monitor",
    "policy_in_force",
    "read",
    "read_ledger",
    "risk_of",
    "roll_back",
    "score",
    "train",
    "training_questions",
    "versions",
    "work_night",
]


def desk(
    ledger: str | Path | None = None,
    *,
    mapping: str | Path | None = None,
    as_of: str | date | None = None,
    home: str | Path | None = None,
) -> Job:
    """A job to work on: the settings' ledger and home folder unless others are named.

    Without any ledger it is the invented sample, as of its own end; else as of today.
    """
    settings = Settings() if home is None else Settings(home=Path(home))
    return Job.of(
        settings,
        at=datetime.now(UTC).replace(microsecond=0),
        ledger=None if ledger is None else str(ledger),
        mapping=None if mapping is None else str(mapping),
        as_of=date.fromisoformat(as_of) if isinstance(as_of, str) else as_of,
    )


def versions(settings: Settings) -> list[Version]:
    """Every model that was trained, the newest first, with what was decided about it and why."""
    return registry(settings).versions()
