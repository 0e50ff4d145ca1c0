"""A first look at somebody's own export: a mapping guessed, tried, and what came of the rows."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from models.fitting import LEAST_LABELS, NotEnoughHistory
from pipelines import dataset, matured_window, sources
from pipelines.intake import draft, file_looks, guessed_rows
from pipelines.intake.draft import Draft
from pipelines.intake.guessed_rows import USUAL_TERMS_DAYS, Guessed
from pipelines.job import EPOCH, day_number
from pipelines.ledger import Ledger, days
from pipelines.settlement import is_open, settle
from pipelines.sources import Intake, IntakeRefused

RECENT_DAYS = 45  # an export that ends earlier is scored as of its own end
MANY_INVOICES = 20_000  # of which enough have ended; fewer are counted


@dataclass(frozen=True)
class FirstLook:
    """What was guessed of an export, and what came of reading it so."""

    source: str
    guessed: Guessed | None  # None: the files have the ledger's own names
    drafted: Draft | None
    intake: Intake | None  # None: it could not be read
    refused: tuple[str, ...]
    as_of: date | None  # the day after the export's last, where that is long ago
    short: str  # what the history lacks to learn from; empty: nothing

    @property
    def mapping(self) -> str | None:
        return self.drafted.text if self.drafted else None


def look(
    source: str | Path,
    *,
    today: date,
    day_first: bool | None = None,
    decimal: str | None = None,
) -> FirstLook:
    """Guess what a file or a folder holds, and read it so; raises IntakeRefused for no such files.

    What two readings of its days and amounts allow is taken as stated, and told where nothing is.
    """
    paths = sources.files_of(Path(source))
    if not paths:
        raise IntakeRefused([f"{source}: expected CSV or Parquet files, got none"])
    if Path(source).is_dir() and (own := _own(source, today)) is not None:
        as_of = ended(own.ledger, today=today)
        short = short_of(own.ledger, as_of=as_of or today)
        return FirstLook(str(source), None, None, own, (), as_of, short)
    guessed = guessed_rows.rows([file_looks.look(path) for path in paths])
    drafted = draft.draft(guessed, day_first=day_first, decimal=decimal)
    if guessed.lacks():
        return FirstLook(str(source), guessed, drafted, None, (), None, "")
    with TemporaryDirectory() as folder:
        mapping = Path(folder) / "mapping.toml"
        mapping.write_text(drafted.text, encoding="utf-8")
        try:
            intake = sources.read(source, mapping=mapping, today=today)
        except IntakeRefused as refused:
            return FirstLook(str(source), guessed, drafted, None, refused.faults, None, "")
    as_of = ended(intake.ledger, today=today)
    short = short_of(intake.ledger, as_of=as_of or today)
    return FirstLook(str(source), guessed, drafted, intake, (), as_of, short)


def ended(ledger: Ledger, *, today: date) -> date | None:
    """The day after a ledger's last, where that is long ago; None where it is up to date.

    Where all is paid by then, the day after its last invoice, so that something is open.
    """
    issued = days(ledger.invoices["issue_date"].combine_chunks().drop_null())
    every = [days(ledger.payments["paid_on"]), issued]
    last = max((int(np.max(d)) for d in every if len(d)), default=day_number(today))
    if day_number(today) - last <= RECENT_DAYS:
        return None
    if not is_open(settle(ledger.known_before(last + 1)), last + 1).any():
        due = days(ledger.invoices["due_date"])
        last = int(np.max(issued)) if len(issued) else int(np.max(due)) - USUAL_TERMS_DAYS
    return EPOCH + timedelta(days=last + 1)


def short_of(ledger: Ledger, *, as_of: date) -> str:
    """What a ledger's history lacks for a model to be learned and judged; empty: nothing."""
    if ledger.invoices.num_rows >= MANY_INVOICES:
        return ""
    origin = matured_window.begin(as_of)
    try:
        labels = len(dataset.build(ledger, cut_off=day_number(origin)).rows.row)
    except NotEnoughHistory as short:
        return str(short)
    if labels >= LEAST_LABELS:
        return ""
    return (
        f"{labels:,} outcomes are known before {origin}, from where on a model is judged; "
        f"{LEAST_LABELS:,} are needed: a longer history gives more"
    )


def _own(source: str | Path, today: date) -> Intake | None:
    """The ledger, where the folder's files have its own names and habits."""
    try:
        return sources.read(source, today=today)
    except IntakeRefused:
        return None
