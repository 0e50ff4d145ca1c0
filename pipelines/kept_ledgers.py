"""The ledgers that nights have read, kept beside their scores: one customer's rows at hand again.

What was not asked that night can be asked of the same rows later: another day, another fact, how a
customer has paid. A ledger is kept once for all nights that read the same rows, in buckets of
customers, and only as long as one of the latest nights names it.
"""

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from models import durable
from pipelines import buckets
from pipelines.ledger import Ledger


class LedgerNotKept(LookupError):  # noqa: N818 - the name says what happened
    """The rows of that night are not at hand any more, or cannot be read."""


class KeptLedgers:
    """The ledgers below a folder, by their fingerprint (`pipelines.fingerprint`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, ledger: Ledger, name: str) -> Path:
        """Keep the ledger under its fingerprint and tell where; one that is kept whole stays.

        One writer at a time: the night holds the scores' lock.
        """
        durable.make(self.root)
        durable.sweep(self.root)
        if (self.root / name).exists() and not buckets.is_whole(self.root / name):
            durable.remove(self.root / name)
        if not (self.root / name).exists():
            buckets.partition(ledger, self.root / name, partitions=buckets.fitting(ledger))
        return self.root / name

    def of_customer(self, name: str, customer_id: str) -> Ledger:
        """All rows of one customer in a kept ledger, in their order; LedgerNotKept without it."""
        try:
            folder = buckets.folder_of(self.root / name, customer_id)
            return buckets.read(folder).of_customers(pa.array([customer_id]))
        except (OSError, ValueError, pa.ArrowException) as fault:
            raise LedgerNotKept(f"the ledger {name} cannot be read: {fault}") from None

    def of_invoice(self, name: str, invoice_id: str) -> Ledger:
        """All rows of an invoice's customer; empty where the ledger has no such invoice.

        The customer is looked for in all buckets: where it is known, `of_customer` is quicker.
        """
        wanted = {"invoices": ("invoice_id", "customer_id")}
        try:
            for folder in buckets.folders(self.root / name):
                invoices = buckets.read(folder, columns=wanted).invoices
                found = pc.index(invoices["invoice_id"], invoice_id).as_py()
                if found >= 0:
                    return self.of_customer(name, invoices["customer_id"][found].as_py())
        except (OSError, ValueError, pa.ArrowException) as fault:
            raise LedgerNotKept(f"the ledger {name} cannot be read: {fault}") from None
        return Ledger.of()

    def names(self) -> list[str]:
        """The ledgers that are kept."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if not path.name.startswith("."))

    def thin(self, *, keep: Collection[str]) -> list[str]:
        """Remove all but these, and tell which went."""
        gone = [name for name in self.names() if name not in keep]
        for name in gone:
            durable.remove(self.root / name)
        return gone
