"""One block's draws as the ledger's Arrow tables, cut after its last day."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.invented import contacts as contacts_room
from pipelines.invented import customers as people
from pipelines.invented import payments as money
from pipelines.invented import settling, standing
from pipelines.invented import temperaments as tempers
from pipelines.invented.block import Block
from pipelines.invented.columns import (
    action_ids,
    customer_ids,
    dates,
    invoice_ids,
    labels,
    numbered,
    padded,
    text,
    where_known,
)
from pipelines.invented.invoices import DISCOUNT_DAYS, DISCOUNT_PCT, TERMS
from pipelines.ledger import NEVER, TABLES, conform

POLICY_VERSION = "invented-rules-1"


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


def _customers(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    c = block.customers
    who = np.arange(wanted)
    italian = c.country[who] == 0
    gap = c.gaps[who]
    number = padded(c.number[who] + 1, 6)
    domain = pc.binary_join_element_wise("c", number, ".example", "")
    places = pc.binary_join_element_wise(
        labels(people.PLACES_FIRST, c.place_first[who]),
        labels(people.PLACES_LAST, c.place_last[who]),
        "",
    )
    parts = (labels(people.TRADES, c.trade[who]), places, labels(people.FORM_LABELS, c.form[who]))
    group = pc.binary_join_element_wise("G", padded(c.number[who] // people.BLOCK, 4), "-", "")
    group = pc.binary_join_element_wise(group, text(np.maximum(c.group[who], 0)), "")
    return {
        "customer_id": customer_ids(block, who),
        "name": pc.binary_join_element_wise(*parts, " "),
        "vat_id": where_known(_vat_ids(c, who), gap > 0.03),
        "legal_form": labels(people.FORMS, c.form[who]),
        "is_natural_person": pa.array(c.is_natural[who]),
        "is_public_body": pa.array(c.is_public[who]),
        "country": labels(people.COUNTRIES, c.country[who]),
        "province": where_known(labels(people.PROVINCES, c.province[who]), italian & (gap < 0.97)),
        "industry_code": where_known(labels(people.INDUSTRIES, c.industry[who]), gap < 0.9),
        "customer_since": dates(c.since_day[who], (gap < 0.5) | (gap > 0.55)),
        "group_id": where_known(group, c.group[who] >= 0),
        "segment": labels(people.SEGMENTS, c.segment[who]),
        "collector": labels(people.COLLECTORS, c.number[who] % len(people.COLLECTORS)),
        "terms_code": where_known(labels([t.code for t in TERMS], c.terms[who]), gap < 0.98),
        "payment_method": labels(people.METHODS, c.method[who]),
        "language": labels(people.LANGUAGES, c.country[who]),
        "preferred_channel": where_known(
            labels(("email", "phone", "pec"), c.trade[who] % 3), gap < 0.8
        ),
        "contact_email": where_known(
            pc.binary_join_element_wise("amministrazione@", domain, ""), gap < 0.92
        ),
        "contact_phone": where_known(
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
    italian = pc.binary_join_element_wise(padded(number, 7), "000", text(-checked % 10), "")
    lead = labels(("", "DE0", "FR000", "ESX"), c.country[who])
    width = pc.binary_join_element_wise(lead, padded(number, 8), "")
    return pc.if_else(pa.array(c.country[who] == 0), italian, width)


def _invoices(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    inv, c, gap = block.invoices, block.customers, block.gaps
    row = np.flatnonzero(inv.customer < wanted)
    inv_customer, gap = inv.customer[row], gap[row]
    issue = inv.issue_day[row]
    delivered = issue - np.floor(gap * 1_000).astype(int) % 6
    recorded = np.minimum(issue + np.floor(gap * 100).astype(int) % 3, until)
    order = numbered(block, "O", inv_customer, inv.document[row])
    discount = inv.discounted[row]
    return {
        "invoice_id": invoice_ids(block, row),
        "customer_id": customer_ids(block, inv_customer),
        "due_date": dates(inv.due_day[row]),
        "amount_cents": pa.array(inv.cents[row]),
        "issue_date": dates(issue, gap > 0.004),
        "instalment_no": pa.array(inv.instalment[row], pa.int32()),
        "currency": labels(("EUR",), np.zeros(len(row), int)),
        "terms_code": where_known(labels([t.code for t in TERMS], inv.terms[row]), gap < 0.99),
        "terms_days": where_known(pa.array(inv.terms_days[row], pa.int32()), gap < 0.995),
        "early_discount_pct": where_known(pa.array(np.full(len(row), DISCOUNT_PCT)), discount),
        "early_discount_days": where_known(
            pa.array(np.full(len(row), DISCOUNT_DAYS), pa.int32()), discount
        ),
        "payment_method": labels(people.METHODS, c.method[inv_customer]),
        "company_code": labels(("IT01", "IT02"), c.company[inv_customer]),
        "order_ref": where_known(order, gap < 0.85),
        "delivered_on": dates(delivered, (gap > 0.2) & (delivered <= until)),
        "has_contract": where_known(pa.array(c.gaps[inv_customer] > 0.3), gap < 0.95),
        "has_delivery_proof": where_known(pa.array(gap < 0.8), gap > 0.05),
        "recorded_at": dates(recorded, (gap > 0.6) & (gap < 0.75)),
    }


def _payments(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    p = block.payments
    booked = np.where(p.recorded_day < NEVER, p.recorded_day, p.day)
    row = np.flatnonzero((np.maximum(p.day, booked) <= until) & (p.customer < wanted))
    of = p.invoice[row]
    return {
        "payment_id": numbered(block, "P", p.customer[row], p.number[row]),
        "invoice_id": where_known(invoice_ids(block, np.maximum(of, 0)), of >= 0),
        "customer_id": customer_ids(block, p.customer[row]),
        "paid_on": dates(p.day[row]),
        "amount_cents": pa.array(p.cents[row]),
        "method": labels(people.METHODS, block.customers.method[p.customer[row]]),
        "discount_taken_cents": where_known(
            pa.array(p.discount_cents[row]), p.discount_cents[row] > 0
        ),
        "returned_on": dates(p.returned_day[row], p.returned_day[row] <= until),
        "recorded_at": dates(p.recorded_day[row], p.recorded_day[row] < NEVER),
    }


def _credit_notes(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    n, customer = block.credit_notes, block.invoices.customer[block.credit_notes.invoice]
    row = np.flatnonzero((n.day <= until) & (customer < wanted))
    return {
        "credit_note_id": numbered(block, "N", customer[row], n.number[row]),
        "customer_id": customer_ids(block, customer[row]),
        "invoice_id": invoice_ids(block, n.invoice[row]),
        "issued_on": dates(n.day[row]),
        "amount_cents": pa.array(n.cents[row]),
        "reason": labels(money.CREDIT_REASONS, n.reason[row]),
    }


def _disputes(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    d, inv = block.intent.dispute, block.invoices
    row = np.flatnonzero((d.opened <= until) & (inv.customer < wanted))
    closed = d.closed[row] <= until
    ids = invoice_ids(block, row)
    return {
        "dispute_id": pc.binary_join_element_wise("D", ids, ""),
        "invoice_id": ids,
        "amount_cents": pa.array(inv.cents[row]),
        "reason_code": labels(settling.DISPUTE_REASONS, d.reason[row]),
        "opened_on": dates(d.opened[row]),
        "closed_on": dates(d.closed[row], closed),
        "outcome": where_known(labels(settling.OUTCOMES, d.outcome[row]), closed),
    }


def _promises(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    p, inv = block.promises, block.invoices
    row = np.flatnonzero((p.made_day <= until) & (inv.customer[p.invoice] < wanted))
    of, promised = p.invoice[row], p.promised_day[row]
    settled = block.outcome.settled_day[of]
    kept = (settled <= promised) & (settled <= until)
    disputed = block.intent.dispute.opened[of] <= np.minimum(promised, until)
    status = np.select([kept, disputed, promised >= until], [1, 3, 0], 2)
    ids = invoice_ids(block, of)
    return {
        "promise_id": pc.binary_join_element_wise("M", ids, ""),
        "invoice_id": ids,
        "made_on": dates(p.made_day[row]),
        "promised_date": dates(promised),
        "amount_cents": pa.array(inv.cents[of]),
        "status": labels(("open", "kept", "broken", "cancelled"), status),
    }


def _credit_limits(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    at = block.standing.limits
    row = np.flatnonzero((at["day"] <= until) & (at["customer"] < wanted))
    return {
        "customer_id": customer_ids(block, at["customer"][row]),
        "amount_cents": pa.array(at["cents"][row]),
        "insured_amount_cents": where_known(
            pa.array(at["insured_cents"][row]), at["insured_cents"][row] > 0
        ),
        "valid_from": dates(at["day"][row]),
        "reason": labels(standing.LIMIT_REASONS, at["reason"][row]),
    }


def _external_ratings(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    at = block.standing.ratings
    row = np.flatnonzero((at["day"] <= until) & (at["customer"] < wanted))
    n = len(row)
    return {
        "customer_id": customer_ids(block, at["customer"][row]),
        "provider": labels(("Invented Ratings",), np.zeros(n, int)),
        "score": pa.array(at["score"][row]),
        "scale_min": pa.array(np.full(n, 1.0)),
        "scale_max": pa.array(np.full(n, 100.0)),
        "higher_is_safer": pa.array(np.ones(n, bool)),
        "rated_on": dates(at["day"][row]),
    }


def _actions(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    """Every decision: contacts made, and `wait` where the toss or the hold-out left one out."""
    a = block.contacts
    customer = block.invoices.customer[a.invoice]
    row = np.flatnonzero((a.day <= until) & (customer < wanted))
    made, step = a.made[row], a.step[row]
    codes = [contact.code for contact in tempers.CONTACTS]
    called = made & (step == codes.index("call"))
    recommended = labels(codes, step)
    cost = np.array([round(contact.cost_eur * 100) for contact in tempers.CONTACTS])[step]
    sent = labels(("sent",), np.zeros(len(row), int))
    outcome = pc.if_else(
        pa.array(called), labels(contacts_room.CALL_OUTCOMES, a.outcome[row]), sent
    )
    return {
        "action_id": action_ids(block, row),
        "customer_id": customer_ids(block, customer[row]),
        "invoice_id": invoice_ids(block, a.invoice[row]),
        "action_code": pc.if_else(pa.array(made), recommended, "wait"),
        "channel": where_known(labels([x.channel for x in tempers.CONTACTS], step), made),
        "performed_on": dates(a.day[row]),
        "actor": labels(("auto", "human"), called.astype(int)),
        "outcome_code": where_known(outcome, made),
        "cost_cents": pa.array(np.where(made, cost, 0)),
        "recommended_action": recommended,
        "policy_version": labels((POLICY_VERSION,), np.zeros(len(row), int)),
        "propensity": pa.array(a.propensity[row]),
        "holdout": pa.array(a.held_out[row]),
    }


def _legal_events(block: Block, until: int, wanted: int) -> dict[str, pa.Array]:
    at = block.standing.legal
    row = np.flatnonzero((at["day"] <= until) & (at["customer"] < wanted))
    return {
        "customer_id": customer_ids(block, at["customer"][row]),
        "dated_on": dates(at["day"][row]),
        "kind": labels(standing.LEGAL_KINDS, at["kind"][row]),
    }
