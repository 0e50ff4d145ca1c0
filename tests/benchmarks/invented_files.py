"""Invented ledgers as Parquet files, a bucket of customers in each: ours and the peers' columns.

Only what every engine can follow is kept: invoices and their payments, with due dates rolled and
clean amounts. We and one line of Polars read the ledger's own text ids; the other peers are given
whole numbers for them.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import synthetic
from pipelines.settlement import PAYMENT, settle

BUCKET = 100_000  # invoices, about
PER_CUSTOMER = 104  # invoices in two years, about
LEAST_CENTS = 10_000


def write(folder: Path, *, invoices: int) -> None:
    """Files of about so many invoices, unless they are there."""
    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    buckets = max(1, round(invoices / BUCKET))
    first = customers = 0
    for bucket in range(buckets):
        wanted = max(3, invoices // buckets // PER_CUSTOMER)
        rows, people = _bucket(folder, bucket, wanted, first=first, customers=customers)
        first, customers = first + rows, customers + people
    (folder / "done").touch()


def _bucket(
    folder: Path, bucket: int, wanted: int, *, first: int, customers: int
) -> tuple[int, int]:
    ledger, _ = synthetic.generate(customers=wanted, months=24, seed=bucket)
    settlement = settle(ledger)
    rows = np.flatnonzero(settlement.amount_cents >= LEAST_CENTS)
    rows = rows[np.argsort(settlement.customer[rows], kind="stable")]
    place = np.full(len(settlement.customer), -1)
    place[rows] = np.arange(len(rows))

    ids = pc.binary_join_element_wise(str(bucket), ledger.invoices["invoice_id"], "-")
    owners = pc.binary_join_element_wise(str(bucket), ledger.invoices["customer_id"], "-")
    issue, due = settlement.issue_day[rows], settlement.due_day[rows]
    amount = settlement.amount_cents[rows]
    invoices = {
        "invoice_id": ids.take(pa.array(rows)),
        "customer_id": owners.take(pa.array(rows)),
        "issue_date": pa.array(issue, pa.date32()),
        "due_date": pa.array(due, pa.date32()),
        "amount_cents": amount,
        "invoice": first + np.arange(len(rows)),
        "customer": (customers + settlement.customer[rows]).astype(np.int32),
        "issue": issue,
        "due": due,
        "amount": amount,
    }
    moved = settlement.movements
    paid = (moved.kind == PAYMENT) & (moved.amount_cents > 0) & (place[moved.invoice] >= 0)
    paid = np.flatnonzero(paid)
    whose = moved.invoice[paid]
    day = np.maximum(moved.day[paid], settlement.issue_day[whose]).astype(np.int32)
    payments = {
        "invoice_id": ids.take(pa.array(whose)),
        "paid_on": pa.array(day, pa.date32()),
        "amount_cents": moved.amount_cents[paid],
        "invoice": first + place[whose],
        "day": day,
        "amount": moved.amount_cents[paid],
    }
    for name, columns in (("invoices", invoices), ("payments", payments)):
        pq.write_table(pa.table(columns), folder / f"{name}-{bucket:03}.parquet")
    return len(rows), wanted
