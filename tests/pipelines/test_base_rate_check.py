"""The correction of the base rate: learned from the past alone, and judged where it had not looked.

The predictions are drawn: every invoice is due 20 days after its origin.
"""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from models.base_rate import shifted
from models.horizons import HORIZONS_DAYS, column
from pipelines import base_rate_check
from pipelines.backtest import DATE_COLUMNS
from pipelines.job import day_number
from pipelines.judged import ANSWERERS, judged
from pipelines.ledger import Ledger

ORIGINS = [day_number(date(2026, 1, 1)) + 40 * i for i in range(5)]
ROWS = 400  # open on each origin
END = ORIGINS[-1] + 200
SAID = 0.3  # that an invoice is still open on its due date


def drawn(off_by: float) -> tuple[pa.Table, Ledger]:
    """What was said of invoices on each origin, and a ledger that is off from it by a shift."""
    dice = np.random.default_rng(0)
    late = dice.uniform(size=len(ORIGINS) * ROWS) < shifted(np.array([SAID]), off_by)[0]
    origin = np.repeat(ORIGINS, ROWS)
    ids = [f"I{i}" for i in range(len(origin))]
    customers = [f"C{i % 50}" for i in range(len(origin))]
    due = origin + 20
    ledger = Ledger.of(
        customers={"customer_id": sorted(set(customers))},
        invoices={
            "invoice_id": ids,
            "customer_id": customers,
            "issue_date": (origin - 10).tolist(),
            "due_date": due.tolist(),
            "amount_cents": [100_00] * len(ids),
        },
        payments={
            "invoice_id": ids,
            "paid_on": np.where(late, due + 10, due - 5).tolist(),
            "amount_cents": [100_00] * len(ids),
        },
    )
    told = {
        f"{who}{column(h)}": np.full(len(ids), SAID / (1 + h))
        for who in ANSWERERS
        for h in HORIZONS_DAYS
    }
    days = pa.array(origin.astype(np.int32), pa.date32())
    dates = {f"{who}{name}": days for who in ANSWERERS for name in DATE_COLUMNS}
    about = {"invoice_id": ids, "cut": days, "as_of": days, "n_settled": [20] * len(ids)}
    return pa.table({**about, "test": ["portfolio"] * len(ids), **told, **dates}), ledger


def figures(off_by: float) -> base_rate_check.Told:
    predictions, ledger = drawn(off_by)
    return base_rate_check.figures(judged(predictions, ledger), predictions, ledger)


def test_a_rate_that_is_off_by_the_same_at_every_origin_is_corrected_and_wins() -> None:
    told = figures(-0.8)
    at_due = [c for c in told["corrections"] if c["horizon"] == 0]

    assert len(at_due) == len(ORIGINS) - 1
    assert all(c["shift"] == pytest.approx(-0.8, abs=0.3) for c in at_due)
    assert all(c["gain"]["low"] <= c["gain"]["value"] <= c["gain"]["high"] for c in at_due)
    (verdict,) = [v for v in told["verdicts"] if v["horizon"] == 0]
    assert (verdict["wins"], verdict["better_at"]) == (True, 4)


def test_a_rate_that_is_right_is_not_corrected() -> None:
    (verdict,) = [v for v in figures(0.0)["verdicts"] if v["horizon"] == 0]

    assert not verdict["wins"]


def test_a_correction_is_learned_from_what_had_come_by_its_origin() -> None:
    for c in figures(0.0)["corrections"]:
        learned = date.fromisoformat(c["learned_from"])
        due = learned + timedelta(days=20 + c["horizon"])
        assert due < date.fromisoformat(c["origin"])
        assert c["labels"] <= ROWS


def test_what_comes_after_an_origin_changes_no_correction() -> None:
    predictions, ledger = drawn(-0.8)
    rows = judged(predictions, ledger)
    until = ORIGINS[3]
    whole, past = (
        base_rate_check.figures(rows, predictions, known)["corrections"]
        for known in (ledger, ledger.known_before(until))
    )
    by_then = date(1970, 1, 1) + timedelta(days=until)

    def shifts(corrections: list[dict[str, object]]) -> list[object]:
        return [c["shift"] for c in corrections if str(c["origin"]) <= by_then.isoformat()]

    assert shifts(whole)
    assert shifts(whole) == shifts(past)
