"""Planning: the day's plan of a scored portfolio, one row for each customer."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import plan
from models.action import Limit
from models.cases import Cases
from models.plan import Plan
from models.policy import Policy, default_policy
from pipelines.decisions import Asked

_ALTERNATIVE = pa.struct(
    [("code", pa.string()), ("expected_value_cents", pa.int64()), ("gap_cents", pa.int64())]
)
PLAN_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("as_of", pa.date32()),
        ("code", pa.string()),
        ("channel", pa.string()),
        ("on", pa.date32()),
        ("why", pa.string()),
        ("expected_value_cents", pa.int64()),
        ("invoices", pa.list_(pa.string())),  # that the action is about
        ("blocked_action", pa.string()),
        ("blocked_value_cents", pa.int64()),
        ("blocked_by", pa.list_(pa.string())),
        ("alternatives", pa.list_(_ALTERNATIVE)),
        ("legal_basis", pa.string()),
        ("needs_named_person", pa.bool_()),
        ("held_out", pa.bool_()),
        ("propensity", pa.float64()),
        ("policy_version", pa.string()),
        ("features_hash", pa.string()),
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
        Cases.join([part.cases for part in asked]),
        policy.catalogue,
        policy.rates,
        as_of=asked[0].as_of if asked else 0,
        on=np.concatenate([np.zeros(0, np.int32), *(part.on for part in asked)]),
        effects=policy.effects,
        trial=policy.trial,
        capacity=capacity,
    )


def table(told: Plan, scores: pa.Table, policy: Policy | None = None) -> pa.Table:
    """The plan in PLAN_SCHEMA, what is worth most first; `scores` are those it was made with."""
    policy = policy or default_policy()
    first = np.zeros(len(told.customer), np.int64)
    first[told.customer_row[::-1]] = np.arange(scores.num_rows)[::-1]
    actions = {action.code: action for action in policy.catalogue.actions}
    codes = [told.codes[place] for place in told.place.tolist()]
    customers = range(len(codes))
    columns = {
        "customer_id": scores["customer_id"].take(pa.array(first)),
        "as_of": scores["as_of"].take(pa.array(first)),
        "code": codes,
        "channel": [actions[code].channel if code in actions else "" for code in codes],
        "on": told.on,
        "why": [plan.WHYS[why] for why in told.why.tolist()],
        "expected_value_cents": told.expected_value_cents,
        "invoices": _concerned(told, scores),
        "blocked_action": [told.codes[p] if p else "" for p in told.better.tolist()],
        "blocked_value_cents": told.better_value_cents,
        "blocked_by": [told.blocked_by(row) for row in customers],
        "alternatives": [[a._asdict() for a in told.alternatives(row)] for row in customers],
        "legal_basis": [actions[code].legal_basis if code in actions else "" for code in codes],
        "needs_named_person": told.named_person,
        "held_out": told.held_out,
        "propensity": told.propensity,
        "policy_version": [told.policy_version] * len(codes),
        "features_hash": [f"{features:016x}" for features in told.features_hash.tolist()],
    }
    found = pa.table(
        [pa.array(_whole(columns[f.name]), f.type) for f in PLAN_SCHEMA], schema=PLAN_SCHEMA
    )
    return found.sort_by([("expected_value_cents", "descending"), ("customer_id", "ascending")])


def _whole(column: object) -> object:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _concerned(told: Plan, scores: pa.Table) -> pa.ListArray:
    """By customer the invoices that the action is about, in the order of the scores."""
    rows = np.flatnonzero(told.effective > 0)
    rows = rows[np.argsort(told.customer_row[rows], kind="stable")]
    counts: npt.NDArray[np.int64] = np.bincount(
        told.customer_row[rows], minlength=len(told.customer)
    )
    ends = np.append(0, np.cumsum(counts)).astype(np.int32)
    ids = scores["invoice_id"].combine_chunks().take(pa.array(rows))
    return pa.ListArray.from_arrays(pa.array(ends), ids)
