"""Onset: the day since which a warning has stood, by what was known on each day before."""

from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, drawn, ledger_rows, to_ledger

from models import signals as warnings
from models.signals import NOT_STANDING
from pipelines import features, landmarks, onset
from pipelines.asked import Asked
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger
from pipelines.scoring import score
from pipelines.settlement import is_open
from tests.trained import Trained, on, payer, small

DRIFT = "delay_drift"
Since = dict[str, dict[str, int]]  # by invoice and signal


def ask(prepared: Prepared, rows: np.ndarray, as_of: int) -> Asked:
    day = np.full(len(rows), as_of, np.int32)
    taken = landmarks.take(prepared, rows, day, peers=Peers.empty())
    return Asked(taken, prepared, rows, as_of, Peers.empty())


def standing(ledger: Ledger, as_of: int) -> Since:
    """The signals that stand on a day for each open invoice, and since when."""
    prepared = landmarks.prepare(ledger)
    rows = np.flatnonzero(is_open(prepared.settlement, as_of))
    ids = [ledger.invoices["invoice_id"][row].as_py() for row in rows.tolist()]
    found = onset.standing(ask(prepared, rows, as_of))
    return {
        name: {code: int(s.since[at]) for code, s in found.items() if s.since[at] != NOT_STANDING}
        for at, name in enumerate(ids)
    }


def replayed(
    prepared: Prepared, invoice: int, as_of: int, *, begin: int
) -> dict[str, tuple[int, int]]:
    """The slow, obvious way: from the beginning, day after day, each rule on or off, how severe."""
    move = prepared.settlement.movements
    again = move.known_day[(move.invoice == invoice) & move.reopens & (move.known_day < as_of)]
    listed = max([int(prepared.settlement.known_day[invoice]), *again.tolist()]) + 1
    days = np.arange(begin, as_of + 1)
    values = features.compute(prepared.streams, np.full(len(days), invoice), days, Peers.empty())
    columns = {name: values[:, at] for at, name in enumerate(features.BOOK)}
    found = {}
    for rule in warnings.default_rules():
        begins, stays = (
            f & (columns["n_invoices"] > 0) for f in (rule.begins(columns), rule.stays(columns))
        )
        least, most = rule.levels(columns)
        since, level = None, 0
        for at, day in enumerate(days.tolist()):
            if since is None:
                since, level = (day if begins[at] else None), least[at]
            else:
                since, level = (since if stays[at] else None), min(max(level, least[at]), most[at])
        if since is not None:
            of_invoice = rule.code in ("broken_promise", "first_late", "prolonged_overdue")
            found[rule.code] = (max(since, listed) if of_invoice else since), int(level)
    return found


@cache
def company() -> Prepared:
    return landmarks.prepare(small().ledger)


@pytest.mark.parametrize("back", [0, 100, 260])
def test_day_and_severity_are_those_of_a_replay_from_the_beginning(back: int) -> None:
    as_of = small().as_of - back
    rows = np.flatnonzero(is_open(company().settlement, as_of))
    stands = onset.standing(ask(company(), rows, as_of))
    warned = np.flatnonzero(np.any([s.since != NOT_STANDING for s in stands.values()], axis=0))
    quiet = np.setdiff1d(np.arange(len(rows)), warned)[:5]
    assert len(warned) > 20
    begin = int(company().settlement.known_day.min())
    for at in [*warned[:: max(1, len(warned) // 25)].tolist(), *quiet.tolist()]:
        told = {
            code: (int(s.since[at]), int(s.level[at]))
            for code, s in stands.items()
            if s.since[at] != NOT_STANDING
        }
        assert told == replayed(company(), int(rows[at]), as_of, begin=begin)


def holds_on_the_next_day(ledger: Ledger, as_of: int) -> bool:
    """What stands today and tomorrow has the same first day; what is new tomorrow begins then."""
    today, tomorrow = (standing(ledger, day) for day in (as_of, as_of + 1))
    return all(
        since == today.get(name, {}).get(code, since)
        and (code in today.get(name, {}) or since == as_of + 1 or name not in today)
        for name, found in tomorrow.items()
        for code, since in found.items()
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), as_of=st.integers(BASE + 20, BASE + 500))
def test_a_signal_that_stands_has_begun_on_the_same_day_tomorrow(rows: Rows, as_of: int) -> None:
    assert holds_on_the_next_day(to_ledger(rows), as_of)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 350))
def test_on_any_day_of_the_company_signals_keep_their_first_day(back: int) -> None:
    assert holds_on_the_next_day(small().ledger, small().as_of - 1 - back)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), as_of=st.integers(BASE + 20, BASE + 500))
def test_what_was_known_then_gives_the_same_signals_at_any_later_time(
    rows: Rows, as_of: int
) -> None:
    ledger = to_ledger(rows)
    assert standing(ledger, as_of) == standing(ledger.known_before(as_of), as_of)


def slipping(trained: Trained, *, since_days: int) -> Rows:
    """A customer who paid on time and, for invoices due in the last days, pays 40 days late."""
    late = [40 if 14 * (26 - at) <= since_days + 40 else 0 for at in range(26)]
    return payer("C1", late, until=trained.as_of, open_for=0)


def signals(rows: Rows, trained: Trained, *, as_of: int | None = None) -> dict[str, dict[str, Any]]:
    day = trained.as_of if as_of is None else as_of
    (row,) = score(to_ledger(rows), day, trained.bundle, invoices=["C1-026"]).to_pylist()
    return {signal["code"]: signal for signal in row["signals"]}


@pytest.fixture
def drifting(trained: Trained) -> Rows:
    return slipping(trained, since_days=90)


def test_a_drift_began_on_the_first_day_that_shows_it(trained: Trained, drifting: Rows) -> None:
    since = signals(drifting, trained)[DRIFT]["since"]
    assert since < on(trained.as_of)

    # asked on that day about any invoice open then, the signal stood; a day before it did not
    def stood(day: date) -> bool:
        then = (day - date(1970, 1, 1)).days
        found = score(to_ledger(drifting), then, trained.bundle).to_pylist()
        return any(s["code"] == DRIFT for row in found for s in row["signals"])

    assert stood(since)
    assert not stood(since - timedelta(days=1))


def test_a_later_slide_began_later(trained: Trained) -> None:
    found = [
        signals(slipping(trained, since_days=days), trained)[DRIFT]["since"] for days in (150, 60)
    ]
    assert found[0] < found[1]


def test_an_age_tells_its_own_day(trained: Trained) -> None:
    rows = payer("C1", [0] * 26, until=trained.as_of, open_for=75)
    found = signals(rows, trained)["prolonged_overdue"]
    due = on(trained.as_of - 75)
    while due.weekday() > 4:
        due += timedelta(days=1)
    assert found["now"] == (on(trained.as_of) - due).days
    assert found["since"] == due + timedelta(days=60)


def test_what_has_stood_for_years_is_dated_to_the_day() -> None:
    rows = """
        invoices      invoice_id customer_id issue_date due_date amount
                      A          C           0          30       1000.00
        credit_limits customer_id valid_from amount
                      C           -10        500.00
    """
    assert standing(to_ledger(drawn(rows)), BASE + 900)["A"]["exposure_over_limit"] == BASE + 1


LIMIT = """
    invoices      invoice_id customer_id issue_date due_date amount
                  A          C           0          900      1000.00
                  B          C           20         900      50.00
    payments      invoice_id paid_on amount
                  A          30      70.00
                  A          40      40.00
    credit_limits customer_id valid_from amount
                  C           -10        1000.00
"""


@pytest.mark.parametrize(
    ("as_of", "since"),
    [
        (20, None),  # all of the limit, not more
        (21, 21),  # 105 %
        (31, 21),  # 98 %: below the limit, but a breath
        (41, None),  # 94 %
    ],
)
def test_a_signal_goes_on_until_its_value_has_left_the_threshold_behind(
    as_of: int, since: int | None
) -> None:
    found = standing(to_ledger(drawn(LIMIT)), BASE + as_of)["A"].get("exposure_over_limit")
    assert found == (None if since is None else BASE + since)


WOBBLING = """
    invoices      invoice_id customer_id issue_date due_date amount
                  A          C           0          900      1210.00
    credit_notes  invoice_id issued_on amount
                  A          30        20.00
                  A          40        50.00
    credit_limits customer_id valid_from amount
                  C           -10        1000.00
"""


@pytest.mark.parametrize(
    ("as_of", "severity"),
    [
        (20, "medium"),  # 121 %
        (31, "medium"),  # 119 %: below the cut-off, but a breath
        (41, "low"),  # 114 %
    ],
)
def test_a_signal_grows_milder_only_when_its_value_has_left_the_cut_off_behind(
    as_of: int, severity: str
) -> None:
    prepared = landmarks.prepare(to_ledger(drawn(WOBBLING)))
    stands = onset.standing(ask(prepared, np.array([0]), BASE + as_of))["exposure_over_limit"]
    assert int(stands.since[0]) == BASE + 1
    assert warnings.SEVERITIES[int(stands.level[0])] == severity


def test_a_broken_promise_stands_from_the_day_after_it() -> None:
    rows = """
        invoices invoice_id customer_id issue_date due_date amount
                 A          C           0          30       1000.00
                 B          C           0          30       1000.00
        promises invoice_id made_on promised_date
                 A          35      44
    """
    assert "broken_promise" not in standing(to_ledger(drawn(rows)), BASE + 44)["A"]
    found = standing(to_ledger(drawn(rows)), BASE + 50)
    assert found["A"]["broken_promise"] == BASE + 45
    assert "broken_promise" not in found["B"]


def test_an_invoice_reopened_by_a_return_is_overdue_since_it_is_open_again() -> None:
    rows = """
        invoices invoice_id customer_id issue_date due_date amount
                 A          C           0          30       1000.00
        payments invoice_id paid_on amount  returned_on
                 A          30      1000.00 150
    """
    assert standing(to_ledger(drawn(rows)), BASE + 160)["A"]["prolonged_overdue"] == BASE + 151


def test_without_signals_nothing_is_looked_at(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: object) -> None:
        raise AssertionError("there is nothing to date")

    monkeypatch.setattr(onset, "_look_back", nothing)
    rows = payer("C1", [0] * 26, until=trained.as_of, open_for=-10)
    assert signals(rows, trained) == {}


def test_rows_of_a_batch_are_dated_as_if_alone(trained: Trained) -> None:
    whole = score(trained.ledger, trained.as_of, trained.bundle).to_pylist()
    warned = [row for row in whole if row["signals"]][:6]
    assert warned
    for row in warned:
        (alone,) = score(
            trained.ledger, trained.as_of, trained.bundle, invoices=[row["invoice_id"]]
        ).to_pylist()
        assert alone["signals"] == row["signals"]


def test_payments_booked_yesterday_had_warned_nobody_before(
    trained: Trained, drifting: Rows
) -> None:
    due = {row["invoice_id"]: row["due_date"] for row in drifting["invoices"]}
    for row in drifting["payments"]:
        if row["paid_on"] > due[row["invoice_id"]]:
            row["recorded_at"] = trained.as_of - 1
    assert signals(drifting, trained)[DRIFT]["since"] == on(trained.as_of)
