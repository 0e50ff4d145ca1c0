"""The baselines: what they say, and that they know no more than was known."""

import numpy as np
import pytest
from ledgers import Rows, to_ledger

from models.horizons import ALL_HORIZONS_DAYS
from models.late_payment import Snapshots
from pipelines import baselines, landmarks
from pipelines.features import Peers
from pipelines.ledger import Ledger
from tests.trained import payer, small

TODAY = 20_000


def snapshots(rows: Rows, *, as_of: int = TODAY) -> Snapshots:
    """The last invoice of the rows' last customer, as of a day."""
    ledger = to_ledger(rows)
    prepared = landmarks.prepare(ledger)
    peers = Peers.build(prepared.ledger, prepared.settlement, known_until=as_of)
    last = np.array([ledger.invoices.num_rows - 1])
    return landmarks.take(prepared, last, np.array([as_of], np.int32), peers=peers)


def test_everybody_pays_on_the_due_date_or_today() -> None:
    for open_for in (-7, 14):
        one = snapshots(payer("A", [3] * 8, until=TODAY, open_for=open_for))
        told = baselines.due_date(one)
        assert told.expected_date[0] == max(int(one.due_day[0]), TODAY)
        passed = one.due_day[0] + np.array(ALL_HORIZONS_DAYS) < TODAY
        assert told.probabilities[0].tolist() == passed.tolist()


def test_the_average_delay_is_the_customers_own_shrunk_to_everybodys() -> None:
    late, soon = ([days] * 20 for days in (21, 0))
    rows = payer("A", soon, until=TODAY, open_for=-28)
    for name, more in payer("B", late, until=TODAY, open_for=-28).items():
        rows[name] += more
    one = snapshots(rows)
    delay = baselines.average_delay(one).expected_date[0] - one.due_day[0]
    own, everybody = 21, 10.5
    expected = (20 * own + 5 * everybody) / 25
    assert delay == pytest.approx(expected, abs=2)  # holidays and weekends move due dates


def test_probabilities_are_in_order_and_dates_not_before_today() -> None:
    some = small().some(300, seed=4)
    for told in (baselines.average_delay(some), baselines.due_date(some)):
        assert ((told.probabilities >= 0) & (told.probabilities <= 1)).all()
        assert (np.diff(told.probabilities, axis=1) <= 1e-12).all()
        assert (told.date_lo >= some.as_of).all()
        assert (told.date_lo <= told.expected_date).all()
        assert (told.expected_date <= told.date_hi).all()


def test_the_baselines_use_only_what_was_known_on_the_day() -> None:
    trained = small()
    as_of = trained.as_of - 60
    known = trained.prepared.settlement.known_day
    open_then = np.flatnonzero((known < as_of) & (known > as_of - 40))[:80]
    whole = trained.take(open_then, np.full(len(open_then), as_of))
    past = trained.ledger.known_before(as_of)
    alone = _same(past, trained.ledger, open_then, as_of, trained.peers)
    for baseline in (baselines.average_delay, baselines.due_date):
        told, again = baseline(whole), baseline(alone)
        assert (told.probabilities == again.probabilities).all()
        assert (told.expected_date == again.expected_date).all()


def _same(past: Ledger, whole: Ledger, rows: np.ndarray, as_of: int, peers: Peers) -> Snapshots:
    ids = whole.invoices["invoice_id"].take(rows).to_pylist()
    place = {name: at for at, name in enumerate(past.invoices["invoice_id"].to_pylist())}
    found = np.array([place[name] for name in ids])
    days = np.full(len(found), as_of, np.int32)
    return landmarks.take(landmarks.prepare(past), found, days, peers=peers)


def test_nobody_has_paid_yet() -> None:
    told = baselines.average_delay(snapshots(payer("A", [], until=TODAY, open_for=-28)))
    assert not np.isnan(told.probabilities).any()
    assert told.date_lo[0] < told.expected_date[0] < told.date_hi[0]
