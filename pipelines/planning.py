"""Planning: the day's plan of a scored portfolio, one row for each customer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import legal, outlook, plan
from models.action import Limit
from models.cases import Cases
from models.effect_table import SOURCES
from models.legal import Debtor
from models.plan import Plan
from models.policy import Policy, default_policy
from pipelines import decisions
from pipelines.decisions import Asked

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_ALTERNATIVE = pa.struct(
    [("code", pa.string()), ("expected_value_cents", pa.int64()), ("gap_cents", pa.int64())]
)
CHANCE = pa.struct([("code", pa.string()), ("chance", pa.float64())])
_OPEN = pa.struct(  # what a message says of an invoice beside its score
    [
        ("invoice_id", pa.string()),
        ("disputed_cents", pa.int64()),
        ("interest_cents", pa.int64()),  # null: not claimable, or a reference rate is missing
    ]
)
PLAN_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("customer_name", pa.string()),
        ("as_of", pa.date32()),
        ("n_invoices", pa.int64()),
        ("open_cents", pa.int64()),
        ("risk_band", pa.string()),  # the worst of its invoices
        ("debtor", pa.string()),
        ("do_not_contact", pa.bool_()),
        ("unallocated_cents", pa.int64()),
        ("code", pa.string()),
        ("channel", pa.string()),
        ("on", pa.date32()),  # for `wait`, the day to look again
        ("why", pa.string()),
        ("expected_value_cents", pa.int64()),
        ("effect_days", pa.float64()),  # sooner, a mean by what is open of what it is about
        ("effect_lo", pa.float64()),
        ("effect_hi", pa.float64()),
        ("effect_source", pa.string()),  # the weakest among its invoices
        ("invoices", pa.list_(pa.string())),  # that the action is about
        ("blocked_action", pa.string()),
        ("blocked_value_cents", pa.int64()),
        ("blocked_by", pa.list_(pa.string())),
        ("alternatives", pa.list_(_ALTERNATIVE)),
        ("legal_basis", pa.string()),
        ("legal_notes", pa.list_(pa.string())),
        ("needs_named_person", pa.bool_()),
        ("held_out", pa.bool_()),
        ("propensity", pa.float64()),
        ("chances", pa.list_(CHANCE)),  # of every option that had one, the hold-out's included
        ("policy_version", pa.string()),
        ("features_hash", pa.string()),
        ("open_items", pa.list_(_OPEN)),
    ]
)


def plan_day(
    asked: Sequence[Asked],
    policy: Policy | None = None,
    *,
    capacity: Mapping[str, Limit] | None = None,
) -> Plan:
    """The plan for all that was asked about on a day; `capacity` is what is left of it."""
    policy = policy or default_policy()
    return plan.plan(
        _cases(asked),
        policy.catalogue,
        policy.rates,
        as_of=asked[0].as_of if asked else 0,
        on=working_days(asked),
        effects=policy.effects,
        trial=policy.trial,
        capacity=capacity,
    )


def working_days(asked: Sequence[Asked]) -> npt.NDArray[np.int32]:
    """By invoice the day on which what is planned would be done."""
    return np.concatenate([np.zeros(0, np.int32), *(part.on for part in asked)])


def table(
    told: Plan, scores: pa.Table, asked: Sequence[Asked], policy: Policy | None = None
) -> pa.Table:
    """The plan in PLAN_SCHEMA, what is worth most first; scores and cases are those it rests on."""
    policy = policy or default_policy()
    cases = _cases(asked)
    groups = _Groups(told.customer_row, len(told.customer))
    actions = {action.code: action for action in policy.catalogue.actions}
    codes = [told.codes[place] for place in told.place.tolist()]
    open_cents = groups.total(cases.open_cents)
    over_terms = np.concatenate([np.zeros(0, np.bool_), *(part.over_terms for part in asked)])
    first = pa.array(groups.first)
    columns = {
        **{name: scores[name].take(first) for name in ("customer_id", "customer_name", "as_of")},
        "n_invoices": groups.counts,
        "open_cents": open_cents,
        "risk_band": _worst_bands(scores, groups),
        "debtor": [Debtor(kind).name.lower() for kind in cases.debtor[groups.first].tolist()],
        "do_not_contact": cases.do_not_contact[groups.first],
        "unallocated_cents": cases.unallocated_cents[groups.first],
        "code": codes,
        "channel": [actions[code].channel if code in actions else "" for code in codes],
        "on": told.on,
        "why": [plan.WHYS[why] for why in told.why.tolist()],
        "expected_value_cents": told.expected_value_cents,
        **_effects(told, cases.open_cents, groups),
        "invoices": groups.lists(scores["invoice_id"], told.effective > 0),
        "blocked_action": [told.codes[p] if p else "" for p in told.better.tolist()],
        "blocked_value_cents": told.better_value_cents,
        "blocked_by": [told.blocked_by(row) for row in range(len(codes))],
        "alternatives": [[a._asdict() for a in told.alternatives(r)] for r in range(len(codes))],
        "legal_basis": [actions[code].legal_basis if code in actions else "" for code in codes],
        "legal_notes": [
            decisions.legal_notes(code, over_terms=over, claim_cents=claim)
            for code, over, claim in zip(
                codes, (groups.total(over_terms) > 0).tolist(), open_cents.tolist(), strict=True
            )
        ],
        "needs_named_person": told.named_person,
        "held_out": told.held_out,
        "propensity": told.propensity,
        "chances": chance_lists(told.chances, told.codes),
        "policy_version": [told.policy_version] * len(codes),
        "features_hash": [f"{features:016x}" for features in told.features_hash.tolist()],
        "open_items": groups.lists(_open_items(cases, asked, scores, policy)),
    }
    found = pa.table(
        [pa.array(_whole(columns[f.name]), f.type) for f in PLAN_SCHEMA], schema=PLAN_SCHEMA
    )
    return found.sort_by([("expected_value_cents", "descending"), ("customer_id", "ascending")])


def summary(told: Plan, policy: Policy) -> dict[str, Any]:
    """What the manifest notes of a plan: by which policy, how much of the day it uses, its bound.

    `share_of_bound` is of the most that any plan within the limits could be worth.
    """
    worth = int(told.expected_value_cents.sum())
    return {
        "policy_version": told.policy_version,
        "customers": len(told.customer),
        "contacted": int((told.place > 0).sum()),
        "held_out": int(told.held_out.sum()),
        "worth_cents": worth,
        "bound_cents": round(told.bound_cents),
        "share_of_bound": worth / told.bound_cents if told.bound_cents > 0 else None,
        "capacity": {
            channel: {
                "used": told.used[channel],
                "limit": limit.amount if np.isfinite(limit.amount) else None,
                "of": limit.of,
            }
            for channel, limit in sorted(policy.catalogue.capacity.items())
            if channel in told.used
        },
    }


def chance_lists(chances: Floats, codes: Sequence[str]) -> pa.ListArray:
    """By row the options that had a chance, and which."""
    row, place = np.nonzero(chances > 0)
    ends = np.append(0, np.cumsum(np.bincount(row, minlength=len(chances)))).astype(np.int32)
    named = pa.array(codes, pa.string()).take(pa.array(place))
    pairs = pa.StructArray.from_arrays([named, pa.array(chances[row, place])], fields=list(CHANCE))
    return pa.ListArray.from_arrays(pa.array(ends), pairs)


class _Groups:
    """The invoices of each customer: rows in the order of the scores, customers in the plan's."""

    def __init__(self, of_row: Rows, customers: int) -> None:
        self.of_row, self.customers = of_row, customers
        self.first = np.zeros(customers, np.int64)
        self.first[of_row[::-1]] = np.arange(len(of_row))[::-1]
        self.counts = np.bincount(of_row, minlength=customers)

    def total(self, values: npt.NDArray[Any]) -> Rows:
        sums = np.zeros(self.customers, np.int64)
        np.add.at(sums, self.of_row, values)
        return sums

    def mean(self, values: Floats, weight: Floats) -> Floats:
        """By customer a weighted mean; 0 where nothing weighs."""
        sums = np.bincount(self.of_row, weights=values * weight, minlength=self.customers)
        weights = np.bincount(self.of_row, weights=weight, minlength=self.customers)
        return np.divide(sums, weights, out=np.zeros(self.customers), where=weights > 0)

    def most(self, values: Rows) -> Rows:
        most = np.zeros(self.customers, np.int64)
        np.maximum.at(most, self.of_row, values)
        return most

    def lists(
        self, values: pa.Array | pa.ChunkedArray, kept: npt.NDArray[np.bool_] | None = None
    ) -> pa.ListArray:
        """By customer the values of its rows, in the order of the scores."""
        rows = np.arange(len(self.of_row)) if kept is None else np.flatnonzero(kept)
        rows = rows[np.argsort(self.of_row[rows], kind="stable")]
        counts = np.bincount(self.of_row[rows], minlength=self.customers)
        ends = np.append(0, np.cumsum(counts)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), _whole(values).take(pa.array(rows)))


def _cases(asked: Sequence[Asked]) -> Cases:
    return Cases.join([part.cases for part in asked])


def _whole(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _worst_bands(scores: pa.Table, groups: _Groups) -> list[str]:
    places = {band: place for place, band in enumerate(outlook.BANDS)}
    of_row = np.array([places[band] for band in scores["risk_band"].to_pylist()], np.int64)
    return [outlook.BANDS[place] for place in groups.most(of_row).tolist()]


def _effects(told: Plan, open_cents: Rows, groups: _Groups) -> dict[str, Any]:
    """How much sooner the money of each contact is expected, between which days, who says so."""
    weight = np.where(told.effective > 0, open_cents, 0).astype(np.float64)
    reached = told.effective > 0
    # prior, observational, randomised: the weakest that any of the invoices rests on
    weakness = np.where(reached, len(SOURCES) - 1 - told.effect_source.astype(np.int64), 0)
    contacted = (told.place > 0).tolist()
    weakest = groups.most(weakness).tolist()
    return {
        "effect_days": groups.mean(told.effect_days, weight),
        "effect_lo": groups.mean(told.effect_lo, weight),
        "effect_hi": groups.mean(told.effect_hi, weight),
        "effect_source": [
            SOURCES[len(SOURCES) - 1 - weak] if is_contacted else SOURCES[0]
            for weak, is_contacted in zip(weakest, contacted, strict=True)
        ],
    }


def _open_items(
    cases: Cases, asked: Sequence[Asked], scores: pa.Table, policy: Policy
) -> pa.StructArray:
    """What a message says of each invoice; interest runs on what is not disputed."""
    disputed = np.clip(cases.disputed_cents, 0, np.maximum(cases.open_cents, 0))
    on = working_days(asked)
    accrued = legal.accrue(cases.open_cents - disputed, cases.due_day, on, policy.rates)
    claimable = (accrued.missing < 0) & (cases.debtor != Debtor.CONSUMER)
    return pa.StructArray.from_arrays(
        [
            _whole(scores["invoice_id"]),
            pa.array(disputed, pa.int64()),
            pa.array(accrued.cents, pa.int64(), mask=~claimable),
        ],
        fields=list(_OPEN),
    )
