"""Snapshots: each invoice as it looked before its own day, whatever else is asked."""

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, askable, drawn, ledger_rows, to_ledger

from models import cohorts
from models.late_payment import Snapshots
from pipelines import calendars, features, landmarks
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import NEVER
from tests.trained import Trained

DRAWN = """
customers customer_id country
          A           IT
          B           SE
invoices  invoice_id  customer_id  issue_date  due_date  amount  company_code  terms_code
          twice       A            0           30        100.00  1             T30
          returned    A            2           32        100.00  1             T30
          cancelled   A            4           34        100.00  -             -
          open        A            6           36        100.00  1             T60
          tiny        B            8           38        0.10    1             T30
payments  invoice_id  paid_on  amount  recorded_at  returned_on
          twice       33       60.00   -            -
          twice       40       40.00   44           -
          returned    33       100.00  -            50
          returned    61       100.00  -            -
credit_notes invoice_id issued_on amount
          cancelled     10        100.00
"""


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return landmarks.prepare(to_ledger(drawn(DRAWN)))


def take(of: Prepared, invoice: list[int], day: list[int]) -> Snapshots:
    days = np.array(day, np.int32)
    return landmarks.take(of, np.array(invoice, np.int64), days, peers=Peers.empty())


def bits(of: Snapshots) -> dict[str, bytes]:
    """What belongs to the snapshots themselves; the records hold the whole ledger."""
    arrays = {f.name: getattr(of, f.name) for f in fields(of)}
    return {name: a.tobytes() for name, a in arrays.items() if isinstance(a, np.ndarray)}


def test_a_record_closes_with_the_first_settlement_as_it_was_seen(prepared: Prepared) -> None:
    place = {name: at for at, name in enumerate(prepared.ledger.invoices["invoice_id"].to_pylist())}
    found = {
        name: int(np.flatnonzero(prepared.record_invoice == row)[0]) for name, row in place.items()
    }
    records = prepared.records
    closed = {name: int(records.closed_day[at]) for name, at in found.items()}
    known = {name: int(records.closed_known_day[at]) for name, at in found.items()}
    assert (closed["twice"], known["twice"]) == (BASE + 40, BASE + 44)
    assert closed["returned"] == BASE + 33  # that it went back is another story
    assert closed["open"] == NEVER
    assert [bool(records.cancelled[found[n]]) for n in ("twice", "cancelled", "tiny")] == [
        False, True, True,
    ]  # fmt: skip


def test_what_was_never_open_stays_nobodys_record_when_its_money_goes_back() -> None:
    text = """
    invoices  invoice_id  customer_id  issue_date  due_date  amount
              tiny        A            0           30        0.10
    payments  invoice_id  paid_on  amount  returned_on
              tiny        40       100.00  40
    """
    records = landmarks.prepare(to_ledger(drawn(text))).records
    assert records.cancelled.tolist() == [True]
    assert records.closed_known_day[0] < BASE  # before as after: it is left out on every day


def test_customers_records_stand_together_in_the_order_they_became_known(
    prepared: Prepared,
) -> None:
    assert prepared.records.start.tolist() == [0, 4, 5]
    assert prepared.records.known_day.tolist() == [BASE + d for d in (0, 2, 4, 6, 8)]


def test_cohorts_are_named_by_company_and_terms(prepared: Prepared) -> None:
    names = [prepared.cohort_names[at] for at in prepared.cohort]
    expected = [("1", "T30"), ("1", "T30"), (None, None), ("1", "T60"), ("1", "T30")]
    assert names == [cohorts.key(*pair) for pair in expected]


def test_business_days_are_those_of_each_customers_country(prepared: Prepared) -> None:
    begin, end = BASE, BASE + 180
    for invoice, country in ((0, "IT"), (4, "SE")):
        which = prepared.calendar[[invoice]]
        day = np.array([begin], np.int32)
        found = prepared.working_days.between(which, day, np.array([[end]], np.int32))
        works = calendars.business_days(country).is_business
        assert found.sum() == works[begin + 1 : end + 1].sum()


def test_what_is_no_country_takes_no_place_of_its_own_among_the_calendars() -> None:
    told = pa.array(["SE", "it", *(f"X{i}" for i in range(300)), None, "IT"])
    which, found = landmarks.calendars_of(told)
    assert len(found.before) == 3
    assert len({which[1], which[-1]}) == 1
    assert len(set(which[2:-1])) == 1
    alone, of_sweden = landmarks.calendars_of(pa.array(["SE"]))
    assert np.array_equal(found.before[which[0]], of_sweden.before[alone[0]])


def test_the_habit_begins_as_any_weekday_and_moves_to_the_days_of_payment(
    prepared: Prepared,
) -> None:
    nothing, some = take(prepared, [0, 0], [BASE, BASE + 70]).weekday_share
    np.testing.assert_allclose(nothing, [0.2] * 5 + [0.0, 0.0])
    np.testing.assert_allclose(some.sum(), 1.0)
    np.testing.assert_allclose(some[5], 4 / (4 + landmarks.HABIT_WEIGHT))  # four on Saturdays


def test_features_come_in_the_order_of_the_book(prepared: Prepared) -> None:
    taken = take(prepared, [0], [BASE + 20])
    assert taken.feature_names == tuple(features.BOOK)
    assert taken.features.shape == (1, len(features.BOOK))


def test_one_snapshot_of_many_is_the_one_taken_alone(trained: Trained) -> None:
    random = np.random.default_rng(2)
    invoice = random.integers(0, trained.ledger.invoices.num_rows, 60)
    day = trained.prepared.settlement.issue_day[invoice] + random.integers(0, 90, 60)
    many = trained.take(invoice, day)
    for i in (0, 13, 59):
        assert bits(many.take(np.array([i]))) == bits(trained.take(invoice[[i]], day[[i]]))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE, BASE + 400))
def test_what_is_known_on_the_day_or_later_changes_no_bit(rows: Rows, as_of: int) -> None:
    ledger = to_ledger(rows)
    asked = list(askable(rows, as_of - 1))
    whole, past = (landmarks.prepare(of) for of in (ledger, ledger.known_before(as_of)))
    ids = [of.ledger.invoices["invoice_id"].to_pylist() for of in (whole, past)]
    asked = [name for name in asked if name in ids[1]]
    if not asked:
        return
    days = [as_of] * len(asked)
    before, after = (
        take(of, [names.index(name) for name in asked], days)
        for of, names in zip((whole, past), ids, strict=True)
    )
    for column in ("features", "due_day", "weekday_share"):
        assert getattr(before, column).tobytes() == getattr(after, column).tobytes()
    lengths = [of.recent[1] - of.recent[0] for of in (before, after)]
    assert lengths[0].tolist() == lengths[1].tolist()
