"""The day's plan: what it must never do, what it is worth, and that order changes nothing."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models import causes, legal
from models.action import Limit
from models.actions import decide
from models.cases import NO_DAY, Cases
from models.catalogue import Catalogue
from models.holdout import Trial
from models.legal import ReferenceRates
from models.options import NOT_FREE
from models.plan import WHYS, Plan, plan

TODAY = (date(2026, 3, 10) - date(1970, 1, 1)).days
OURS = Catalogue.load()
RATES = ReferenceRates.load()
BY_CODE = {action.code: action for action in OURS.actions}
NO_LIMIT: dict[str, Limit] = {}
FEW = {"phone": Limit(30, "minutes"), "email": Limit(3, "pieces"), "pec": Limit(1, "pieces")}
seeds = st.integers(0, 2**32 - 1)


def some_cases(seed: int, n: int = 60, **fixed: Any) -> Cases:
    """Random invoices of a third as many customers; what is a customer's is the same on each."""
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, max(n // 3, 1), n)

    def some(share: float, days: Any) -> Any:
        return np.where(rng.random(n) < share, days, NO_DAY)

    def of_customer(values: Any) -> Any:
        return np.asarray(values)[customer]

    p = np.sort(rng.random((n, 5)) ** 2, axis=1)[:, ::-1]
    late = rng.integers(-20, 200, n)
    columns = {
        "customer": customer,
        "open_cents": rng.lognormal(12, 2, n).astype(np.int64),
        "due_day": TODAY - late,
        **{f"p_late_{h}": p[:, i] for i, h in enumerate((0, 30, 60, 90))},
        "p_unpaid_180": p[:, 4],
        "expected_days_late": np.maximum(late, 0) + rng.uniform(-10, 90, n),
        "debtor": of_customer(rng.integers(0, 4, n)),
        "do_not_contact": of_customer(rng.random(n) < 0.2),
        "disputed_cents": np.where(rng.random(n) < 0.2, rng.integers(0, 10_000_000, n), 0),
        "unallocated_cents": of_customer(np.where(rng.random(n) < 0.2, 50_000, 0)),
        "promise_day": some(0.2, TODAY + rng.integers(-10, 20, n)),
        "last_contact_day": of_customer(some(0.4, TODAY - rng.integers(1, 20, n))),
        "has_contract": rng.random(n) < 0.5,
        "worst_signal": rng.integers(0, 4, n),
        "n_settled": of_customer(rng.integers(0, 40, n)),
        "late30_share": of_customer(rng.random(n)),
    }
    done = {
        code: some(0.3, TODAY - rng.integers(1, 120, n))
        for code in ("messa_in_mora", "final_reminder", "call", "reminder_1", "reminder_2")
    }
    return Cases.of(cause=rng.choice(causes.CODES, n), done_day=done, **{**columns, **fixed})


def planned(cases: Cases, *, catalogue: Catalogue = OURS, **more: Any) -> Plan:
    return plan(cases, catalogue, RATES, as_of=TODAY, **more)


def by_invoice(told: Plan) -> list[str]:
    """By invoice the action whose effect is expected on it."""
    return [told.codes[place] for place in told.effective]


def contacts(told: Plan) -> list[int]:
    """The invoices that a contact is about."""
    return [
        i for i, code in enumerate(by_invoice(told)) if code != "wait" and BY_CODE[code].contact
    ]


# What must never be planned


@settings(deadline=None, max_examples=60)
@given(seeds, st.sampled_from([0.0, 0.5]))
def test_nobody_is_contacted_who_must_not_be_or_was_just_now(seed: int, tried: float) -> None:
    cases = some_cases(seed)
    told = planned(cases, trial=Trial(exploration_share=tried), capacity=FEW)
    for i in contacts(told):
        assert not cases.do_not_contact[i]
        assert TODAY - cases.last_contact_day[i] >= OURS.economics.quiet_days


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_nothing_is_said_of_an_invoice_that_is_promised_or_disputed(seed: int) -> None:
    cases = some_cases(seed)
    told = planned(cases, trial=Trial(exploration_share=0.3))
    for i, code in enumerate(by_invoice(told)):
        if code not in ("wait", "dispute_resolution") and BY_CODE[code].dunning:
            action = BY_CODE[code]
            pressing = action.contact or action.adverse
            assert not (pressing and cases.promise_day[i] >= TODAY)
            undisputed = cases.open_cents[i] - cases.disputed_cents[i]
            assert not (pressing and action.amount == "undisputed" and undisputed <= 0)


@settings(deadline=None, max_examples=60)
@given(seeds, st.floats(0, 200), st.integers(0, 5), st.sampled_from([0.0, 0.2, 1.0]))
def test_no_channel_is_asked_for_more_than_its_day_holds(
    seed: int, minutes: float, pieces: int, tried: float
) -> None:
    limits = {"phone": Limit(minutes, "minutes"), "email": Limit(pieces, "pieces")}
    told = planned(some_cases(seed), capacity=limits, trial=Trial(exploration_share=tried))
    actions = [BY_CODE[told.codes[p]] for p in told.place if p]
    assert sum(a.minutes for a in actions if a.channel == "phone") <= minutes
    assert sum(a.channel == "email" for a in actions) <= pieces


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_an_adverse_action_on_a_natural_person_is_never_automatic(seed: int) -> None:
    cases = some_cases(seed)
    told = planned(cases, trial=Trial(exploration_share=0.3))
    person = set(cases.customer[legal.is_natural_person(cases.debtor)])
    for row, customer in enumerate(told.customer):
        adverse = told.place[row] > 0 and BY_CODE[told.code(row)].adverse
        assert told.named_person[row] == (adverse and customer in person)


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_the_order_of_steps_is_kept(seed: int) -> None:
    cases = some_cases(seed)
    for i, code in enumerate(by_invoice(planned(cases, trial=Trial(exploration_share=0.3)))):
        if code == "wait":
            continue
        action = BY_CODE[code]
        if action.after:
            assert NO_DAY < cases.done(action.after)[i] < TODAY - legal.NOTICE_DAYS
        for other in OURS.actions:
            if 0 < action.step < other.step:
                assert cases.done(other.code)[i] == NO_DAY


# What it is worth


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_a_customer_of_one_invoice_is_advised_as_that_invoice_alone(seed: int) -> None:
    cases = some_cases(seed, customer=np.arange(60))
    told, alone = planned(cases, capacity=NO_LIMIT), decide(cases, OURS, RATES, as_of=TODAY)
    assert [told.code(row) for row in told.customer_row] == alone.code
    assert told.expected_value_cents.tolist() == alone.expected_value_cents.tolist()
    assert [WHYS[why] for why in told.why] == alone.why
    assert told.on.tolist() == alone.on.tolist()
    assert told.effect_days.tolist() == alone.effect_days.tolist()


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(0, 59), st.integers(1, 10**8))
def test_raising_an_amount_never_lowers_the_priority_of_its_customer(
    seed: int, i: int, more: int
) -> None:
    cases = some_cases(seed)
    open_cents = cases.open_cents.copy()
    open_cents[i] += more
    assume(cases.disputed_cents[i] == 0)
    raised = replace(cases, open_cents=open_cents)
    before, after = planned(cases, capacity=NO_LIMIT), planned(raised, capacity=NO_LIMIT)
    row = before.customer_row[i]
    assert after.expected_value_cents[row] >= before.expected_value_cents[row]
    crowded, less_crowded = planned(cases, capacity=FEW), planned(raised, capacity=FEW)
    assert not (crowded.place[row] > 0 and less_crowded.place[row] == 0)


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_the_order_of_the_invoices_changes_nothing(seed: int) -> None:
    cases = some_cases(seed)
    order = np.random.default_rng(seed).permutation(60)
    trial = Trial(holdout_share=0.1, exploration_share=0.2)
    told = planned(cases, capacity=FEW, trial=trial)
    moved = planned(cases.take(order), capacity=FEW, trial=trial)
    again = planned(cases, capacity=FEW, trial=trial)
    for name in ("place", "expected_value_cents", "on", "why", "better", "blocks", "propensity"):
        assert getattr(told, name).tolist() == getattr(moved, name).tolist()
        assert getattr(told, name).tolist() == getattr(again, name).tolist()
    assert told.features_hash.tolist() == moved.features_hash.tolist()
    assert told.effective[order].tolist() == moved.effective.tolist()


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_what_is_chosen_is_worth_most_unless_something_stood_in_the_way(seed: int) -> None:
    told = planned(some_cases(seed), capacity=FEW)
    for row in range(len(told.customer)):
        best = told.worth[row].max()
        if best > told.expected_value_cents[row]:
            assert told.blocked_by(row)
        if told.better[row]:
            assert told.better_value_cents[row] > told.expected_value_cents[row]
        for other in told.alternatives(row):
            assert other.gap_cents == told.expected_value_cents[row] - other.expected_value_cents
            assert other.code != told.code(row)
        assert len(told.alternatives(row)) <= 3


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_the_plan_is_within_a_largest_item_for_each_channel_of_its_bound(seed: int) -> None:
    told = planned(some_cases(seed, n=200), capacity=FEW)
    worth = int(told.expected_value_cents.sum())
    largest = int(np.where(told.worth == NOT_FREE, 0, told.worth).max())
    assert told.bound_cents - len(FEW) * largest - 1 <= worth <= told.bound_cents + 1


def two_invoices(*, late: tuple[int, int], **columns: Any) -> Cases:
    """Two invoices of one ordinary customer, 20,000 and 10,000 EUR, so many days late."""
    return Cases.of(
        customer=np.array([7, 7]),
        open_cents=np.array([2_000_000, 1_000_000]),
        due_day=TODAY - np.array(late),
        p_late_0=[0.5, 0.5],
        p_late_30=[0.3, 0.3],
        p_late_60=[0.2, 0.2],
        p_late_90=[0.1, 0.1],
        p_unpaid_180=[0.05, 0.05],
        expected_days_late=np.array(late) + 30.0,
        **columns,
    )


def only(*codes: str) -> Catalogue:
    return Catalogue(tuple(a for a in OURS.actions if a.code in codes), OURS.economics)


def test_one_contact_in_the_highest_tone_is_about_all_invoices_and_their_worths_add_up() -> None:
    # 20,000 EUR 41 days late, for the final reminder: sooner by 8 days 35.068, safer by 20,000 x
    # 0.35 x 0.05 x 0.10 = 35: 70.06; 10,000 EUR 12 days late, for the first: sooner by 4 days
    # 8.767, safer by 10,000 x 0.35 x 0.05 x 0.05 = 8.75: 17.51. Less 4 and 8 x 0.7 once: 77.97 EUR
    told = planned(two_invoices(late=(41, 12)), catalogue=only("reminder_1", "final_reminder"))
    assert told.code(0) == "final_reminder"
    assert by_invoice(told) == ["final_reminder", "reminder_1"]
    assert told.expected_value_cents.tolist() == [77_97]
    assert told.effect_days.tolist() == [8.0, 4.0]


def test_an_invoice_that_is_promised_is_left_out_of_the_contact() -> None:
    promised = two_invoices(late=(41, 12), promise_day=np.array([NO_DAY, TODAY + 3]))
    told = planned(promised, catalogue=only("reminder_1", "final_reminder"))
    assert by_invoice(told) == ["final_reminder", "wait"]


def test_what_a_full_day_keeps_out_is_looked_at_again_on_the_next() -> None:
    no_calls = {"phone": Limit(0, "minutes")}
    told = planned(two_invoices(late=(41, 12)), catalogue=only("call"), capacity=no_calls)
    assert (told.code(0), told.blocked_by(0)) == ("wait", ["capacity"])
    assert WHYS[told.why[0]] == "blocked"
    assert told.codes[told.better[0]] == "call"
    assert told.on.tolist() == [TODAY + 1]


def test_exploration_keeps_within_the_day_whatever_it_draws() -> None:
    cases = some_cases(11, n=150, customer=np.arange(150), do_not_contact=False)
    for salt in range(30):
        trial = Trial(exploration_share=0.2, salt=str(salt))
        told = planned(
            cases, catalogue=only("statement"), trial=trial, capacity={"email": Limit(10, "pieces")}
        )
        assert told.used["email"] <= 10


def test_a_reserve_too_short_for_the_longest_call_still_tries_short_ones() -> None:
    cases = some_cases(11, n=400, customer=np.arange(400), do_not_contact=False)
    trial = Trial(exploration_share=0.05)  # 18 of 360 minutes: one call, no settlement
    told = planned(cases, trial=trial, capacity={"phone": Limit(360, "minutes")})
    call, settlement = told.codes.index("call"), told.codes.index("settlement")
    tried = (told.chances > 0) & (told.chances < 1 - trial.exploration_share - 0.01)
    assert tried[:, call].any()
    assert not tried[:, settlement].any()


def test_a_portfolio_of_nothing_has_an_empty_plan() -> None:
    told = planned(some_cases(1).take(np.zeros(0, np.int64)))
    assert len(told.customer) == len(told.effective) == 0
    assert told.used["phone"] == 0.0


@pytest.mark.parametrize("held", [0.0, 0.25, 1.0])
def test_held_out_customers_wait_and_the_plan_of_the_others_does_not_know_them(held: float) -> None:
    cases = some_cases(5, n=300)
    trial = Trial(holdout_share=held)
    told = planned(cases, trial=trial, capacity=FEW)
    assert (told.place[told.held_out] == 0).all()
    assert abs(told.held_out.mean() - held) < 0.12
    kept = cases.take(np.flatnonzero(~told.held_out[told.customer_row]))
    others = planned(kept, capacity=FEW)
    assert others.place.tolist() == told.place[~told.held_out].tolist()


def test_each_option_comes_up_as_often_as_its_chance_says_holding_out_included() -> None:
    cases = some_cases(7, n=90)
    salts, share = 300, Trial(holdout_share=0.3, exploration_share=0.4)
    counts: Any = 0.0
    for salt in range(salts):
        trial = Trial(share.holdout_share, share.exploration_share, salt=str(salt))
        told = planned(cases, trial=trial, capacity={})
        row = np.arange(len(told.customer))
        counts = counts + (np.arange(len(told.codes)) == told.place[:, None])
        assert np.allclose(told.chances.sum(axis=1), 1)
        given = np.where(told.held_out, 1.0, told.propensity * 0.7 + 0.3 * (told.place == 0))
        assert np.allclose(told.chances[row, told.place][~told.held_out], given[~told.held_out])
    # who is held out, and how many are, is drawn anew with each salt: the chances hardly move
    error = np.sqrt(told.chances * (1 - told.chances) / salts)
    assert (np.abs(counts / salts - told.chances) <= 5 * error + 0.01).all()


def test_the_chances_of_an_invoice_are_those_of_the_options_that_reach_it() -> None:
    cases = some_cases(9, n=200)
    told = planned(cases, trial=Trial(holdout_share=0.2, exploration_share=0.5))
    found = told.invoice_chances()
    assert np.allclose(found.sum(axis=1), 1)
    assert found.max() <= 1  # rounding included: a log takes no more
    alone = np.bincount(told.customer_row)[told.customer_row] == 1
    assert np.allclose(found[alone], told.chances[told.customer_row[alone]])
    rows = np.flatnonzero(~told.held_out[told.customer_row])
    assert (found[rows, told.effective[rows]] > 0).all()


def test_who_is_held_out_would_have_had_what_the_prices_of_the_day_leave() -> None:
    cases = some_cases(5, n=300)
    told = planned(cases, trial=Trial(holdout_share=0.25), capacity=FEW)
    everybody = planned(cases, capacity=FEW)
    would = np.where(told.chances[:, 0] < 1, told.chances[:, 1:].argmax(axis=1) + 1, 0)
    others = ~told.held_out
    assert would[others].tolist() == told.place[others].tolist()
    # room is scarcer with everybody in, so a few would have been left out after all
    assert (would == everybody.place)[told.held_out].mean() > 0.85
