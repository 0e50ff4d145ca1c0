"""The columns of a score, the same in the nightly snapshot, over HTTP and on the page."""

import pyarrow as pa

from models.horizons import PROBABILITY_COLUMNS

_REASON = pa.struct(
    [
        ("feature_group", pa.string()),
        ("feature", pa.string()),
        ("value", pa.float64()),
        ("usual_value", pa.float64()),
        ("points", pa.float64()),
    ]
)
_SIGNAL = pa.struct(
    [
        ("code", pa.string()),
        ("since", pa.date32()),
        ("before", pa.float64()),
        ("now", pa.float64()),
        ("severity", pa.string()),
    ]
)
_ALTERNATIVE = pa.struct([("code", pa.string()), ("expected_value_cents", pa.int64())])
_ACTION = pa.struct(
    [
        ("code", pa.string()),
        ("channel", pa.string()),
        ("on", pa.date32()),
        ("why", pa.string()),
        ("expected_value_cents", pa.int64()),
        ("effect_days", pa.float64()),
        ("effect_lo", pa.float64()),
        ("effect_hi", pa.float64()),
        ("effect_source", pa.string()),
        ("blocked_by", pa.list_(pa.string())),
        ("alternatives", pa.list_(_ALTERNATIVE)),
        ("legal_basis", pa.string()),
        ("legal_notes", pa.list_(pa.string())),
        ("missing_documents", pa.list_(pa.string())),
        ("capacity_applied", pa.bool_()),
        ("held_out", pa.bool_()),
        ("propensity", pa.float64()),
        ("policy_version", pa.string()),
        ("features_hash", pa.string()),
    ]
)

SCORE_SCHEMA = pa.schema(
    [
        ("invoice_id", pa.string()),
        ("customer_id", pa.string()),
        ("customer_name", pa.string()),
        ("company_code", pa.string()),
        ("as_of", pa.date32()),
        ("issue_date", pa.date32()),
        ("due_date", pa.date32()),
        ("due_business_date", pa.date32()),
        ("days_past_due", pa.int32()),
        ("amount_cents", pa.int64()),
        ("open_cents", pa.int64()),
        *((name, pa.float64()) for name in PROBABILITY_COLUMNS),
        ("expected_date", pa.date32()),
        ("date_lo", pa.date32()),
        ("date_hi", pa.date32()),
        ("mass_beyond", pa.float64()),
        ("expected_days_late", pa.float64()),
        ("value_at_risk_cents", pa.int64()),
        ("expected_loss_cents", pa.int64()),
        ("cost_of_delay_cents", pa.int64()),
        ("risk_band", pa.string()),
        (
            "cause_hint",
            pa.struct([("code", pa.string()), ("evidence", pa.list_(pa.string()))]),
        ),
        ("reasons_for", pa.string()),
        ("base_probability", pa.float64()),
        ("reasons", pa.list_(_REASON)),
        ("signals", pa.list_(_SIGNAL)),
        ("action", _ACTION),
        ("history_level", pa.string()),
        ("model_version", pa.string()),
    ]
)
