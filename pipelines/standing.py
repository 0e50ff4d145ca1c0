"""Standing: what had been agreed, contested and done before a day, as an action depends on it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import actions
from models.cases import NO_DAY
from models.catalogue import Catalogue
from pipelines import stable_hash
from pipelines.landmarks import Prepared
from pipelines.ledger import NEVER, cents, days, rows_of

Cents = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Standing:
    """What had been agreed, contested and done before a day, by invoice or by customer."""

    as_of: int
    disputed_cents: Cents  # by invoice: NEVER-sized where the whole invoice is
    promise_day: Days  # by invoice
    unallocated_cents: Cents  # by customer
    last_day: dict[str, Days]  # by action and customer: the last time, about anything
    done_day: dict[str, Days]  # by action and invoice
    acts: "Acts"  # with customers, about anything
    customer_key: Rows  # a number for each customer that stays its own
    customer_row: Rows  # of each customer in the ledger's customers, -1 where it is not there

    def last_contact_day(self, catalogue: Catalogue) -> Days:
        """By customer the last contact; what the catalogue does not know counts as one."""
        inside = {action.code for action in catalogue.actions if not action.contact}
        latest = np.full(len(self.customer_key), NO_DAY, np.int32)
        for code, day in self.last_day.items():
            if code not in inside:
                latest = np.maximum(latest, day)
        return latest

    def recent_contacts(self, catalogue: Catalogue) -> Floats:
        """By customer its contacts, one a day at most: each counts for less as it is forgotten."""
        if not len(self.acts.code):
            return np.zeros(len(self.customer_key))
        inside = [action.code for action in catalogue.actions if not action.contact]
        heard = ~np.isin(self.acts.code, inside)
        pairs = np.unique(np.column_stack([self.acts.customer, self.acts.day])[heard], axis=0)
        left = 0.5 ** ((self.as_of - pairs[:, 1]) / catalogue.economics.forgotten_days)
        sums = np.bincount(pairs[:, 0], weights=left, minlength=len(self.customer_key))
        return sums.astype(np.float64)


class Acts(NamedTuple):
    """What was done before the day, one row for each action that was logged."""

    customer: Rows
    day: Rows
    code: npt.NDArray[np.str_]

    @classmethod
    def none(cls) -> "Acts":
        """Nothing was ever done."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.str_))


def standing(prepared: Prepared, as_of: int) -> Standing:
    """Everything before the day that an action depends on."""
    last, done, acts = _done(prepared, as_of)
    customer_ids = prepared.settlement.customer_ids
    return Standing(
        as_of=as_of,
        disputed_cents=_disputed(prepared, as_of),
        promise_day=_promised(prepared, as_of),
        unallocated_cents=_unallocated(prepared, as_of),
        last_day=last,
        done_day=done,
        acts=acts,
        customer_key=stable_hash.of_customers(customer_ids).view(np.int64),
        customer_row=rows_of(customer_ids, among=prepared.ledger.customers["customer_id"]),
    )


def _disputed(prepared: Prepared, as_of: int) -> Cents:
    disputes, invoices = prepared.ledger.disputes, prepared.ledger.invoices
    if not disputes.num_rows:
        return np.zeros(invoices.num_rows, np.int64)
    row = rows_of(disputes["invoice_id"], among=invoices["invoice_id"])
    opened, closed = days(disputes["opened_on"]), days(disputes["closed_on"])
    stands = np.flatnonzero((row >= 0) & (opened < as_of) & (closed >= as_of))
    row = row[stands]
    amount = disputes["amount_cents"].take(pa.array(stands))
    named = amount.is_valid().to_numpy()
    disputed = np.zeros(invoices.num_rows, np.int64)
    np.add.at(disputed, row, np.where(named, cents(amount), prepared.settlement.amount_cents[row]))
    return disputed


def _promised(prepared: Prepared, as_of: int) -> Days:
    promises, invoices = prepared.ledger.promises, prepared.ledger.invoices
    if not promises.num_rows:
        return np.full(invoices.num_rows, NO_DAY, np.int32)
    row = rows_of(promises["invoice_id"], among=invoices["invoice_id"])
    made = (row >= 0) & (days(promises["made_on"]) < as_of)
    promised = days(promises["promised_date"], missing=NO_DAY)
    return _latest(row[made], promised[made], invoices.num_rows)


def _unallocated(prepared: Prepared, as_of: int) -> Cents:
    payments, settlement = prepared.ledger.payments, prepared.settlement
    if not payments["invoice_id"].null_count:
        return np.zeros(len(settlement.customer_ids), np.int64)
    customer = rows_of(payments["customer_id"], among=settlement.customer_ids)
    known = np.maximum(
        days(payments["paid_on"]), days(payments["recorded_at"], missing=-int(NEVER))
    )
    loose = payments["invoice_id"].is_null().to_numpy()
    loose = loose & (customer >= 0) & (known < as_of) & (days(payments["returned_on"]) >= as_of)
    amount = payments["amount_cents"].to_numpy()
    total = np.zeros(len(settlement.customer_ids), np.int64)
    np.add.at(total, customer[loose], amount[loose])
    return total


def _done(prepared: Prepared, as_of: int) -> tuple[dict[str, Days], dict[str, Days], Acts]:
    """The last time of each action with each customer, and on each invoice; and all of them."""
    table, invoices = prepared.ledger.actions, prepared.ledger.invoices
    if not table.num_rows:
        return {}, {}, Acts.none()
    settlement = prepared.settlement
    customer = rows_of(table["customer_id"], among=settlement.customer_ids)
    invoice = rows_of(table["invoice_id"], among=invoices["invoice_id"])
    # whoever the row names: it concerned the customer of the invoice
    named = invoice >= 0
    customer[named] = settlement.customer[invoice[named]]
    day = days(table["performed_on"])
    codes = np.array(table["action_code"].to_pylist(), dtype=object)
    seen = (day < as_of) & (customer >= 0) & (codes != actions.WAIT)

    last, done = {}, {}
    customers = len(settlement.customer_ids)
    for code in sorted({str(c) for c in codes[seen]}):
        mine = seen & (codes == code)
        last[code] = _latest(customer[mine], day[mine], customers)
        on_one, general = mine & named, mine & ~named
        # what was done without naming an invoice concerned all of the customer's
        of_all = _latest(customer[general], day[general], customers)[settlement.customer]
        on_it = _latest(invoice[on_one], day[on_one], invoices.num_rows)
        done[code] = np.maximum(on_it, of_all)
    acts = Acts(customer[seen], day[seen].astype(np.int64), codes[seen].astype(np.str_))
    return last, done, acts


def _latest(row: Rows, day: Days, rows: int) -> Days:
    latest = np.full(rows, NO_DAY, np.int32)
    np.maximum.at(latest, row, day)
    return latest
