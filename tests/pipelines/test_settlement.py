import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines import settlement
from pipelines.ledger import NEVER, Ledger
from pipelines.settlement import Settlement, settle

Row = Mapping[str, Any]


def ledger_of(
    *,
    amount: int = 100_00,
    payments: Sequence[Row] = (),
    credit_notes: Sequence[Row] = (),
    recorded_at: int | None = None,
) -> Ledger:
    def table(rows: Sequence[Row]) -> dict[str, list[Any]]:
        return {name: [row.get(name) for row in rows] for name in {n for r in rows for n in r}}

    invoice = {"invoice_id": ["I"], "customer_id": ["C"], "issue_date": [1000], "due_date": [1030]}
    return Ledger.of(
        customers={"customer_id": ["C"]},
        invoices={**invoice, "amount_cents": [amount], "recorded_at": [recorded_at]},
        payments=table([{"invoice_id": "I", **row} for row in payments]),
        credit_notes=table([{"invoice_id": "I", **row} for row in credit_notes]),
    )


def paid(on: int, amount: int, **more: int) -> Row:
    return {"paid_on": on, "amount_cents": amount, **more}


def outcome(ledger: Ledger) -> tuple[int, int, bool]:
    settled = settle(ledger)
    return (
        int(settled.settled_day[0]),
        int(settled.settled_known_day[0]),
        bool(settled.cancelled[0]),
    )


OPEN = (int(NEVER), int(NEVER), False)


@pytest.mark.parametrize(
    ("payments", "expected"),
    [
        ([], OPEN),
        ([paid(1040, 100_00)], (1040, 1040, False)),
        ([paid(1035, 40_00), paid(1050, 60_00)], (1050, 1050, False)),
        ([paid(1040, 99_00)], (1040, 1040, False)),  # one euro is left: within tolerance
        ([paid(1040, 98_99)], OPEN),
        ([paid(1040, 150_00)], (1040, 1040, False)),
        ([paid(990, 100_00)], (990, 1000, False)),  # paid before it was issued; known once it was
        ([paid(1040, 100_00, recorded_at=1060)], (1040, 1060, False)),
        ([paid(1040, 100_00, returned_on=1050)], OPEN),
        ([paid(1040, 100_00, returned_on=1050), paid(1070, 100_00)], (1070, 1070, False)),
        ([paid(1040, 98_00, discount_taken_cents=2_00)], (1040, 1040, False)),
        # Booked late, but the later payment is the one that completed it.
        ([paid(1041, 50_00), paid(1035, 50_00, recorded_at=1060)], (1041, 1060, False)),
    ],
)
def test_an_invoice_is_settled_by_what_was_paid(
    payments: list[Row], expected: tuple[int, int, bool]
) -> None:
    assert outcome(ledger_of(payments=payments)) == expected


@pytest.mark.parametrize(
    ("payments", "credit", "expected"),
    [
        ([], 100_00, (1045, 1045, True)),
        ([paid(1035, 30_00)], 70_00, (1045, 1045, False)),
        ([paid(1035, 100_00)], 100_00, (1035, 1035, False)),
        ([], 120_00, (1045, 1045, True)),
    ],
)
def test_an_invoice_is_cancelled_when_credit_notes_alone_settle_it(
    payments: list[Row], credit: int, expected: tuple[int, int, bool]
) -> None:
    note = {"issued_on": 1045, "amount_cents": credit}
    assert outcome(ledger_of(payments=payments, credit_notes=[note])) == expected


def test_the_tolerance_is_a_share_of_large_invoices_in_exact_integers() -> None:
    huge = 10**16 + 1  # more cents than a float can tell apart
    within = huge - huge // 200
    assert outcome(ledger_of(amount=huge, payments=[paid(1040, within)]))[0] == 1040
    assert outcome(ledger_of(amount=huge, payments=[paid(1040, within - 1)])) == OPEN


@pytest.mark.parametrize("amount", [0, 100, -50_00])
def test_what_was_never_open_is_settled_from_its_issue(amount: int) -> None:
    assert outcome(ledger_of(amount=amount)) == (1000, 1000, False)


def open_on(settled: Settlement, *as_of: int) -> list[int]:
    return [int(settlement.open_cents(settled, t)[0]) for t in as_of]


def test_what_is_open_follows_the_days_on_which_things_became_known() -> None:
    settled = settle(
        ledger_of(
            payments=[
                paid(1040, 40_00, recorded_at=1042),
                paid(1050, 60_00, returned_on=1060),
                paid(1070, 59_50),
            ]
        )
    )
    assert open_on(settled, 1000, 1001, 1042, 1043, 1051) == [0, 100_00, 100_00, 60_00, 0]
    assert open_on(settled, 1060, 1061, 1070, 1071) == [0, 60_00, 60_00, 0]
    assert settled.movements.applied_cents.tolist() == [40_00, 60_00, -60_00, 60_00]


def test_an_over_payment_applies_only_what_was_open() -> None:
    moved = settle(ledger_of(payments=[paid(1040, 70_00), paid(1041, 70_00)])).movements
    assert moved.applied_cents.tolist() == [70_00, 30_00]
    assert moved.open_cents.tolist() == [30_00, -40_00]


def many_invoices(n: int, *, seed: int = 7) -> Ledger:
    rng = np.random.default_rng(seed)
    ids = pa.array(np.char.add("I", np.arange(n).astype(str)))
    days = rng.integers(17000, 18000, n).astype(np.int32)
    amount = rng.integers(1, 10**7, n)
    whose = rng.integers(0, n, n + n // 4)
    return Ledger.of(
        customers={"customer_id": pa.array([f"C{i}" for i in range(n // 8 + 1)])},
        invoices={
            "invoice_id": ids,
            "customer_id": pa.array([f"C{i}" for i in rng.integers(0, n // 8 + 1, n)]),
            "issue_date": pa.array(days),
            "due_date": pa.array(days + 30),
            "amount_cents": pa.array(amount),
        },
        payments={
            "invoice_id": ids.take(pa.array(whose)),
            "paid_on": pa.array(days[whose] + rng.integers(-5, 90, len(whose)).astype(np.int32)),
            "amount_cents": pa.array(
                (amount[whose] * rng.choice([0.5, 1.0], len(whose))).astype(int)
            ),
        },
    )


def test_the_order_of_the_rows_does_not_matter() -> None:
    ledger = many_invoices(400)
    rng = np.random.default_rng(1)
    shuffled = Ledger.of(
        customers=ledger.customers,
        invoices=ledger.invoices.take(pa.array(rng.permutation(ledger.invoices.num_rows))),
        payments=ledger.payments.take(pa.array(rng.permutation(ledger.payments.num_rows))),
    )
    back = shuffled.invoices["invoice_id"].to_pylist()
    row = {invoice_id: i for i, invoice_id in enumerate(back)}
    there = [row[i] for i in ledger.invoices["invoice_id"].to_pylist()]
    before, after = settle(ledger), settle(shuffled)
    for name in ("settled_day", "settled_known_day", "due_day", "cancelled", "amount_cents"):
        assert np.array_equal(getattr(before, name), getattr(after, name)[there]), name


def test_a_hundred_thousand_invoices_settle_in_well_under_a_second() -> None:
    ledger = many_invoices(128_000)
    settle(ledger)
    began = time.process_time()
    settled = settle(ledger)
    assert time.process_time() - began < 1.0
    assert (settled.settled_day < NEVER).any()
