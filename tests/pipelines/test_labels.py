"""Labels: told where the day has passed, of the state at its end, never of what was cancelled."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, drawn, ledger_rows, to_ledger

from pipelines import labels
from pipelines.settlement import Settlement, settle

DRAWN = """
invoices  invoice_id  customer_id  issue_date  due_date  amount
          on_time     A            0           31        100.00
          late        A            0           31        100.00
          open        A            0           31        100.00
          cancelled   A            0           31        100.00
          tiny        A            0           31        0.50
          returned    A            0           31        100.00
payments  invoice_id  paid_on  amount  returned_on
          on_time     31       100.00  -
          late        40       100.00  -
          returned    20       100.00  35
credit_notes invoice_id issued_on amount
          cancelled     10        100.00
"""


def settled(text: str = DRAWN, *, before: int = 500) -> tuple[dict[str, int], Settlement]:
    ledger = to_ledger(drawn(text)).known_before(BASE + before)
    place = {name: row for row, name in enumerate(ledger.invoices["invoice_id"].to_pylist())}
    return place, settle(ledger)


def is_open(name: str, day: int) -> bool:
    place, of = settled()
    row, days = np.array([place[name]]), np.array([BASE + day], np.int32)
    return bool(labels.still_open(of, row, days)[0])


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("on_time", 30, True),
        ("on_time", 31, False),  # paid on the day: not open at its end
        ("late", 31, True),
        ("late", 39, True),
        ("late", 40, False),
        ("open", 400, True),
        ("returned", 400, True),  # the money went back
    ],
)
def test_an_invoice_is_open_until_the_end_of_the_day_before_it_is_settled(
    name: str, day: int, expected: bool
) -> None:
    assert is_open(name, day) == expected


def test_what_credit_notes_cancelled_or_was_never_open_has_no_label() -> None:
    place, of = settled()
    told = labels.is_labelled(of)
    assert {name for name, row in place.items() if told[row]} == {
        "on_time", "late", "open", "returned",
    }  # fmt: skip


def test_a_label_has_matured_once_its_day_is_before_the_cut_off() -> None:
    days = np.array([9, 10, 11], np.int32)
    assert labels.is_matured(days, cut_off=10).tolist() == [True, False, False]


def test_lateness_counts_from_the_business_due_date() -> None:
    text = """
    customers customer_id country
              A           IT
    invoices  invoice_id  customer_id  issue_date  due_date  amount
              saturday    A            0           33        100.00
              unpaid      A            0           33        100.00
    payments  invoice_id  paid_on  amount
              saturday    35       100.00
    """
    place, of = settled(text)
    late = labels.days_late(of)
    assert late[place["saturday"]] == 0  # due on Saturday 3 February, paid on Monday
    assert np.isnan(late[place["unpaid"]])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE, BASE + 500), st.integers(0, 200))
def test_a_matured_label_is_the_same_whatever_is_booked_later_of_later_days(
    rows: Rows, cut_off: int, back: int
) -> None:
    ledger = to_ledger(rows)
    early, late = (settle(ledger.known_before(c)) for c in (cut_off, cut_off + 50))
    ids = ledger.known_before(cut_off).invoices["invoice_id"].to_pylist()
    later_ids = ledger.known_before(cut_off + 50).invoices["invoice_id"].to_pylist()
    punctual = [
        name
        for name in ids
        if not any(
            row.get("invoice_id") == name
            and (row.get("recorded_at") or row.get("returned_on"))  # told, or undone, afterwards
            for table in ("payments", "credit_notes")
            for row in rows[table]
        )
    ]
    day = np.full(len(punctual), cut_off - 1 - back, np.int32)
    seen = labels.still_open(early, np.array([ids.index(n) for n in punctual], int), day)
    again = labels.still_open(late, np.array([later_ids.index(n) for n in punctual], int), day)
    assert seen.tolist() == again.tolist()
