"""The limits: reading the columns once, and sorting the keys once."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measured import Columns, main


def read(folder: Path, dates: list[str], rows: int) -> Columns:
    """The columns that peers read, in memory."""
    pa.set_cpu_count(1)
    tables = {
        "invoices": ["invoice", "customer", "issue", "due", "amount"],
        "payments": ["invoice", "day", "amount"],
    }
    columns = {}
    for name, wanted in tables.items():
        files = sorted(folder.glob(f"{name}-*.parquet"))
        table = pa.concat_tables(pq.read_table(f, columns=wanted, use_threads=False) for f in files)
        columns |= {f"{name}_{column}": table[column].to_numpy() for column in wanted}
    return columns


def sort(folder: Path, dates: list[str], rows: int) -> Columns:
    """Customer and day of each invoice and each payment in one number, sorted."""
    columns = read(folder, dates, rows)
    owner = columns["invoices_customer"].astype(np.int64)
    for name, day in (("issue", "invoices_issue"), ("due", "invoices_due")):
        columns[name] = np.sort((owner << 20) | columns[day])
    paid = np.searchsorted(columns["invoices_invoice"], columns["payments_invoice"])
    columns["paid"] = np.sort((owner[paid] << 20) | columns["payments_day"])
    return columns


if __name__ == "__main__":
    is_sort = "--sort" in sys.argv
    if is_sort:
        sys.argv.remove("--sort")
    main(sort if is_sort else read)
