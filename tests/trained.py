"""The small company's ledger and model, for tests that ask a trained model something."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
from ledgers import Rows

from models import bundle
from models.bundle import Bundle
from models.late_payment import GOLDEN_ROWS, LatePaymentModel, Snapshots
from pipelines import landmarks, sources
from pipelines.features import Peers
from pipelines.job import day_number
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger
from tests import small_company


@dataclass(frozen=True)
class Trained:
    """A ledger, the day that ends it and a model of what was known before that day."""

    ledger: Ledger
    as_of: int
    bundle: Bundle

    @property
    def model(self) -> LatePaymentModel:
        return self.bundle.model

    @cached_property
    def prepared(self) -> Prepared:
        return landmarks.prepare(self.ledger)

    @cached_property
    def peers(self) -> Peers:
        return Peers.from_columns(self.model.peers)

    def take(self, invoice: npt.ArrayLike, as_of: npt.ArrayLike) -> Snapshots:
        """Snapshots of the ledger's invoices (rows), each as of its own day."""
        rows, days = np.asarray(invoice, np.int64), np.asarray(as_of, np.int32)
        return landmarks.take(self.prepared, rows, days, peers=self.peers)

    def some(self, count: int, *, seed: int = 0) -> Snapshots:
        """Invoices on days around and after their issue, drawn at random."""
        random = np.random.default_rng(seed)
        invoice = random.integers(0, self.ledger.invoices.num_rows, count)
        day = self.prepared.settlement.issue_day[invoice] + random.integers(0, 150, count)
        return self.take(invoice, day)


# So small a company's trees may earn no weight; with one, every part of the model is looked at.
WEIGHTS = (0.7, 0.3)


@cache
def small() -> Trained:
    """Trained once per test process; its trees and its curve both have a say."""
    ledger = sources.read(small_company.ledger_folder(), today=small_company.AS_OF).ledger
    loaded = bundle.load(small_company.trained_bundle())
    as_of = day_number(small_company.AS_OF)
    blended = Trained(ledger, as_of, replace(loaded, model=replace(loaded.model, weights=WEIGHTS)))
    some = blended.some(GOLDEN_ROWS, seed=1)
    ahead = np.arange(GOLDEN_ROWS, dtype=np.int32)
    model = blended.model.with_golden(some, ahead)
    return Trained(ledger, as_of, replace(loaded, model=model))


def on(day: int) -> date:
    """A day number as a date."""
    return date(1970, 1, 1) + timedelta(days=int(day))


def payer(
    customer: str, late: list[int], *, until: int, open_for: int, amount_cents: int = 100_000
) -> Rows:
    """A customer with an invoice every fortnight, each paid so many days after it was due.

    The last one, due `open_for` days before `until`, is still open; so is what would be paid later.
    """
    rows: Rows = {"customers": [{"customer_id": customer, "country": "IT"}]}
    rows["invoices"], rows["payments"] = [], []
    for back, days in enumerate([0, *reversed(late)]):
        due = until - open_for - 14 * back
        name = f"{customer}-{len(late) - back:03}"
        rows["invoices"].append(
            {
                "invoice_id": name,
                "customer_id": customer,
                "issue_date": due - 30,
                "due_date": due,
                "amount_cents": amount_cents,
            }
        )
        if back and due + days < until:
            payment = {"invoice_id": name, "paid_on": due + days, "amount_cents": amount_cents}
            rows["payments"].append(payment)
    rows["invoices"].reverse()
    return rows
