"""What a page costs when the portfolio is long: `python tests/benchmarks/pages.py [invoices]`.

A small company's night is published once as it is and once with its rows repeated under other ids;
each address is asked of both in this process, best of five. Writes build/bench/pages.json.
"""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.testclient import TestClient

sys.path.insert(0, str(Path(__file__).parents[2]))

from pipelines import night
from pipelines.job import Job
from pipelines.settings import Settings
from pipelines.snapshot import CUSTOMERS, Snapshot
from pipelines.store import ScoreStore
from serving.app import create_app
from tests import small_company
from tests.small_company import AS_OF

BUILD = Path(__file__).parents[2] / "build" / "bench"
TIMES = 5
PATHS = {
    "first page": "/",
    "last page": "/?from={last_customer}",
    "by risk": "/?sort=risk",
    "found by text": "/?q=srl",
    "nothing found": "/?q=zzzz",
    "one band": "/?band=critical",
    "by invoice": "/?view=invoices",
    "by invoice, last page": "/?view=invoices&from={last_invoice}",
    "by invoice, by open amount": "/?view=invoices&sort=open",
    "by invoice, one warning, by risk": "/?view=invoices&sort=risk&signal=delay_drift",
    "portfolio": "/portfolio",
}


def repeated(table: pa.Table, times: int, ids: tuple[str, ...]) -> pa.Table:
    """The rows so many times, each time under other ids."""
    parts = []
    for n in range(times):
        part = table
        for name in ids:
            renamed = pa.array([f"{value}-{n:04}" for value in table[name].to_pylist()])
            part = part.set_column(part.schema.get_field_index(name), name, renamed)
        parts.append(part)
    return pa.concat_tables(parts).combine_chunks()


def long_home(home: Path, of: Snapshot, invoices: int) -> Settings:
    """A home with the night's rows repeated until they are so many invoices."""
    times = -(-invoices // of.rows)
    plan = of.plan_table()
    assert plan is not None
    settings = small_company.settings(home)
    small_company.crowned(settings)
    store = ScoreStore(settings.scores_folder)
    with store.writing() as run:
        store.publish(
            of.as_of,
            repeated(of.scores(), times, ("invoice_id", "customer_id")),
            run=run,
            plan=repeated(plan, times, ("customer_id",)),
            customers=repeated(pq.read_table(of.folder / CUSTOMERS), times, ("customer_id",)),
            facts=of.manifest["facts"],
        )
    return settings


def costs(settings: Settings) -> dict[str, float]:
    """Milliseconds of each address."""
    app = create_app(settings, today=lambda: AS_OF)
    with TestClient(app, base_url="http://localhost") as client:
        snapshot = app.state.at_hand.scores()
        last = {
            "last_customer": max(snapshot.count_plan() - 30, 0),
            "last_invoice": max(snapshot.rows - 30, 0),
        }
        return {name: best(client, path.format(**last)) for name, path in PATHS.items()}


def best(client: Any, path: str) -> float:
    found = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        answer = client.get(path)
        found.append(1000 * (time.perf_counter() - begun))
        assert answer.status_code == 200, (path, answer.status_code)
    return min(found)


def main(invoices: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = small_company.settings(Path(folder) / "small")
        small_company.crowned(settings)
        at = datetime(2026, 7, 1, 2, tzinfo=UTC)
        ledger = str(small_company.ledger_folder())
        night.run(Job.of(settings, at=at, ledger=ledger, as_of=AS_OF))
        small = ScoreStore(settings.scores_folder).current()
        assert small is not None
        long = long_home(Path(folder) / "long", small, invoices)
        of_small, of_long = costs(settings), costs(long)
    print(f"{small.rows:,} and {invoices:,} open invoices, milliseconds, best of {TIMES}")
    figures: dict[str, float] = {}
    for name, of_one in of_small.items():
        ratio = of_long[name] / of_one
        print(f"{name:34}{of_one:8.1f}{of_long[name]:8.1f}  x{ratio:.2f}")
        figures |= {f"{name}, ms": of_long[name], f"{name}, against the small one": ratio}
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "pages.json").write_text(json.dumps({"figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
