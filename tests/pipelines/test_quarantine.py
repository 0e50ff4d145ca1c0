"""Rows that keep every rule are accepted, the others are kept aside, and the totals add up."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from pipelines.intake.mapped import Rows
from pipelines.ledger import RULES, TABLES
from pipelines.quarantine import Accepted, accept, rows_fell, schema

TODAY = date(2026, 6, 30)
DAY = date(2026, 1, 1)


def rows(name: str, *given: dict[str, object]) -> Rows:
    kept = [f for f in TABLES[name].schema if any(f.name in row for row in given)]
    table = pa.Table.from_pylist(list(given), schema=pa.schema(kept))
    lines = np.arange(2, len(given) + 2)
    return Rows(table, pa.array([f"{name}.csv"] * len(given)), lines)


def invoice(number: str, **columns: object) -> dict[str, object]:
    return {
        "invoice_id": number,
        "customer_id": "C1",
        "issue_date": DAY,
        "due_date": date(2026, 1, 31),
        "amount_cents": 10_000,
        **columns,
    }


def payment(number: str | None, **columns: object) -> dict[str, object]:
    return {
        "invoice_id": number,
        "paid_on": date(2026, 2, 1),
        "amount_cents": 10_000,
        **columns,
    }


def take(
    invoices: list[dict[str, object]],
    payments: tuple[dict[str, object], ...] = (),
    **others: list[dict[str, object]],
) -> Accepted:
    tables = {"invoices": rows("invoices", *invoices)}
    if payments:
        tables["payments"] = rows("payments", *payments)
    tables |= {name: rows(name, *given) for name, given in others.items()}
    return accept(tables, today=TODAY)


def reasons(accepted: Accepted) -> list[tuple[int, str]]:
    return [(q["line"], q["rule"]) for q in accepted.quarantine.to_pylist()]


def flags(accepted: Accepted) -> list[str]:
    return accepted.flags["rule"].to_pylist()


def test_a_quarantined_row_says_where_it_came_from_and_what_was_expected():
    accepted = take([invoice("F1", due_date=date(2025, 1, 1))])
    assert accepted.quarantine.to_pylist() == [
        {
            "source": "invoices.csv",
            "line": 2,
            "table": "invoices",
            "column": "due_date",
            "rule": "due_before_issue",
            "value": "2025-01-01",
            "expected": "on or after issue_date",
        }
    ]


def test_every_rule_that_a_row_breaks_is_told_at_once():
    accepted = take([invoice("F1", due_date=date(2025, 1, 1), currency="XX")])
    assert {rule for _, rule in reasons(accepted)} == {"due_before_issue", "unknown_currency"}


def test_a_payment_of_an_invoice_in_quarantine_follows_it_there():
    accepted = take([invoice("F1", customer_id=None), invoice("F2")], (payment("F1"),))
    assert reasons(accepted) == [(2, "missing_required"), (2, "unknown_invoice")]


def test_an_unknown_customer_is_refused_where_the_source_has_customers():
    accepted = take([invoice("F1", customer_id="C9")], customers=[{"customer_id": "C1"}])
    assert reasons(accepted) == [(2, "unknown_customer")]


def test_customers_are_made_from_the_invoices_where_the_source_has_none():
    accepted = take([invoice("F1"), invoice("F2", customer_id="C2")])
    assert accepted.customers_made
    assert accepted.ledger.customers["customer_id"].to_pylist() == ["C1", "C2"]


def test_a_payment_gets_the_customer_of_its_invoice():
    accepted = take([invoice("F1")], (payment("F1"),))
    assert accepted.ledger.payments["customer_id"].to_pylist() == ["C1"]


def test_a_payment_by_another_customer_is_accepted_and_flagged():
    accepted = take([invoice("F1")], (payment("F1", customer_id="C2"),))
    assert accepted.ledger.payments["customer_id"].to_pylist() == ["C1"]
    assert flags(accepted) == ["paid_by_another_customer"]


def test_one_bank_payment_may_pay_two_invoices():
    accepted = take(
        [invoice("F1"), invoice("F2")],
        (payment("F1", payment_id="P1"), payment("F2", payment_id="P1")),
    )
    assert accepted.ledger.payments.num_rows == 2


def test_payments_without_an_id_are_never_taken_for_duplicates():
    accepted = take([invoice("F1")], (payment("F1"), payment("F1")))
    assert accepted.ledger.payments.num_rows == 2
    assert flags(accepted) == ["overpaid", "overpaid"]


def test_a_credit_note_for_another_customers_invoice_is_kept_aside():
    note = {"customer_id": "C2", "invoice_id": "F1", "issued_on": DAY, "amount_cents": 5}
    accepted = take([invoice("F1"), invoice("F2", customer_id="C2")], credit_notes=[note])
    assert reasons(accepted) == [(2, "customer_mismatch")]


def test_money_of_an_invoice_is_converted_by_its_rate_to_the_cent():
    accepted = take(
        [invoice("F1", currency="USD", fx_rate=0.9)], (payment("F1", amount_cents=1_005),)
    )
    assert accepted.ledger.invoices["amount_cents"].to_pylist() == [9_000]
    assert accepted.ledger.payments["amount_cents"].to_pylist() == [904]  # 904.5, half to even


def test_a_rate_on_an_invoice_in_the_ledgers_currency_is_ignored_and_flagged():
    accepted = take([invoice("F1", currency="EUR", fx_rate=0.9)])
    assert accepted.ledger.invoices["amount_cents"].to_pylist() == [10_000]
    assert flags(accepted) == ["rate_ignored"]


def test_accepted_and_quarantined_add_up_to_what_was_read_to_the_cent():
    accepted = take(
        [
            invoice("F1"),
            invoice("F2", due_date=date(2025, 1, 1), amount_cents=123),
            invoice("F3", amount_cents=-500, order_ref="F1"),
            invoice("F4", amount_cents=-700, order_ref="nothing"),
        ],
        (payment("F1"), payment("F2", amount_cents=123)),
    )
    totals = {t["table"]: t for t in accepted.reconciliation.to_pylist() if t["column"] == "amount"}
    invoices, payments = totals["invoices"], totals["payments"]
    assert (invoices["read_rows"], invoices["accepted_rows"]) == (4, 2)
    assert invoices["read_cents"] == 10_000 + 123 - 500 - 700
    assert (invoices["accepted_cents"], invoices["quarantined_cents"]) == (9_500, 123 - 700)
    assert (payments["accepted_cents"], payments["quarantined_cents"]) == (10_000, 123)


def test_a_ledger_of_no_rows_at_all_is_empty_and_adds_up():
    accepted = accept({})
    assert accepted.ledger.invoices.num_rows == accepted.quarantine.num_rows == 0


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_pandera_schema_with_a_check_for_each_rule(name):
    built = schema(name)
    assert list(built.columns) == TABLES[name].schema.names
    assert [check.error for check in built.checks] == [rule.name for rule in RULES[name]]


def test_a_fall_in_rows_is_told_against_the_median_of_the_nights_before():
    assert rows_fell(1_000, [990, 1_010, 5_000]) == ""
    assert "-60%" in rows_fell(400, [1_000, 1_000, 1_000])
    assert rows_fell(5, []) == ""


def test_instalments_under_one_number_get_ids_of_their_own_and_money_fills_them_in_order():
    accepted = take(
        [
            invoice("F7", instalment_no=2, due_date=date(2026, 3, 31), amount_cents=5_000),
            invoice("F7", instalment_no=1, due_date=date(2026, 2, 28), amount_cents=5_000),
            invoice("F8"),
        ],
        (
            payment("F7", amount_cents=3_000),
            payment("F7", amount_cents=6_500, paid_on=date(2026, 3, 1), discount_taken_cents=7),
            payment("F7/2", amount_cents=500, paid_on=date(2026, 3, 2)),
            payment("F8", paid_on=date(2026, 3, 3)),
        ),
    )
    assert accepted.quarantine.num_rows == 0
    assert accepted.ledger.invoices["invoice_id"].to_pylist() == ["F7/2", "F7/1", "F8"]
    columns = ["invoice_id", "amount_cents", "discount_taken_cents"]
    assert [tuple(p[c] for c in columns) for p in accepted.ledger.payments.to_pylist()] == [
        ("F7/1", 3_000, None),
        ("F7/1", 2_000, 7),
        ("F7/2", 4_500, None),
        ("F7/2", 500, None),
        ("F8", 10_000, None),
    ]


def test_the_same_instalment_twice_is_a_duplicate():
    accepted = take([invoice("F7", instalment_no=1), invoice("F7", instalment_no=1)])
    assert reasons(accepted) == [(3, "duplicate_row")]
