"""The rows that last night read, for doors that answer about one customer from its history."""

from datetime import date

import numpy as np

from pipelines.kept_ledgers import KeptLedgers, LedgerNotKept
from pipelines.ledger import Ledger
from pipelines.snapshot import Snapshot
from serving.at_hand import AtHand
from serving.problems import Problem

HISTORY_OF_ONE = 200  # past invoices are looked through in less time than one is scored in
AWAY = "The rows that these scores came from are not kept, or cannot be read."


def of_customer(at_hand: AtHand, snapshot: Snapshot, customer_id: str) -> Ledger:
    """What that night knew of a customer; a Problem (404) where its rows are not kept."""
    kept, name = _kept(at_hand, snapshot)
    try:
        return kept.of_customer(name, customer_id)
    except LedgerNotKept:
        raise Problem("not-found", AWAY) from None


def of_invoice(at_hand: AtHand, snapshot: Snapshot, invoice_id: str) -> Ledger:
    """What that night knew of an invoice's customer, empty where there is no such invoice."""
    row = snapshot.get_invoice(invoice_id)
    if row is not None:
        return of_customer(at_hand, snapshot, row["customer_id"])
    kept, name = _kept(at_hand, snapshot)
    try:
        return kept.of_invoice(name, invoice_id)
    except LedgerNotKept:
        raise Problem("not-found", AWAY) from None


def weight(ledger: Ledger) -> int:
    """As how many invoices one of a customer counts whose history has to be looked through first.

    About 0.35 s of one core for a history of 100,000 invoices: too long for the event loop.
    """
    n_invoices: int = ledger.invoices.num_rows
    return 1 + n_invoices // HISTORY_OF_ONE


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return int(np.datetime64(day).astype(int))


def _kept(at_hand: AtHand, snapshot: Snapshot) -> tuple[KeptLedgers, str]:
    name = snapshot.manifest["facts"].get("ledger")
    return KeptLedgers(at_hand.settings.ledgers_folder), str(name)
