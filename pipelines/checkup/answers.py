"""What answers: the champion model, and the last night's scores."""

from datetime import date

from models.bundle import SHARED_PRIOR, BundleRefused
from pipelines import prior, score_database
from pipelines.beliefs import check_book
from pipelines.checkup.finding import Finding, look, well, wrong
from pipelines.job import Job
from pipelines.snapshot import SnapshotDamaged, verify
from pipelines.store import ScoreStore

OLD_DAYS = 180  # a model that learned before has not seen half a year of payments
LATE_DAYS = 1  # a night that is missing since yesterday may be running


def model(job: Job) -> Finding:
    """Whether the champion loads, knows this feature book and gives its golden rows' answers."""
    train = "puntuale train" + ("" if job.settings.ledger else " LEDGER")
    try:
        champion = prior.champion(job.settings)
    except BundleRefused as refused:
        return wrong("model", str(refused), "puntuale rollback, or puntuale restore BACKUP")
    if champion is None:
        return look("model", "none was promoted yet", f"{train}, or puntuale demo")
    try:
        check_book(champion.model)
    except ValueError as fault:
        return wrong("model", str(fault), train)
    told = f"{champion.version} answers, its golden rows too"
    if champion.source == SHARED_PRIOR:
        return look("model", f"{told}; {prior.ANSWERS}", f"puntuale monitor --retrain, or {train}")
    cut_off = champion.model.facts.get("cut_off")
    if cut_off and (age := (job.as_of - date.fromisoformat(str(cut_off))).days) > OLD_DAYS:
        return look(
            "model", f"{told}; it learned {age} days ago", f"puntuale monitor, then {train}"
        )
    return well("model", told)


def night(job: Job) -> Finding:
    """Whether the last night is whole and of today."""
    store = ScoreStore(job.settings.scores_folder)
    nightly = "puntuale nightly"
    if job.settings.scores_from == "database":
        return _night_in_database(job, store.current_name())
    if (name := store.current_name()) is None:
        return look("night", "none was published yet", nightly)
    try:
        verify(store.root / name)
        snapshot = store.snapshot(name)
    except SnapshotDamaged as fault:
        return wrong("night", f"{name}: {fault}", f"{nightly} publishes it again")
    behind = (job.as_of - snapshot.as_of).days
    told = f"as of {snapshot.as_of}, whole"
    if behind > LATE_DAYS:
        return look("night", f"{told}, {behind} days behind", f"{nightly} --catch-up")
    return well("night", told)


def _night_in_database(job: Job, published: str | None) -> Finding:
    """Whether the night that the database lets be read is the one that was published here."""
    name = score_database.current_name(job.settings.records_url)
    if name is None:
        return look("night", "the database holds none to be read", "puntuale nightly")
    if published not in (None, name):
        told = f"{name} is read from the database, {published} was published"
        return wrong("night", told, "puntuale nightly puts it there")
    behind = (job.as_of - date.fromisoformat(name[:10])).days
    told = f"as of {name[:10]}, read from the database"
    if behind > LATE_DAYS:
        return look("night", f"{told}, {behind} days behind", "puntuale nightly --catch-up")
    return well("night", told)
