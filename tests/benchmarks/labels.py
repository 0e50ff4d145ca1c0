"""What a ledger teaches by the way its late invoices are counted, and what came then.

Shares of invoices more than 30 days late, as somebody would have counted them on the day of each
origin from the half year before it, beside what became of the invoices of the month after it; and
the share that is late at all, by the raw and by the business due date.
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from pipelines import sources, synthetic
from pipelines.job import day_number
from pipelines.labels import is_labelled, is_matured
from pipelines.ledger import NEVER, Ledger
from pipelines.settlement import Settlement, settle

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "bench"
REAL = HERE.parents[2] / "shared" / "data" / "sap_items"
REAL_ORIGINS = ("2018-05-01", "2018-06-15", "2018-08-01", "2018-09-15", "2018-11-01")
INVENTED_ORIGINS = ("2025-10-01", "2026-01-01", "2026-04-01")
LATE_DAYS, HALF_A_YEAR, A_MONTH = 30, 180, 30

Flags = npt.NDArray[np.bool_]


def counted(ledger: Ledger, origin: int) -> Mapping[str, float]:
    """Three ways of counting on the day of the origin, and what came."""
    known, whole = settle(ledger.known_before(origin)), settle(ledger)
    recent = is_labelled(known) & (known.due_day < origin)
    recent &= known.due_day >= origin - HALF_A_YEAR
    paid = known.settled_day < origin
    late = late_by(known, LATE_DAYS)
    matured = is_matured(known.due_day + LATE_DAYS, cut_off=origin)
    half_a_year = known.due_day >= origin - LATE_DAYS - HALF_A_YEAR
    came = is_labelled(whole) & (whole.issue_day >= origin) & (whole.issue_day < origin + A_MONTH)
    return {
        "only what is paid": share(late, recent & paid),
        "what is open called on time": share(late & paid, recent),
        "matured labels": share(late, is_labelled(known) & matured & half_a_year),
        "what came": share(late_by(whole, LATE_DAYS), came),
    }


def late_by(settled: Settlement, days: int) -> Flags:
    """Still open so many days after the business due date."""
    late: Flags = settled.settled_day > settled.due_day + days
    return late


def share(flags: Flags, among: Flags) -> float:
    return float(flags[among].mean())


def by_due_date(ledger: Ledger) -> Mapping[str, float]:
    """The share that is late at all by each date, and of due dates that are no business days."""
    settled = settle(ledger)
    told = is_labelled(settled) & (settled.settled_day < NEVER)
    return {
        "late by the raw due date": share(settled.settled_day > settled.raw_due_day, told),
        "late by the business due date": share(late_by(settled, 0), told),
        "due on no business day": share(settled.due_day != settled.raw_due_day, told),
    }


def ledger_and_origins() -> tuple[Ledger, tuple[str, ...]]:
    if REAL.is_dir():
        return sources.read(REAL, mapping="sap_items").ledger, REAL_ORIGINS
    print("an invented ledger, not ../shared/data/sap_items")
    with TemporaryDirectory() as folder:
        synthetic.write(Path(folder))
        return sources.read(folder).ledger, INVENTED_ORIGINS


def main() -> None:
    ledger, origins = ledger_and_origins()
    told = [counted(ledger, day_number(date.fromisoformat(origin))) for origin in origins]
    mean = {name: float(np.mean([row[name] for row in told])) for name in told[0]}
    figures = mean | dict(by_due_date(ledger))
    for origin, row in zip((*origins, "mean"), (*told, mean), strict=True):
        print(f"{origin:10}", *(f"{name} {value:.4f}" for name, value in row.items()), sep="  ")
    for name, value in by_due_date(ledger).items():
        print(f"{name} {value:.4f}")
    BUILD.mkdir(parents=True, exist_ok=True)
    named = {name.replace(" ", "_"): value for name, value in figures.items()}
    (BUILD / "labels.json").write_text(json.dumps({"figures": named}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
