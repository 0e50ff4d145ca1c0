"""Decisions: what is known of each open invoice, laid before the policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import actions, legal
from models.actions import Cases, Decisions
from models.policy import Policy, default_policy
from models.signals import SEVERITIES, Signal
from pipelines import calendars
from pipelines.landmarks import Prepared
from pipelines.ledger import claims, null_rows, numbers, whole
from pipelines.standing import Standing, standing

__all__ = ["Asked", "Standing", "ask", "decide", "standing"]

Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

_NOT_TOLD = -(1 << 20)  # in place of terms; those that are told are above -32,769


@dataclass(frozen=True)
class Asked:
    """The cases that a decision is asked for, the day before which all is known, and the day on
    which it would be carried out."""

    cases: Cases
    as_of: int
    on: Days
    over_terms: Flags  # the agreed terms are longer than the law lets them be without reason


def ask(
    prepared: Prepared,
    known: Standing,
    invoice: Rows,
    *,
    believed: dict[str, Any],
    cause: Sequence[str],
    signals: Sequence[Sequence[Signal]],
    policy: Policy | None = None,
) -> Asked:
    """The cases of these invoices (rows), with all that the policy looks at.

    `believed` has open_cents, the probabilities, expected_days_late, n_settled and late30_share.
    """
    policy = policy or default_policy()
    settlement = prepared.settlement
    customer = settlement.customer[invoice]
    cases = Cases.of(
        **believed,
        customer=known.customer_key[customer],
        segment=_segments(prepared, known, policy)[customer],
        due_day=settlement.due_day[invoice],
        cause=cause,
        debtor=_debtors(prepared, known, customer),
        do_not_contact=_flag(prepared, known, customer, "do_not_contact"),
        disputed_cents=np.minimum(known.disputed_cents[invoice], believed["open_cents"]),
        unallocated_cents=known.unallocated_cents[customer],
        promise_day=known.promise_day[invoice],
        last_contact_day=known.last_contact_day(policy.catalogue)[customer],
        recent_contacts=known.recent_contacts(policy.catalogue)[customer],
        has_contract=_paper(prepared, invoice, "has_contract"),
        has_delivery_proof=_paper(prepared, invoice, "has_delivery_proof"),
        worst_signal=[
            max((1 + SEVERITIES.index(s.severity) for s in of), default=0) for of in signals
        ],
        done_day={code: day[invoice] for code, day in known.done_day.items()},
    )
    return Asked(
        cases,
        known.as_of,
        _working_day(prepared, known, customer),
        legal.terms_over_limit(_terms_days(prepared, invoice), cases.debtor),
    )


def decide(asked: Asked, policy: Policy | None = None) -> list[dict[str, Any]]:
    """The action for each invoice alone, as the score's `action` column holds it.

    No capacity binds here; the day's plan is in `pipelines.planning`.
    """
    policy = policy or default_policy()
    decided = actions.decide(
        asked.cases,
        policy.catalogue,
        policy.rates,
        as_of=asked.as_of,
        on=asked.on,
        effects=policy.effects,
        held_out=policy.trial.held_out(asked.cases.customer),
    )
    hashes = asked.cases.features_hash()
    return [
        {
            **_row(decided, i),
            "policy_version": policy.version,
            "features_hash": f"{features:016x}",
            "legal_notes": legal_notes(
                decided.code[i],
                over_terms=bool(asked.over_terms[i]),
                claim_cents=int(asked.cases.open_cents[i]),
            ),
        }
        for i, features in enumerate(hashes.tolist())
    ]


def legal_notes(code: str, *, over_terms: bool, claim_cents: int) -> list[str]:
    """What the law adds to an action about this claim."""
    leads_to_court = code in (legal.NOTICE, legal.NEGOTIATION)
    compulsory = leads_to_court and bool(legal.negotiation_compulsory(np.array(claim_cents)))
    told = {"terms_over_limit": over_terms, "negotiation_compulsory": compulsory}
    return [note for note, applies in told.items() if applies]


def _segments(prepared: Prepared, known: Standing, policy: Policy) -> npt.NDArray[np.int16]:
    """By customer, its place among the segments that have effects of their own."""
    told = prepared.ledger.customers["segment"].to_pylist() if policy.effects.segments else []
    places = policy.effects.segment_places([*told, None])
    return places[known.customer_row] if told else np.full(len(known.customer_row), places[-1])


def _flag(prepared: Prepared, known: Standing, customer: Days, column: str) -> Flags:
    """A flag of the customers, false where it is not told."""
    told = np.append(claims(prepared.ledger.customers[column]) == 1, False)
    flags: Flags = told[known.customer_row[customer]]  # -1, the last, for who is not there
    return flags


def _debtors(prepared: Prepared, known: Standing, customer: Days) -> npt.NDArray[np.int8]:
    has_vat = np.ones(prepared.ledger.customers.num_rows + 1, np.bool_)
    has_vat[null_rows(prepared.ledger.customers["vat_id"])] = False
    has_vat[-1] = False  # of who is not among the customers: their row is -1
    return legal.debtors(
        _flag(prepared, known, customer, "is_natural_person"),
        _flag(prepared, known, customer, "is_public_body"),
        has_vat[known.customer_row[customer]],
    )


def _paper(prepared: Prepared, invoice: Rows, column: str) -> Flags:
    told: Flags = claims(prepared.ledger.invoices[column])[invoice] == 1
    return told


def _terms_days(prepared: Prepared, invoice: Rows) -> npt.NDArray[np.float64]:
    """The terms as agreed; where they are not told, the days from issue to due date."""
    told = whole(prepared.ledger.invoices["terms_days"]).take(pa.array(invoice))
    terms = numbers(told, np.int32, _NOT_TOLD)
    settlement = prepared.settlement
    lasting = settlement.raw_due_day[invoice] - settlement.issue_day[invoice]
    return np.where(terms == _NOT_TOLD, lasting, terms).astype(np.float64)


def _working_day(prepared: Prepared, known: Standing, customer: Days) -> Days:
    """The first working day from as_of on, where the customer is."""
    row = known.customer_row[customer]
    day = np.full(len(customer), known.as_of, np.int32)
    return calendars.roll(day, prepared.ledger.customers["country"], row)


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
        "capacity_applied": False,
        "held_out": bool(decided.held_out[i]),
        "propensity": 1.0,  # of this advice, given whether the customer is held out
    }
