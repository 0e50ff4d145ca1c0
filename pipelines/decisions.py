"""Decisions: what is known of each open invoice, laid before the catalogue of actions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import actions, legal
from models.actions import Cases, Catalogue, Decisions
from models.cases import NO_DAY
from models.legal import ReferenceRates
from models.signals import SEVERITIES, Signal
from pipelines import calendars
from pipelines.landmarks import Prepared
from pipelines.ledger import NEVER, cents, days, rows_of

Cents = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Standing:
    """What had been agreed, contested and done before a day, by invoice or by customer."""

    as_of: int
    disputed_cents: Cents  # by invoice: NEVER-sized where the whole invoice is
    promise_day: Days  # by invoice
    unallocated_cents: Cents  # by customer
    last_contact_day: Days  # by customer
    done_day: dict[str, Days]  # by action and invoice
    customer_row: Rows  # of each customer in the ledger's customers, -1 where it is not there


def standing(prepared: Prepared, as_of: int) -> Standing:
    """Everything before the day that an action depends on."""
    last_contact, done = _done(prepared, as_of)
    return Standing(
        as_of=as_of,
        disputed_cents=_disputed(prepared, as_of),
        promise_day=_promised(prepared, as_of),
        unallocated_cents=_unallocated(prepared, as_of),
        last_contact_day=last_contact,
        done_day=done,
        customer_row=rows_of(
            prepared.settlement.customer_ids, among=prepared.ledger.customers["customer_id"]
        ),
    )


def _disputed(prepared: Prepared, as_of: int) -> Cents:
    disputes, invoices = prepared.ledger.disputes, prepared.ledger.invoices
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
    row = rows_of(promises["invoice_id"], among=invoices["invoice_id"])
    made = (row >= 0) & (days(promises["made_on"]) < as_of)
    return _latest(row[made], days(promises["promised_date"], missing=NO_DAY)[made], invoices)


def _unallocated(prepared: Prepared, as_of: int) -> Cents:
    payments, settlement = prepared.ledger.payments, prepared.settlement
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


def _done(prepared: Prepared, as_of: int) -> tuple[Days, dict[str, Days]]:
    """The last contact with each customer, and the last time of each action on each invoice."""
    table, invoices = prepared.ledger.actions, prepared.ledger.invoices
    settlement = prepared.settlement
    customer = rows_of(table["customer_id"], among=settlement.customer_ids)
    invoice = rows_of(table["invoice_id"], among=invoices["invoice_id"])
    day = days(table["performed_on"])
    codes = np.array(table["action_code"].to_pylist(), dtype=object)
    seen = (day < as_of) & (customer >= 0) & (codes != actions.WAIT)

    contact = np.full(len(settlement.customer_ids), NO_DAY, np.int32)
    np.maximum.at(contact, customer[seen], day[seen])
    done = {}
    for code in sorted({str(c) for c in codes[seen]}):
        mine = seen & (codes == code)
        on_invoice = mine & (invoice >= 0)
        last = _latest(invoice[on_invoice], day[on_invoice], invoices)
        # what was done without naming an invoice concerned all of the customer's
        general = np.full(len(contact), NO_DAY, np.int32)
        np.maximum.at(general, customer[mine & (invoice < 0)], day[mine & (invoice < 0)])
        done[code] = np.maximum(last, general[settlement.customer])
    return contact, done


def _latest(row: Rows, day: Days, invoices: pa.Table) -> Days:
    latest = np.full(invoices.num_rows, NO_DAY, np.int32)
    np.maximum.at(latest, row, day)
    return latest


def decide(
    prepared: Prepared,
    known: Standing,
    invoice: Rows,
    *,
    believed: dict[str, Any],
    cause: Sequence[str],
    signals: Sequence[Sequence[Signal]],
    catalogue: Catalogue | None = None,
    rates: ReferenceRates | None = None,
) -> list[dict[str, Any]]:
    """The action for each invoice (row), as the score's `action` column holds it.

    `believed` has open_cents, the probabilities, expected_days_late, n_settled and late30_share.
    """
    settlement = prepared.settlement
    customer = settlement.customer[invoice]
    open_cents = believed["open_cents"]
    decided = actions.decide(
        Cases.of(
            **believed,
            due_day=settlement.due_day[invoice],
            cause=cause,
            debtor=_debtors(prepared, known, customer),
            do_not_contact=_flag(prepared, known, customer, "do_not_contact"),
            disputed_cents=np.minimum(known.disputed_cents[invoice], open_cents),
            unallocated_cents=known.unallocated_cents[customer],
            promise_day=known.promise_day[invoice],
            last_contact_day=known.last_contact_day[customer],
            has_contract=_paper(prepared, invoice, "has_contract"),
            has_delivery_proof=_paper(prepared, invoice, "has_delivery_proof"),
            worst_signal=[
                max((1 + SEVERITIES.index(s.severity) for s in of), default=0) for of in signals
            ],
            done_day={code: day[invoice] for code, day in known.done_day.items()},
        ),
        catalogue or default_catalogue(),
        rates or default_rates(),
        as_of=known.as_of,
        on=_working_day(prepared, known, customer),
    )
    return [_row(decided, i) for i in range(len(invoice))]


@cache
def default_catalogue() -> Catalogue:
    return Catalogue.load(None)


@cache
def default_rates() -> ReferenceRates:
    return ReferenceRates.load(None)


def _flag(prepared: Prepared, known: Standing, customer: Days, column: str) -> Flags:
    """A flag of the customers, false where it is not told."""
    told = prepared.ledger.customers[column].fill_null(False).to_numpy()
    row = known.customer_row[customer]
    flags = np.zeros(len(customer), np.bool_)
    flags[row >= 0] = told[row[row >= 0]]
    return flags


def _debtors(prepared: Prepared, known: Standing, customer: Days) -> npt.NDArray[np.int8]:
    has_vat = prepared.ledger.customers["vat_id"].is_valid().to_numpy()
    row = known.customer_row[customer]
    return legal.debtors(
        _flag(prepared, known, customer, "is_natural_person"),
        _flag(prepared, known, customer, "is_public_body"),
        np.where(row >= 0, np.append(has_vat, False)[row], False),
    )


def _paper(prepared: Prepared, invoice: Rows, column: str) -> Flags:
    told = prepared.ledger.invoices[column].fill_null(False).to_numpy()
    return np.asarray(told[invoice], np.bool_)


def _working_day(prepared: Prepared, known: Standing, customer: Days) -> Days:
    """The first working day from as_of on, where the customer is."""
    row = known.customer_row[customer]
    country = prepared.ledger.customers["country"].combine_chunks()
    return calendars.roll(
        np.full(len(customer), known.as_of, np.int32), country.take(pa.array(row, mask=row < 0))
    )


def _row(decided: Decisions, i: int) -> dict[str, Any]:
    return {
        "code": decided.code[i],
        "channel": decided.channel[i],
        "on": int(decided.on[i]),
        "why": decided.why[i],
        "expected_value_cents": int(decided.expected_value_cents[i]),
        "effect_days": float(decided.effect_days[i]),
        "effect_lo": float(decided.effect_lo[i]),
        "effect_hi": float(decided.effect_hi[i]),
        "effect_source": decided.effect_source[i],
        "blocked_by": decided.blocked_by[i],
        "alternatives": [
            {"code": code, "expected_value_cents": value} for code, value in decided.alternatives[i]
        ],
        "legal_basis": decided.legal_basis[i],
        "missing_documents": decided.missing_documents[i],
    }
