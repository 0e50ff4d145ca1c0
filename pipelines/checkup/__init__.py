"""A check-up of an installation: set-up, data and services, each with what to do about it.

Nothing is changed by looking: no table is migrated, no folder made, no model promoted.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from pipelines import invented_sample
from pipelines.checkup import answers, ledger, machine, services, stores
from pipelines.checkup.finding import Finding, wrong
from pipelines.job import Job
from pipelines.settings import Settings

Check = Callable[[Job], Finding]

# What is looked at, in the order in which one would mend it.
CHECKS: dict[str, Check] = {
    "python": machine.python,
    "packages": machine.packages,
    "clock": machine.clock,
    "settings": machine.settings,
    "home": machine.home,
    "disk": machine.disk,
    "secrets": machine.secrets,
    "records": stores.records,
    "mlflow": stores.mlflow,
    "mapping": ledger.mapping,
    "ledger": ledger.ledger,
    "catalogue": ledger.catalogue,
    "model": answers.model,
    "night": answers.night,
    "port": services.port,
    "prefect": services.prefect,
    "dask": services.dask,
    "mail": services.mail,
}


def job_of(settings: Settings, *, at: datetime) -> Job:
    """The job that the settings name; where they name no ledger, that of a sample as it would be.

    `Job.of` writes the sample when it is asked for: looking must not.
    """
    if settings.ledger or settings.pull_from:
        return Job.of(settings, at=at)
    sample = str(invented_sample.place(settings.home))
    return Job(settings, sample, None, invented_sample.AS_OF, at)


def run(job: Job, *, tell: Callable[[str], None] = lambda step: None) -> Iterator[Finding]:
    """Every check in turn; one that fails itself is a finding too."""
    for what, check in CHECKS.items():
        tell(what)
        try:
            yield check(job)
        except Exception as fault:  # a check-up that stops half way helps nobody
            told = " ".join(str(fault).split()) or type(fault).__name__
            yield wrong(what, told[:400], "PUNTUALE_DEBUG=1 puntuale doctor shows where")
