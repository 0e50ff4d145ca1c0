"""The night's report: what a credit manager reads in the morning, and each collector of their own.

Every figure is the published night's own or its night before's; nothing is worked out again.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models import durable
from models.action import CatalogueError
from pipelines import mail, night_changes, night_page, portfolio_risk
from pipelines.lookup import in_plan_order
from pipelines.records import alerts
from pipelines.records.database import RecordsAway, RecordsDamaged
from pipelines.settings import Settings
from pipelines.snapshot import CUSTOMERS, Snapshot, SnapshotDamaged
from pipelines.store import ScoreStore

logger = logging.getLogger(__name__)

Told = dict[str, Any]
Row = Mapping[str, Any]

TOP = 15  # contacts and alerts of the whole portfolio
COLLECTORS = 40  # that have a section of their own
ROWS_OF_ALL = 300  # in all sections together: a report is mailed, and stays below 300 KB
ROWS_OF_ONE = 10
NAME_CHARACTERS = 60
# What nights of earlier versions did not note of themselves.
_NOT_NOTED: Told = {
    "risk": None,
    "kpis": None,
    "forecast": None,
    "provision": [],
    "is_invented": False,
    "model_source": "own",
    "health": {"findings": [], "matured": [], "retrain": False},
}


class NightReports:
    """The reports below a folder, one for each night that is kept; none is ever written over."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, snapshot: str) -> Path:
        """Where the report of a snapshot is, or would be."""
        return self.root / f"{snapshot}.html"

    def keep(self, snapshot: str, page: str) -> bool:
        """Keep a night's report; False where there is one already, which stays as it is."""
        if self.path(snapshot).exists():
            return False
        durable.make(self.root)
        durable.write(self.path(snapshot), page.encode())
        return True

    def thin(self, *, keep: Sequence[str]) -> list[str]:
        """Remove the reports of all other nights, and tell which went."""
        gone = sorted(path for path in self.root.glob("*.html") if path.stem not in keep)
        for path in gone:
            path.unlink()
        return [path.stem for path in gone]


class NoSuchNight(LookupError):  # noqa: N818 - the name says what happened
    """No scores are kept as of that day."""


def of_night(settings: Settings, name: str) -> Path | None:
    """Write, and where it is wanted mail, a night's report; None, and a line in the log, if not.

    A night is worth more than its report: it is written when the night is run again, or asked for.
    """
    try:
        path, is_new = write(settings, name)
    except (OSError, SnapshotDamaged, CatalogueError) as fault:
        logger.error("no report was written for %s: %s", name, fault)
        return None
    NightReports(settings.reports_folder).thin(keep=ScoreStore(settings.scores_folder).names())
    if is_new and settings.mail_report:
        words = night_page.words_of(settings.language)
        subject = f"Puntuale: {words['title']}, {name[:10]}"
        try:
            mail.send(settings, subject, subject, attached=path)
        except (OSError, mail.MailRefused) as fault:
            logger.error("the report of %s was not mailed: %s", name, fault)
    return path


def write(settings: Settings, name: str) -> tuple[Path, bool]:
    """The report of a published night, and whether it was not there before."""
    store, reports = ScoreStore(settings.scores_folder), NightReports(settings.reports_folder)
    if reports.path(name).exists():
        return reports.path(name), False
    with closing(store.snapshot(name)) as snapshot:
        told = tell(snapshot, store, records_url=settings.records_url)
    return reports.path(name), reports.keep(name, night_page.page(told, settings))


def of_day(settings: Settings, as_of: date | None = None) -> Path:
    """The report of a day's night, else of the one that is read, written where it is missing."""
    store = ScoreStore(settings.scores_folder)
    wanted = f"{as_of}-" if as_of else store.current_name() or "-"
    names = [name for name in store.names() if name.startswith(wanted)]
    if not names:
        when = f"as of {as_of}" if as_of else "yet"
        raise NoSuchNight(f"no scores are kept {when}: run `puntuale nightly`")
    current = store.current_name()
    return write(settings, current if current in names else names[-1])[0]


def tell(snapshot: Snapshot, store: ScoreStore, *, records_url: str) -> Told:
    """All that the report shows, as it stands in the night's files."""
    facts = _NOT_NOTED | snapshot.manifest["facts"]
    if facts["risk"] is None:
        facts["risk"] = portfolio_risk.risk_of(snapshot.scores())
    customers = _customers(snapshot)
    raised = _raised(records_url, snapshot)
    contacts = _contacts(snapshot)
    named = [{**alert, **_named(customers, alert["customer_id"])} for alert in raised or ()]
    changes = night_changes.since_last(
        store,
        snapshot.as_of,
        snapshot.scores(),
        snapshot.plan_table(),
        is_invented=snapshot.is_invented,
    )
    return {
        "snapshot": snapshot.name,
        "as_of": snapshot.as_of,
        "model_version": snapshot.model_version,
        "quarantined": snapshot.manifest["quarantined"],
        "facts": facts,
        "changes": asdict(changes) if changes else None,
        "has_plan": snapshot.has_plan,
        "contacts": [{**row, **_named(customers, row["customer_id"])} for row in contacts[:TOP]],
        "alerts": None if raised is None else named[:TOP],
        "alerts_count": len(named),
        **_of_collectors(customers, contacts, named),
    }


def _customers(snapshot: Snapshot) -> dict[str, tuple[str | None, str | None]]:
    """The name and the collector of each customer, as far as the night kept them."""
    path = snapshot.folder / CUSTOMERS
    if not path.exists():
        return {}
    table = pq.read_table(path, columns=["customer_id", "customer_name", "collector"])
    ids, names, collectors = (column.to_pylist() for column in table.columns)
    return dict(zip(ids, zip(names, collectors, strict=True), strict=True))


def _named(customers: Mapping[str, tuple[str | None, str | None]], customer_id: str) -> Told:
    name, collector = customers.get(customer_id, (None, None))
    return {"name": _short(name or customer_id), "collector": collector}


def _short(name: str) -> str:
    return name if len(name) <= NAME_CHARACTERS else name[: NAME_CHARACTERS - 1] + "…"


def _raised(url: str, snapshot: Snapshot) -> list[dict[str, Any]] | None:
    with suppress(RecordsAway, RecordsDamaged):
        return alerts.raised_on(url, snapshot.as_of)
    return None


def _contacts(snapshot: Snapshot) -> list[Row]:
    """Who is to be contacted, in the order of the plan."""
    plan = snapshot.plan_table()
    if plan is None:
        return []
    shown = ["customer_id", "code", "on", "expected_value_cents", "open_cents", "risk_band"]
    ordered = in_plan_order(plan)
    contacted: pa.Table = ordered.filter(pc.not_equal(ordered["code"], "wait"))
    rows: list[Row] = contacted.select(shown).to_pylist()
    return rows


def _of_collectors(
    customers: Mapping[str, tuple[str | None, str | None]],
    contacts: Sequence[Row],
    raised: Sequence[Row],
) -> Told:
    """Each collector's new alerts and first contacts, by name; whose customers have none last."""
    names = sorted({collector for _, collector in customers.values() if collector is not None})
    if not names:
        return {"collectors": [], "more_collectors": 0}
    shown = names[:COLLECTORS]
    rows = max(min(ROWS_OF_ALL // (2 * (len(shown) + 1)), ROWS_OF_ONE), 3)
    found: dict[str | None, Told] = {
        name: {"name": name and _short(name), "alerts": [], "contacts": [], "counts": [0, 0]}
        for name in [*shown, None]
    }
    for at, (what, given) in enumerate((("alerts", raised), ("contacts", contacts))):
        for row in given:
            named = _named(customers, row["customer_id"])
            if (section := found.get(named["collector"])) is None:
                continue
            section["counts"][at] += 1
            if len(section[what]) < rows:
                section[what].append({**row, **named})
    return {"collectors": list(found.values()), "more_collectors": len(names) - len(shown)}
