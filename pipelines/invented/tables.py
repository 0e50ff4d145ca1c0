"""One block's draws as Arrow tables: the ledger's, cut after its last day, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.invented import contacts as contacts_room
from pipelines.invented import customers as people
from pipelines.invented import payments as money
from pipelines.invented import settling, standing
from pipelines.invented import temperaments as tempers
from pipelines.invented.invoices import TERMS, Invoices
from pipelines.ledger import NEVER, TABLES, conform

POLICY_VERSION = "invented-rules-1"
CAUSES = (None, "difficulty", "administrative", "habit", "unknown")
TRUTH_SCHEMAS = {
    "customers": pa.schema(
        [
            ("customer_id", pa.string()),
            ("temperament", pa.string()),
            ("usual_delay_days", pa.float64()),
            ("onset_day", pa.int32()),
            ("stop_day", pa.int32()),
            ("payment_run", pa.string()),
        ]
    ),
    "invoices": pa.schema(
        [
            ("invoice_id", pa.string()),
            ("customer_id", pa.string()),
            ("due_business_day", pa.int32()),
            ("settled_day", pa.int32()),
            ("settled_day_without_contacts", pa.int32()),
            ("cancelled", pa.bool_()),
            ("cause", pa.string()),
        ]
    ),
    "effects": pa.schema(
        [
            ("action_id", pa.string()),
            ("invoice_id", pa.string()),
            ("action_code", pa.string()),
            ("temperament", pa.string()),
            ("settled_day_without", pa.int32()),
            ("settled_day_with", pa.int32()),
            ("days_gained", pa.int32()),
        ]
    ),
}


@dataclass(frozen=True)
class Block:
    """Everything drawn for one block of customers."""

    customers: people.Customers
    invoices: Invoices
    intent: settling.Intent
    contacts: contacts_room.Contacts
    promises: contacts_room.Promises
    payments: money.Payments
    credit_notes: money.CreditNotes
    outcome: money.Outcome
    standing: standing.Standing
    gaps: np.ndarray  # a uniform number per invoice, to leave some fields empty


def ledger_tables(block: Block, *, until: int, wanted: int) -> dict[str, pa.Table]:
    """The ledger's tables of the first `wanted` customers, with nothing dated after `until`."""
    makers = {
        "customers": _customers,
        "invoices": _invoices,
        "payments": _payments,
        "credit_notes": _credit_notes,
        "disputes": _disputes,
        "promises": _promises,
        "credit_limits": _credit_limits,
        "external_ratings": _external_ratings,
        "actions": _actions,
        "legal_events": _legal_events,
    }
    return {
        name: conform(make(block, until, wanted), to=TABLES[name]) for name, make in makers.items()
    }


def truth_tables(block: Block, *, wanted: int) -> dict[str, pa.Table]:
    """What the ledger does not say: temperaments, true settlements, causes, effects of contacts."""
    c, inv, acts = block.customers, block.invoices, block.contacts
    who = np.arange(wanted)
    rows = np.flatnonzero(inv.customer < wanted)
    made = np.flatnonzero(acts.made & (inv.customer[acts.invoice] < wanted))
    step, of = acts.step[made], acts.invoice[made]
    columns = {
        "customers": {
            "customer_id": _customer_ids(block, who),
            "temperament": _labels(tempers.NAMES, c.temperament[who]),
            "usual_delay_days": c.delay_days[who],
            "onset_day": c.onset_day[who],
            "stop_day": c.stop_day[who],
            "payment_run": _labels(people.RUNS, c.run[who]),
        },
        "invoices": {
            "invoice_id": _invoice_ids(block, rows),
            "customer_id": _customer_ids(block, inv.customer[rows]),
            "due_business_day": inv.due_business_day[rows],
            "settled_day": block.outcome.settled_day[rows],
            "settled_day_without_contacts": block.intent.settle_day[rows],
            "cancelled": block.outcome.cancelled[rows],
            "cause": _causes(block).take(pa.array(rows)),
        },
        "effects": {
            "action_id": _action_ids(block, made),
            "invoice_id": _invoice_ids(block, of),
            "action_code": _labels([x.code for x in tempers.CONTACTS], step),
            "temperament": _labels(tempers.NAMES, c.temperament[inv.customer[of]]),
            "settled_day_without": acts.settle_without[made],
            "settled_day_with": acts.settle_with[made],
            "days_gained": acts.settle_without[made] - acts.settle_with[made],
        },
    }
    return {
        name: pa.table({f.name: pa.array(columns[name][f.name], f.type) for f in schema}, schema)
        for name, schema in TRUTH_SCHEMAS.items()
    }


def _causes(block: Block) -> pa.Array:
    """Why each invoice was late, null where it was not: trouble before paperwork before habit."""
    temperament = block.customers.temperament[block.invoices.customer]
    late = block.outcome.settled_day > block.invoices.due_business_day
    habits = [tempers.CODE[name] for name in ("habitual_late", "seasonal", "payment_run")]
    paperwork = block.intent.forgotten | block.outcome.short | (block.intent.dispute.opened < NEVER)
    code = np.select(
        [~late, block.intent.in_trouble, paperwork, np.isin(temperament, habits)], [0, 1, 2, 3], 4
    )
    return _labels(CAUSES, code)


def _customers(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    c = block.customers
    who = np.arange(wanted)
    italian = c.country[who] == 0
    gap = c.gaps[who]
    number = _padded(c.number[who] + 1, 6)
    domain = pc.binary_join_element_wise("c", number, ".example", "")
    places = pc.binary_join_element_wise(
        _labels(people.PLACES_FIRST, c.place_first[who]),
        _labels(people.PLACES_LAST, c.place_last[who]),
        "",
    )
    parts = (_labels(people.TRADES, c.trade[who]), places, _labels(people.FORM_LABELS, c.form[who]))
    group = pc.binary_join_element_wise("G", _padded(c.number[who] // people.BLOCK, 4), "-", "")
    group = pc.binary_join_element_wise(group, _text(np.maximum(c.group[who], 0)), "")
    return {
        "customer_id": _customer_ids(block, who),
        "name": pc.binary_join_element_wise(*parts, " "),
        "vat_id": _known(_vat_ids(c, who), gap > 0.03),
        "legal_form": _labels(people.FORMS, c.form[who]),
        "is_natural_person": pa.array(c.is_natural[who]),
        "is_public_body": pa.array(c.is_public[who]),
        "country": _labels(people.COUNTRIES, c.country[who]),
        "province": _known(_labels(people.PROVINCES, c.province[who]), italian & (gap < 0.97)),
        "industry_code": _known(_labels(people.INDUSTRIES, c.industry[who]), gap < 0.9),
        "customer_since": _dates(c.since_day[who], (gap < 0.5) | (gap > 0.55)),
        "group_id": _known(group, c.group[who] >= 0),
        "segment": _labels(people.SEGMENTS, c.segment[who]),
        "terms_code": _known(_labels([t.code for t in TERMS], c.terms[who]), gap < 0.98),
        "payment_method": _labels(people.METHODS, c.method[who]),
        "language": _labels(people.LANGUAGES, c.country[who]),
        "preferred_channel": _known(
            _labels(("email", "phone", "pec"), c.trade[who] % 3), gap < 0.8
        ),
        "contact_email": _known(
            pc.binary_join_element_wise("amministrazione@", domain, ""), gap < 0.92
        ),
        "contact_phone": _known(
            pc.binary_join_element_wise("+39 000 ", number, ""), (gap > 0.1) & italian
        ),
        "do_not_contact": pa.array(c.do_not_contact[who]),
    }


def _vat_ids(c: people.Customers, who: np.ndarray) -> pa.Array:
    """VAT numbers of the right shape that nobody has: office 000 in Italy, zeros ahead abroad."""
    number = c.number[who] + 1
    body = number[:, None] // 10 ** np.arange(6, -1, -1) % 10
    digits = np.concatenate([body, np.zeros((len(number), 3), np.int64)], axis=1)
    doubled = digits[:, 1::2] * 2
    checked = digits[:, ::2].sum(1) + (doubled - 9 * (doubled > 9)).sum(1)
    italian = pc.binary_join_element_wise(_padded(number, 7), "000", _text(-checked % 10), "")
    lead = _labels(("", "DE0", "FR000", "ESX"), c.country[who])
    width = pc.binary_join_element_wise(lead, _padded(number, 8), "")
    return pc.if_else(pa.array(c.country[who] == 0), italian, width)


def _invoices(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    inv, c, gap = block.invoices, block.customers, block.gaps
    row = np.flatnonzero(inv.customer < wanted)
    inv_customer, gap = inv.customer[row], gap[row]
    issue = inv.issue_day[row]
    delivered = issue - np.floor(gap * 1_000).astype(int) % 6
    recorded = np.minimum(issue + np.floor(gap * 100).astype(int) % 3, until)
    order = _numbered(block, "O", inv_customer, inv.document[row])
    discount = (inv.terms[row] == 0) & (c.gaps[inv_customer] > 0.9)
    return {
        "invoice_id": _invoice_ids(block, row),
        "customer_id": _customer_ids(block, inv_customer),
        "due_date": _dates(inv.due_day[row]),
        "amount_cents": pa.array(inv.cents[row]),
        "issue_date": _dates(issue, gap > 0.004),
        "instalment_no": pa.array(inv.instalment[row], pa.int32()),
        "currency": _labels(("EUR",), np.zeros(len(row), int)),
        "terms_code": _known(_labels([t.code for t in TERMS], inv.terms[row]), gap < 0.99),
        "terms_days": _known(pa.array(inv.terms_days[row], pa.int32()), gap < 0.995),
        "early_discount_pct": _known(pa.array(np.full(len(row), 2.0)), discount),
        "early_discount_days": _known(pa.array(np.full(len(row), 10), pa.int32()), discount),
        "payment_method": _labels(people.METHODS, c.method[inv_customer]),
        "company_code": _labels(("IT01", "IT02"), c.company[inv_customer]),
        "order_ref": _known(order, gap < 0.85),
        "delivered_on": _dates(delivered, (gap > 0.2) & (delivered <= until)),
        "has_contract": _known(pa.array(c.gaps[inv_customer] > 0.3), gap < 0.95),
        "has_delivery_proof": _known(pa.array(gap < 0.8), gap > 0.05),
        "recorded_at": _dates(recorded, (gap > 0.6) & (gap < 0.75)),
    }


def _payments(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    p = block.payments
    booked = np.where(p.recorded_day < NEVER, p.recorded_day, p.day)
    row = np.flatnonzero((np.maximum(p.day, booked) <= until) & (p.customer < wanted))
    of = p.invoice[row]
    return {
        "payment_id": _numbered(block, "P", p.customer[row], p.number[row]),
        "invoice_id": _known(_invoice_ids(block, np.maximum(of, 0)), of >= 0),
        "customer_id": _customer_ids(block, p.customer[row]),
        "paid_on": _dates(p.day[row]),
        "amount_cents": pa.array(p.cents[row]),
        "method": _labels(people.METHODS, block.customers.method[p.customer[row]]),
        "discount_taken_cents": _known(pa.array(p.discount_cents[row]), p.discount_cents[row] > 0),
        "returned_on": _dates(p.returned_day[row], p.returned_day[row] <= until),
        "recorded_at": _dates(p.recorded_day[row], p.recorded_day[row] < NEVER),
    }


def _credit_notes(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    n, customer = block.credit_notes, block.invoices.customer[block.credit_notes.invoice]
    row = np.flatnonzero((n.day <= until) & (customer < wanted))
    return {
        "credit_note_id": _numbered(block, "N", customer[row], n.number[row]),
        "customer_id": _customer_ids(block, customer[row]),
        "invoice_id": _invoice_ids(block, n.invoice[row]),
        "issued_on": _dates(n.day[row]),
        "amount_cents": pa.array(n.cents[row]),
        "reason": _labels(money.CREDIT_REASONS, n.reason[row]),
    }


def _disputes(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    d, inv = block.intent.dispute, block.invoices
    row = np.flatnonzero((d.opened <= until) & (inv.customer < wanted))
    closed = d.closed[row] <= until
    ids = _invoice_ids(block, row)
    return {
        "dispute_id": pc.binary_join_element_wise("D", ids, ""),
        "invoice_id": ids,
        "amount_cents": pa.array(inv.cents[row]),
        "reason_code": _labels(settling.DISPUTE_REASONS, d.reason[row]),
        "opened_on": _dates(d.opened[row]),
        "closed_on": _dates(d.closed[row], closed),
        "outcome": _known(_labels(settling.OUTCOMES, d.outcome[row]), closed),
    }


def _promises(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    p, inv = block.promises, block.invoices
    row = np.flatnonzero((p.made_day <= until) & (inv.customer[p.invoice] < wanted))
    of, promised = p.invoice[row], p.promised_day[row]
    settled = block.outcome.settled_day[of]
    kept = (settled <= promised) & (settled <= until)
    disputed = block.intent.dispute.opened[of] <= np.minimum(promised, until)
    status = np.select([kept, disputed, promised >= until], [1, 3, 0], 2)
    ids = _invoice_ids(block, of)
    return {
        "promise_id": pc.binary_join_element_wise("M", ids, ""),
        "invoice_id": ids,
        "made_on": _dates(p.made_day[row]),
        "promised_date": _dates(promised),
        "amount_cents": pa.array(inv.cents[of]),
        "status": _labels(("open", "kept", "broken", "cancelled"), status),
    }


def _credit_limits(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    at = block.standing.limits
    row = np.flatnonzero((at["day"] <= until) & (at["customer"] < wanted))
    return {
        "customer_id": _customer_ids(block, at["customer"][row]),
        "amount_cents": pa.array(at["cents"][row]),
        "insured_amount_cents": _known(
            pa.array(at["insured_cents"][row]), at["insured_cents"][row] > 0
        ),
        "valid_from": _dates(at["day"][row]),
        "reason": _labels(standing.LIMIT_REASONS, at["reason"][row]),
    }


def _external_ratings(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    at = block.standing.ratings
    row = np.flatnonzero((at["day"] <= until) & (at["customer"] < wanted))
    n = len(row)
    return {
        "customer_id": _customer_ids(block, at["customer"][row]),
        "provider": _labels(("Invented Ratings",), np.zeros(n, int)),
        "score": pa.array(at["score"][row]),
        "scale_min": pa.array(np.full(n, 1.0)),
        "scale_max": pa.array(np.full(n, 100.0)),
        "higher_is_safer": pa.array(np.ones(n, bool)),
        "rated_on": _dates(at["day"][row]),
    }


def _actions(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    """Every decision: contacts made, and `wait` where the toss or the hold-out left one out."""
    a = block.contacts
    customer = block.invoices.customer[a.invoice]
    row = np.flatnonzero((a.day <= until) & (customer < wanted))
    made, step = a.made[row], a.step[row]
    codes = [contact.code for contact in tempers.CONTACTS]
    called = made & (step == codes.index("call"))
    recommended = _labels(codes, step)
    cost = np.array([round(contact.cost_eur * 100) for contact in tempers.CONTACTS])[step]
    sent = _labels(("sent",), np.zeros(len(row), int))
    outcome = pc.if_else(
        pa.array(called), _labels(contacts_room.CALL_OUTCOMES, a.outcome[row]), sent
    )
    return {
        "action_id": _action_ids(block, row),
        "customer_id": _customer_ids(block, customer[row]),
        "invoice_id": _invoice_ids(block, a.invoice[row]),
        "action_code": pc.if_else(pa.array(made), recommended, "wait"),
        "channel": _known(_labels([x.channel for x in tempers.CONTACTS], step), made),
        "performed_on": _dates(a.day[row]),
        "actor": _labels(("auto", "human"), called.astype(int)),
        "outcome_code": _known(outcome, made),
        "cost_cents": pa.array(np.where(made, cost, 0)),
        "recommended_action": recommended,
        "policy_version": _labels((POLICY_VERSION,), np.zeros(len(row), int)),
        "propensity": pa.array(a.propensity[row]),
        "holdout": pa.array(a.held_out[row]),
    }


def _legal_events(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    at = block.standing.legal
    row = np.flatnonzero((at["day"] <= until) & (at["customer"] < wanted))
    return {
        "customer_id": _customer_ids(block, at["customer"][row]),
        "dated_on": _dates(at["day"][row]),
        "kind": _labels(standing.LEGAL_KINDS, at["kind"][row]),
    }


def _customer_ids(block: Block, who: np.ndarray) -> pa.Array:
    ids = pc.binary_join_element_wise("C", _padded(block.customers.number + 1, 6), "")
    return ids.take(pa.array(who))


def _invoice_ids(block: Block, row: np.ndarray) -> pa.Array:
    return _numbered(block, "F", block.invoices.customer[row], block.invoices.line[row])


def _action_ids(block: Block, row: np.ndarray) -> pa.Array:
    a = block.contacts
    return pc.binary_join_element_wise(
        "A", _invoice_ids(block, a.invoice[row]), "-", _text(a.step[row]), ""
    )


def _numbered(block: Block, letter: str, customer: np.ndarray, number: np.ndarray) -> pa.Array:
    """Ids such as F000012-0031: a letter, the customer, a running number within the customer."""
    heads = pc.binary_join_element_wise(letter, _padded(block.customers.number + 1, 6), "-", "")
    return pc.binary_join_element_wise(heads.take(pa.array(customer)), _padded(number, 4), "")


def _padded(number: np.ndarray, width: int) -> pa.Array:
    return pc.utf8_lpad(_text(number), width, "0")


def _text(number: np.ndarray) -> pa.Array:
    return pa.array(number).cast(pa.string())


def _labels(names: Sequence[str | None], code: np.ndarray) -> pa.Array:
    return pa.array(list(names), pa.string()).take(pa.array(code))


def _known(values: pa.Array, known: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(known), values, pa.scalar(None, values.type))


def _dates(day: np.ndarray, known: np.ndarray | None = None) -> pa.Array:
    dates = pa.array(day.astype(np.int32)).cast(pa.date32())
    return dates if known is None else _known(dates, known)
