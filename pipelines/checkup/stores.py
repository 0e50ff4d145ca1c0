"""Where things are kept: the records' database and its migrations, and MLflow's."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import sqlalchemy as sa

from models import bundle
from models.registry import CHAMPION
from pipelines import promotion
from pipelines.checkup.finding import Finding, look, well, wrong
from pipelines.job import Job
from pipelines.records import database

WAIT_SECONDS = 5


def records(job: Job) -> Finding:
    """Whether the records answer, whole, in this version's tables; nothing is migrated."""
    url = job.settings.records_url
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite" and not Path(str(address.database)).exists():
        return well("records", "none yet: made when something is sent in")
    ours = database.Database(database.make_engine(url))
    try:
        has, newest, known = database.revision(ours.engine)
        ours.check()
        version = ours.engine.dialect.server_version_info or ()
    except (database.RecordsAway, database.RecordsDamaged, sa.exc.SQLAlchemyError) as fault:
        told = " ".join(str(getattr(fault, "orig", fault)).split())
        return wrong("records", f"{_shown(address)}: {told[:200]}", _advice(address))
    finally:
        ours.close()
    told = f"{_shown(address)} {'.'.join(map(str, version))}, tables {has or 'not made'}"
    if has == newest:
        return well("records", told)
    if has is None or has in known:
        advice = "the next command that writes does it; back up first: puntuale backup DIR"
        return look("records", f"{told}, this version has {newest}", advice)
    return wrong(
        "records", f"{told}, unknown to this version ({newest})", "install the newer version"
    )


def mlflow(job: Job) -> Finding:
    """Whether MLflow's store answers, and its champion is the model that answers here."""
    uri = job.settings.mlflow_uri
    if uri.startswith("http"):
        with urlopen(f"{uri.rstrip('/')}/health", timeout=WAIT_SECONDS) as answer:
            return well("mlflow", f"{uri} answers {answer.status}")
    file = Path(uri.removeprefix("sqlite:///"))
    if not file.exists():
        return look("mlflow", f"no {file.name} yet", "puntuale train LEDGER makes it")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as tables:
        found = tables.execute("PRAGMA quick_check").fetchone()[0]
    if found != "ok":
        return wrong("mlflow", f"{file}: {found}", "puntuale restore BACKUP")
    versions = promotion.registry(job.settings).versions()
    told = f"{len(versions)} versions in {file.name}"
    champions = [v.version for v in versions if CHAMPION in v.aliases]
    answering = bundle.champion_version(job.settings.models_folder)
    if answering is not None and champions != [answering]:
        told = f"{told}; its champion is {', '.join(champions) or 'none'}, {answering} answers"
        return look("mlflow", told, "puntuale models, then puntuale rollback --to VERSION")
    return well("mlflow", told)


def _shown(address: sa.URL) -> str:
    """The address without its password."""
    return address.render_as_string(hide_password=True)


def _advice(address: sa.URL) -> str:
    if address.get_backend_name() == "sqlite":
        return "puntuale restore BACKUP"
    return "start PostgreSQL, or correct PUNTUALE_DATABASE_URL"
