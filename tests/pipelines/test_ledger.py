"""The ledger's tables, the rules of a row, and what was known before a day."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.ledger import RULES, TABLES, Ledger, days, issue_days, rows_of, violations

DICTIONARY = Path(__file__).parents[2] / "data" / "README.md"


def invoice(**columns: object) -> pa.Table:
    row = {
        "invoice_id": "F1",
        "customer_id": "C1",
        "issue_date": date(2026, 1, 1),
        "due_date": date(2026, 1, 31),
        "amount_cents": 10_000,
        **columns,
    }
    return Ledger.of(invoices={name: [value] for name, value in row.items()}).invoices


def broken(table: pa.Table, name: str = "invoices") -> list[str]:
    return [violation.rule for violation in violations(name, table)]


def test_a_good_row_breaks_no_rule():
    assert violations("invoices", invoice()) == []


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"due_date": date(2025, 12, 31)}, "due_before_issue"),
        ({"due_date": date(9999, 12, 31)}, "implausible_date"),
        ({"due_date": None}, "missing_required"),
        ({"customer_id": None}, "missing_required"),
        ({"currency": "EURO"}, "unknown_currency"),
        ({"fx_rate": 0.0}, "bad_fx_rate"),
        ({"amount_cents": -1}, "negative_amount"),
        ({"amount_cents": 10**13 + 1}, "implausible_amount"),
        ({"terms_days": -5}, "implausible_terms"),
        ({"early_discount_pct": 200.0}, "implausible_discount"),
    ],
)
def test_each_rule_names_what_it_forbids(columns, rule):
    assert broken(invoice(**columns)) == [rule]


def test_a_violation_says_the_row_the_column_what_was_found_and_what_was_expected():
    (found,) = violations("invoices", invoice(amount_cents=-1250))
    assert (found.row, found.column, found.found) == (0, "amount", "-12.50")
    assert found.expected == "zero or more"


def test_an_infinite_rate_breaks_a_rule_and_a_missing_one_none():
    assert "not_finite" in broken(invoice(fx_rate=float("inf")))
    assert broken(invoice(fx_rate=None)) == []


def test_rows_may_come_without_columns_and_only_the_required_ones_are_missed():
    found = violations("payments", pa.table({"invoice_id": ["F1"]}))
    assert {violation.column for violation in found} == {"paid_on", "amount"}


def test_rules_of_the_other_tables():
    ledger = Ledger.of(
        payments={"paid_on": [date(2026, 1, 5)], "amount_cents": [1]},
        disputes={
            "invoice_id": ["F1"],
            "opened_on": [date(2026, 1, 5)],
            "closed_on": [date(2026, 1, 4)],
            "reason_code": ["bad mood"],
        },
        external_ratings={
            "customer_id": ["C1"],
            "rated_on": [date(2026, 1, 5)],
            "score": [101.0],
            "scale_min": [0.0],
            "scale_max": [100.0],
        },
    )
    assert broken(ledger.payments, "payments") == ["unallocable_payment"]
    assert broken(ledger.disputes, "disputes") == ["closed_before_opened", "unlisted_value"]
    assert broken(ledger.external_ratings, "external_ratings") == ["score_off_scale"]


def test_every_rule_reads_columns_that_its_table_has():
    for name, rules in RULES.items():
        for rule in rules:
            assert {rule.column, *rule.needs} <= set(TABLES[name].schema.names)


def test_a_ledger_refuses_tables_and_columns_that_it_does_not_know():
    with pytest.raises(ValueError, match="tables must be among"):
        Ledger.of(invoice={})
    with pytest.raises(ValueError, match="columns of invoices must be among"):
        Ledger.of(invoices={"amount": [1]})


def test_what_happened_or_was_recorded_later_is_not_known():
    ledger = Ledger.of(
        payments={
            "invoice_id": ["F1", "F2", "F3"],
            "paid_on": [date(2026, 1, 9), date(2026, 1, 10), date(2026, 1, 9)],
            "recorded_at": [None, None, date(2026, 1, 10)],
            "returned_on": [date(2026, 1, 20), None, None],
            "amount_cents": [1, 2, 3],
        }
    )
    as_of = int(days(pa.array([date(2026, 1, 10)]))[0])
    known = ledger.known_before(as_of).payments
    assert known["invoice_id"].to_pylist() == ["F1"]
    assert known["returned_on"].to_pylist() == [None]


def test_an_invoice_without_issue_date_is_issued_its_terms_before_it_is_due():
    invoices = pa.concat_tables(
        [invoice(issue_date=None, terms_days=10), invoice(issue_date=None, terms_days=None)]
    )
    due = days(invoices["due_date"])
    assert (due - issue_days(invoices)).tolist() == [10, 30]


def test_a_customers_part_of_the_ledger_is_only_his():
    ledger = Ledger.of(
        customers={"customer_id": ["C1", "C2"]},
        invoices={"invoice_id": ["F1", "F2"], "customer_id": ["C1", "C2"]},
        disputes={"invoice_id": ["F1", "F2"]},
        payments={
            "payment_id": ["P1", "P2", "P3", "P4"],
            "invoice_id": ["F1", "F2", None, "F2"],
            "customer_id": ["C1", None, "C2", "C2"],
        },
    )
    part = ledger.of_customers(pa.array(["C2"]))
    assert part.customers.num_rows == part.invoices.num_rows == 1
    assert part.disputes["invoice_id"].to_pylist() == ["F2"]
    assert part.payments["payment_id"].to_pylist() == ["P2", "P3", "P4"]


def test_ids_are_found_by_row_and_the_unknown_ones_are_minus_one():
    assert rows_of(pa.array(["b", None, "x"]), among=pa.array(["a", "b"])).tolist() == [1, -1, -1]


def test_every_column_of_every_table_is_in_the_data_dictionary():
    text = DICTIONARY.read_text(encoding="utf-8")
    for table in TABLES.values():
        section = text.split(f"## `{table.name}`")[1].split("\n## ")[0]
        for column in table.columns:
            assert f"| `{column.name}` |" in section, f"{table.name}.{column.name}"


def test_every_rule_is_in_the_data_dictionary():
    text = DICTIONARY.read_text(encoding="utf-8")
    for rules in RULES.values():
        for rule in rules:
            assert f"`{rule.name}`" in text, rule.name
