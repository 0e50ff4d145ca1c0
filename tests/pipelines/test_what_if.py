"""What if: the same bits where nothing changes, differences that add up, targets that are met."""

from dataclasses import replace

import numpy as np
import pytest
from ledgers import Rows, to_ledger

from models.horizons import PROBABILITY_COLUMNS
from models.what_if import Change, candidates
from pipelines.changes import CannotChange
from pipelines.ledger import Ledger
from pipelines.scoring import score
from pipelines.what_if import TARGET, Asked
from tests.trained import Trained, payer

LATE = [12, 9, 30, 14, 22, 41, 18, 25, 33, 20]


def a_case(until: int, *, open_for: int = 5) -> Rows:
    """A late payer whose last invoice is open, paid in part and disputed."""
    rows = payer("C", LATE, until=until, open_for=open_for)
    last = rows["invoices"][-1]["invoice_id"]
    rows["payments"].append({"invoice_id": last, "paid_on": until - 2, "amount_cents": 20_000})
    rows["disputes"] = [{"dispute_id": "D", "invoice_id": last, "opened_on": until - 4}]
    return rows


@pytest.fixture(scope="module")
def ledger(trained: Trained) -> Ledger:
    return to_ledger(a_case(trained.as_of))


@pytest.fixture(scope="module")
def asked(trained: Trained, ledger: Ledger) -> Asked:
    return Asked.of(ledger, trained.as_of, trained.bundle, "C-010")


CHANGES = {
    "terms": Change(terms_days=60),
    "more days": Change(more_days=20),
    "amount": Change(amount_cents=450_000),
    "discount": Change(discount_pct=5.0),
    "instalments": Change(instalments=3),
    "reminder": Change(reminder_sent=True),
    "dispute": Change(dispute_solved=True),
    "all": Change(None, 20, 450_000, 5.0, 3, True, True),
}


def test_no_change_gives_the_same_bits_and_no_difference(
    asked: Asked, ledger: Ledger, trained: Trained
) -> None:
    compared = asked.compare(Change())
    (alone,) = score(ledger, trained.as_of, trained.bundle, invoices=["C-010"]).to_pylist()
    assert compared.before == alone
    assert list(compared.after) == [alone]
    assert compared.differences == []
    assert all(before == after for before, after in compared.probabilities.values())


@pytest.mark.parametrize("name", CHANGES)
def test_differences_add_up_to_the_difference_of_the_probabilities(name: str, asked: Asked) -> None:
    compared = asked.compare(CHANGES[name])
    before, after = compared.probabilities[compared.reasons_for]
    told = sum(difference.points for difference in compared.differences)
    assert told == pytest.approx(after - before, abs=1e-12)


@pytest.mark.parametrize("open_for", [-20, 45, 100, 200])
def test_a_due_date_moved_past_a_horizon_is_told_about_one_horizon(
    open_for: int, trained: Trained
) -> None:
    rows = to_ledger(a_case(trained.as_of, open_for=open_for))
    moved = Asked.of(rows, trained.as_of, trained.bundle, "C-010").compare(Change(more_days=150))
    before, after = moved.probabilities[moved.reasons_for]
    told = sum(difference.points for difference in moved.differences)
    assert told == pytest.approx(after - before, abs=1e-12)
    assert moved.after[0]["days_past_due"] < moved.before["days_past_due"]


def test_the_changed_invoice_is_what_an_invoice_with_those_facts_would_be_scored_as(
    asked: Asked, trained: Trained
) -> None:
    rows = a_case(trained.as_of)
    rows["invoices"][-1] |= {"due_date": trained.as_of - 5 + 20, "terms_days": 50}
    straight = score(to_ledger(rows), trained.as_of, trained.bundle, invoices=["C-010"])
    assert list(asked.compare(Change(more_days=20)).after) == straight.to_pylist()


def test_instalments_share_what_is_left_to_pay_a_month_apart(asked: Asked) -> None:
    parts = asked.compare(Change(instalments=3)).after
    assert [part["open_cents"] for part in parts] == [26_668, 26_666, 26_666]
    assert parts[0]["invoice_id"] == "C-010"
    assert parts[0]["amount_cents"] - parts[0]["open_cents"] == 20_000
    due = np.array([part["due_date"] for part in parts], "datetime64[D]")
    assert np.diff(due).astype(int).tolist() == [30, 30]
    assert len({part["issue_date"] for part in parts}) == 1


def test_a_reminder_and_a_dispute_are_seen_by_the_model(asked: Asked, ledger: Ledger) -> None:
    from pipelines import changes

    both = Change(reminder_sent=True, dispute_solved=True)
    changed, ids = changes.apply(both, ledger, asked.as_of, asked.before)
    assert ids == ["C-010"]
    assert changed.actions.num_rows == 1
    assert not changes.open_disputes(changed, asked.as_of, asked.before).any()
    assert ledger.actions.num_rows == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Change(amount_cents=15_000), "change"),
        (Change(amount_cents=-1), "amount"),
        (Change(terms_days=40_000), "due_date"),
        (Change(instalments=10**9), "instalments"),
    ],
    ids=["nothing left", "a negative amount", "a date past the calendars", "less than a cent"],
)
def test_a_change_that_does_not_fit_is_refused(change: Change, field: str, asked: Asked) -> None:
    with pytest.raises(CannotChange) as refused:
        asked.compare(change)
    assert field in refused.value.field


def test_a_dispute_that_is_not_there_cannot_be_solved(trained: Trained) -> None:
    rows = to_ledger(payer("C", LATE, until=trained.as_of, open_for=5))
    plain = Asked.of(rows, trained.as_of, trained.bundle, "C-010")
    with pytest.raises(CannotChange, match="dispute_solved"):
        plain.compare(Change(dispute_solved=True))


def test_an_invoice_that_is_not_open_is_refused(trained: Trained, ledger: Ledger) -> None:
    for name in ("C-000", "of nobody"):
        with pytest.raises(CannotChange, match="invoice_id"):
            Asked.of(ledger, trained.as_of, trained.bundle, name)


def test_the_smallest_change_meets_the_target_when_it_is_scored_again(asked: Asked) -> None:
    tried = [asked.compare(change) for change in candidates(disputed=True) if len(change.named) < 2]
    best = min(compared.probabilities[TARGET][1] for compared in tried)
    found = asked.smallest_change(best).found
    assert found is not None
    assert asked.compare(found.change).probabilities[TARGET][1] <= best
    smaller = [c for c in tried if c.probabilities[TARGET][1] <= best]
    assert found.change == smaller[0].change


def test_a_lower_target_is_never_met_sooner_and_what_is_found_meets_it(asked: Asked) -> None:
    singles = (change for change in candidates(disputed=True) if len(change.named) == 1)
    best = min(asked.compare(change).probabilities[TARGET][1] for change in singles)
    targets = np.linspace(best, asked.before[TARGET], 4).tolist()
    told = [asked.smallest_change(target) for target in targets]
    assert all(of.found is not None for of in told)
    assert all(of.found.probabilities[TARGET][1] <= of.target for of in told if of.found)
    assert [of.tried for of in told] == sorted((of.tried for of in told), reverse=True)


def test_where_no_change_is_enough_it_says_so(asked: Asked) -> None:
    told = asked.smallest_change(0.0)
    assert told.found is None
    assert told.tried == sum(1 for _ in candidates(disputed=True))


def test_what_is_likely_on_time_already_needs_no_change(asked: Asked) -> None:
    told = asked.smallest_change(1.0)
    assert told.tried == 0
    assert told.found is not None
    assert told.found.change == Change()


def test_candidates_change_one_field_before_two_and_no_dispute_that_is_not_there() -> None:
    sizes = [len(change.named) for change in candidates(disputed=True)]
    assert sizes == sorted(sizes)
    assert set(sizes) == {1, 2}
    assert not any(change.dispute_solved for change in candidates(disputed=False))


def test_probabilities_of_instalments_lie_among_their_parts(asked: Asked) -> None:
    compared = asked.compare(Change(instalments=4))
    for name in PROBABILITY_COLUMNS:
        parts = [row[name] for row in compared.after]
        assert min(parts) <= compared.probabilities[name][1] <= max(parts)


def test_the_customers_own_ledger_answers_as_the_whole_one(trained: Trained) -> None:
    table = score(trained.ledger, trained.as_of, trained.bundle)
    row = table.slice(40, 1).to_pylist()[0]
    whole = Asked.of(trained.ledger, trained.as_of, trained.bundle, row["invoice_id"])
    assert whole.before == row
    assert whole.ledger.customers.num_rows == 1
    assert replace(whole, ledger=trained.ledger).compare(Change(reminder_sent=True)) == (
        whole.compare(Change(reminder_sent=True))
    )
