"""Reading a job's ledger: what is usable goes on, and too much that is not stops the run."""

from pipelines import litter, sources
from pipelines.intake.files import Raw
from pipelines.job import RECORDS, Job
from pipelines.quarantine import rows_fell
from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from pipelines.settings import Settings
from pipelines.sources import Intake, IntakeRefused
from pipelines.store import ScoreStore

READ_TWICE = (
    "rows may be in PUNTUALE_LEDGER and, pulled from PUNTUALE_PULL_FROM, in the records too: "
    "leave PUNTUALE_LEDGER out, or set it to records"
)


class IncompleteExtract(IntakeRefused):
    """The ledger has far fewer, or far more, invoices than on the nights before."""


class TooMuchQuarantined(IntakeRefused):
    """A larger share of a table's rows is wrong than the settings allow."""


def read(job: Job) -> Intake:
    """The ledger and its quarantine; refused when too much is wrong, or when half of it lacks."""
    intake = take_in(job)
    litter.give_back()  # of a large ledger's raw rows
    try:
        stop_if_too_much(job.settings, intake)
    except TooMuchQuarantined as refused:
        if job.settings.pull_from is None or job.source == RECORDS:
            raise
        raise TooMuchQuarantined([*refused.faults, READ_TWICE]) from None
    stop_if_incomplete(job, intake)
    return intake


def take_in(job: Job) -> Intake:
    """The ledger and its quarantine, whatever the share of wrong rows."""
    settings, given = job.settings, job.settings.model_fields_set
    return sources.read(
        job.source,
        mapping=job.mapping,
        # what is not set is left to the mapping
        ledger_currency=settings.currency if "currency" in given else None,
        zone=settings.zone if "zone" in given else None,
        today=job.today,
        sent=sent_in(job),
    )


def sent_in(job: Job) -> dict[str, Raw]:
    """The rows that were sent in by the day of the job; nothing where nothing ever was."""
    settings = job.settings
    if job.is_invented or not (settings.database_url or settings.records_file.exists()):
        return {}
    database = open_database(settings.records_url)
    try:
        with database.reading() as connection:
            return ledger_rows.read_tables(connection, as_of=job.as_of)
    finally:
        database.close()


def stop_if_too_much(settings: Settings, intake: Intake) -> None:
    """Raise TooMuchQuarantined when more rows are wrong than the settings allow."""
    try:
        intake.raise_if_over(settings.quarantine_share_max)
    except IntakeRefused as refused:
        raise TooMuchQuarantined(refused.faults) from None


def stop_if_incomplete(job: Job, intake: Intake) -> None:
    """Raise IncompleteExtract when the invoices are not about as many as on the nights before."""
    before = [
        int(facts["invoices_read"])
        for facts in ScoreStore(job.settings.scores_folder).facts()
        if facts.get("source") == job.source_mark
    ]
    now = intake.ledger.invoices.num_rows
    if why := rows_fell(now, before, share=job.settings.rows_change_max):
        advice = "if it is right, set PUNTUALE_ROWS_CHANGE_MAX higher for this run"
        raise IncompleteExtract([f"invoices: {why}; yesterday's scores stay. {advice}"])
