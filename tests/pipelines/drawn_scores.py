"""A small table in the shape of the nightly scores, drawn by hand, for tests of what keeps it."""

from datetime import date, timedelta

import pyarrow as pa

AS_OF = date(2026, 6, 30)

SCHEMA = pa.schema(
    [
        ("invoice_id", pa.string()),
        ("customer_id", pa.string()),
        ("company_code", pa.string()),
        ("as_of", pa.date32()),
        ("open_cents", pa.int64()),
        *((f"p_late_{h}", pa.float64()) for h in (0, 30, 60, 90)),
        ("p_unpaid_180", pa.float64()),
        ("expected_date", pa.date32()),
        ("value_at_risk_cents", pa.int64()),
        ("expected_loss_cents", pa.int64()),
        ("cost_of_delay_cents", pa.int64()),
        ("risk_band", pa.string()),
        (
            "reasons",
            pa.list_(
                pa.struct(
                    [("feature", pa.string()), ("value", pa.float64()), ("points", pa.float64())]
                )
            ),
        ),
        ("signals", pa.list_(pa.struct([("code", pa.string()), ("since", pa.date32())]))),
        (
            "action",
            pa.struct(
                [("code", pa.string()), ("on", pa.date32()), ("expected_value_cents", pa.int64())]
            ),
        ),
        ("model_version", pa.string()),
    ]
)


def drawn_scores(
    rows: int = 4, *, as_of: date = AS_OF, shift: int = 0, version: str = "v1"
) -> pa.Table:
    """Rows whose invoice i is worth i euros of effort; `shift` changes the content a little."""
    return pa.Table.from_pylist([_row(i, as_of, shift, version) for i in range(rows)], SCHEMA)


def _row(i: int, as_of: date, shift: int, version: str) -> dict[str, object]:
    first = 0.1 + 0.7 * (i % 97) / 97 + shift / 1_000_003
    return {
        "invoice_id": f"INV-{i:05}",
        "customer_id": f"C-{i // 2:04}",
        "company_code": None,
        "as_of": as_of,
        "open_cents": 10_000 + i,
        **{f"p_late_{h}": first * (1 - h / 300) for h in (0, 30, 60, 90)},
        "p_unpaid_180": first / 3,
        "expected_date": None if i % 3 == 2 else as_of + timedelta(days=i % 60),
        "value_at_risk_cents": 100 * i,
        "expected_loss_cents": 10 * i,
        "cost_of_delay_cents": i,
        "risk_band": ("low", "medium", "high", "critical")[i % 4],
        "reasons": [{"feature": "delay_mean", "value": 1 / 3, "points": first / 7}],
        "signals": [{"code": "delay_drift", "since": as_of - timedelta(days=9)}] if i % 2 else [],
        "action": {
            "code": "call" if i % 4 else "wait",
            "on": as_of,
            "expected_value_cents": 100 * i,
        },
        "model_version": version,
    }
