from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from pipelines import fingerprint
from pipelines.ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.of(
        customers={"customer_id": ["A", "B"], "name": ["Alfa", None]},
        invoices={
            "invoice_id": ["1", "2", "3"],
            "customer_id": ["A", "A", "B"],
            "due_date": [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)],
            "amount_cents": [100, 200, 300],
        },
    )


def test_rows_in_another_order_or_in_pieces_are_the_same_ledger(ledger: Ledger) -> None:
    pieces = pa.concat_tables([ledger.invoices[2:], ledger.invoices[:1], ledger.invoices[1:2]])

    assert fingerprint.of_ledger(replace(ledger, invoices=pieces)) == fingerprint.of_ledger(ledger)


def test_rows_without_a_key_may_be_in_any_order(ledger: Ledger) -> None:
    paid = {"invoice_id": ["1", "2"], "paid_on": [date(2026, 2, 1)] * 2, "amount_cents": [1, 2]}
    one = Ledger.of(payments=paid)
    other = replace(one, payments=one.payments.take([1, 0]))

    assert fingerprint.of_ledger(one) == fingerprint.of_ledger(other)


def test_one_cent_or_one_missing_name_is_another_ledger(ledger: Ledger) -> None:
    at = ledger.invoices.schema.get_field_index("amount_cents")
    cent = ledger.invoices.set_column(at, "amount_cents", pa.array([100, 200, 301]))
    named = Ledger.of(customers={"customer_id": ["A", "B"], "name": ["Alfa", ""]}).customers

    names = {
        fingerprint.of_ledger(ledger),
        fingerprint.of_ledger(replace(ledger, invoices=cent)),
        fingerprint.of_ledger(replace(ledger, customers=named)),
    }
    assert len(names) == 3
