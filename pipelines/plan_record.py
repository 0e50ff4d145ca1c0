"""The record of plans: what each night advised whoever could be contacted, and how likely.

What was done is recorded when it is done; on which days nothing was done, and how probable either
was, only the nights know. Each leaves one row for each open invoice that something could have been
done about, whether or not it was advised. Whom nothing could reach teaches nothing and is left out.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models import draws, durable
from models.plan import Plan
from pipelines import planning, stable_hash
from pipelines.decisions import Asked
from pipelines.store import ScoreStore

FOLDER = "plan_record"  # beside the nights, below the store's root
MOST_ROWS = 500_000  # that are read at one time: more add hours and little certainty
ADVISED_SCHEMA = pa.schema(
    [
        ("invoice_id", pa.string()),
        ("customer_id", pa.string()),
        ("as_of", pa.date32()),
        ("on", pa.date32()),  # the working day on which it would be done
        ("action", pa.string()),  # advised for the customer
        ("effective", pa.string()),  # what of it reaches this invoice: `wait` where nothing does
        ("chances", pa.list_(planning.CHANCE)),  # of what reaches this invoice
        ("propensity", pa.float64()),
        ("policy_version", pa.string()),
        ("held_out", pa.bool_()),
        ("features_hash", pa.string()),
        ("p_late_30", pa.float64()),
        ("p_unpaid_180", pa.float64()),
        ("cause", pa.string()),
    ]
)


def advised(told: Plan, scores: pa.Table, asked: Sequence[Asked]) -> pa.Table:
    """What a plan says of each invoice that something could have been done about."""
    rows = np.flatnonzero(told.options.about)
    customer = told.customer_row[rows]
    codes = pa.array(told.codes, pa.string())
    at = pa.array(rows)
    columns = {
        **{
            name: scores[name].take(at)
            for name in ("invoice_id", "customer_id", "as_of", "p_late_30", "p_unpaid_180")
        },
        "cause": pc.struct_field(scores["cause_hint"], "code").take(at),
        "on": pa.array(planning.working_days(asked)[rows]),
        "action": codes.take(pa.array(told.place[customer])),
        "effective": codes.take(pa.array(told.effective[rows])),
        "chances": planning.chance_lists(told.invoice_chances()[rows], told.codes),
        "propensity": pa.array(told.propensity[customer]),
        "policy_version": pa.array([told.policy_version] * len(rows), pa.string()),
        "held_out": pa.array(told.held_out[customer]),
        "features_hash": pa.array([f"{x:016x}" for x in told.features_hash[customer].tolist()]),
    }
    return pa.table(
        [columns[field.name].cast(field.type) for field in ADVISED_SCHEMA], schema=ADVISED_SCHEMA
    ).combine_chunks()


class PlanRecord:
    """The files below a store of nights; only a run that holds the store may write them."""

    def __init__(self, store: ScoreStore) -> None:
        self.root = store.root / FOLDER

    def keep(self, as_of: date, advice: pa.Table) -> None:
        """Keep what a night advised; said again, the day's last word counts."""
        durable.make(self.root)
        file = BytesIO()
        pq.write_table(advice, file, compression="zstd")
        durable.write(self._path(as_of), file.getvalue())

    def thin(self, as_of: date, *, days: int) -> list[date]:
        """Remove the nights that are older than so many days."""
        gone = [night for night in self.nights() if night < as_of - timedelta(days=days)]
        for night in gone:
            self._path(night).unlink()
        return gone

    def nights(self) -> list[date]:
        """The nights that are kept, the oldest first."""
        names = sorted(path.stem for path in self.root.glob("????-??-??.parquet"))
        return [date.fromisoformat(name) for name in names]

    def read(self, before: date, *, most_rows: int = MOST_ROWS) -> pa.Table:
        """What the nights before a day advised, in ADVISED_SCHEMA; damaged files are passed over.

        Where there is more, customers' nights are drawn by lot, whatever was advised or done.
        """
        paths = [self._path(night) for night in self.nights() if night < before]
        share = min(1.0, most_rows / max(sum(map(_rows_of, paths)), 1))
        parts = [ADVISED_SCHEMA.empty_table()]
        for path in paths:
            with suppress(OSError, pa.ArrowInvalid):
                parts.append(_drawn(pq.read_table(path, schema=ADVISED_SCHEMA), share))
        return pa.concat_tables(parts).combine_chunks()

    def _path(self, night: date) -> Path:
        return self.root / f"{night.isoformat()}.parquet"


def _rows_of(path: Path) -> int:
    with suppress(OSError, pa.ArrowInvalid):
        return int(pq.read_metadata(path).num_rows)
    return 0


def _drawn(advice: pa.Table, share: float) -> pa.Table:
    """A share of a night's customers: all the invoices of each that is drawn."""
    if share >= 1 or not advice.num_rows:
        return advice
    keys = stable_hash.of_customers(advice["customer_id"]).view(np.int64)
    return advice.filter(pa.array(draws.toss(keys, str(advice["as_of"][0])) < share))
