from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import signals
from models.claims import Claim, Side
from models.signals import RulesError, Standing, detect

NAN = float("nan")
QUIET = {
    "n_settled": 20,
    "delay_drift": 0,
    "delay_ewm_fast": 3,
    "delay_ewm_slow": 3,
    "delay_mean": 3,
    "delay_mean_365": 3,
    "periodicity_break": 0,
    "n_paydays_365": 20,
    "overdue": 0,
    "n_overdue": 0,
    "days_since_payment": 5,
    "gap_median_365": 14,
    "paid_vs_invoiced_gap": 0,
    "paid_ratio_365": 1,
    "days_to_due": 10,
    "late0_share": 0.4,
    "limit_use": 0.5,
    "limit_room": 1000,
    "credit_line_cut": 0,
    "broken_promises": 0,
}
TODAY = 20_000


def columns(*rows):
    """One column for each feature, from rows that say only what differs from a quiet customer."""
    return {name: np.array([{**QUIET, **row}[name] for row in rows], float) for name in QUIET}


def only(**row):
    return detect(columns(row), as_of=np.array([TODAY], np.int32))[0]


def test_a_quiet_customer_gives_no_signal():
    assert only() == []


def test_a_customer_who_now_pays_two_weeks_later_gives_a_delay_drift():
    (found,) = only(delay_drift=14, delay_ewm_fast=17, delay_ewm_slow=3)
    assert found == ("delay_drift", None, 3, 17, "medium")


def test_a_drift_that_ends_before_the_due_date_is_no_trouble():
    assert only(delay_drift=14, delay_ewm_fast=-2, delay_ewm_slow=-16) == []


def test_silence_longer_than_the_rhythm_is_a_periodicity_break_only_with_something_overdue():
    silent = {"periodicity_break": 9, "days_since_payment": 60, "gap_median_365": 14}
    assert only(**silent) == []
    (found,) = only(**silent, overdue=1000)
    assert found == ("periodicity_break", None, 14, 60, "high")


def test_unpaid_more_than_over_the_year_is_a_gap():
    (found,) = only(paid_vs_invoiced_gap=0.4, paid_ratio_365=0.9, overdue=500)
    assert found.code == "paid_vs_invoiced_gap"
    assert (round(found.before, 9), found.now, found.severity) == (0.1, 0.4, "low")
    assert only(paid_vs_invoiced_gap=0.4, paid_ratio_365=0.5, overdue=500) == []


def test_a_customer_late_for_the_first_time_says_since_when():
    (found,) = only(late0_share=0, delay_mean=-2, days_to_due=-12)
    assert found == ("first_late", None, -2, 12, "medium")


def test_months_overdue_say_since_when():
    (found,) = only(days_to_due=-200)
    assert found == ("prolonged_overdue", 20_000 - 140, 3, 200, "high")


def test_a_limit_that_fell_is_a_cut_and_one_that_rose_is_not():
    (found,) = only(credit_line_cut=-0.45)
    assert found == ("credit_line_cut", None, 0, 0.45, "medium")
    assert only(credit_line_cut=0.45) == []


def test_owing_more_than_the_limit_is_over_it_and_owing_all_of_it_is_not():
    (found,) = only(limit_use=1.6, limit_room=-600)
    assert found == ("exposure_over_limit", None, 1, 1.6, "high")
    assert only(limit_use=1, limit_room=0) == []


def test_a_promise_that_was_not_kept_is_told():
    (found,) = only(broken_promises=2)
    assert found == ("broken_promise", None, 0, 2, "medium")


def test_all_eight_signals_have_their_rule():
    assert [rule.code for rule in signals.default_rules()] == [
        "delay_drift",
        "periodicity_break",
        "paid_vs_invoiced_gap",
        "credit_line_cut",
        "exposure_over_limit",
        "broken_promise",
        "first_late",
        "prolonged_overdue",
    ]


# What each rule wants besides its measure.
MET = {
    "delay_drift": {"delay_ewm_fast": 9},
    "periodicity_break": {"overdue": 1, "days_since_payment": 60},
    "paid_vs_invoiced_gap": {"overdue": 1},
    "credit_line_cut": {},
    "exposure_over_limit": {"limit_room": -1},
    "broken_promise": {},
    "first_late": {"late0_share": 0},
    "prolonged_overdue": {},
}
# What keeps each signal up without being enough to begin it.
HOVERING = {
    "delay_drift": {"delay_drift": 4, "delay_ewm_fast": -1},
    "periodicity_break": {"periodicity_break": 2.5, "overdue": 1, "days_since_payment": 15},
    "paid_vs_invoiced_gap": {"paid_vs_invoiced_gap": 0.25, "overdue": 1, "paid_ratio_365": 0.5},
    "credit_line_cut": {"credit_line_cut": -0.15},
    "exposure_over_limit": {"limit_use": 0.97, "limit_room": 10},
    "first_late": {"days_to_due": -5, "late0_share": 0.08},
}


@pytest.mark.parametrize("code", HOVERING)
def test_a_value_near_the_threshold_keeps_a_signal_up_and_does_not_begin_it(code):
    row = columns(HOVERING[code], {})
    rule = next(rule for rule in signals.default_rules() if rule.code == code)
    assert rule.stays(row).tolist() == [True, False]
    assert not rule.begins(row).any()
    since = np.array([TODAY - 5, signals.NOT_STANDING])
    standing = {rule.code: Standing(since, np.zeros(2, np.int8))}
    (found,), none = detect(row, [rule], standing=standing)
    assert (found.code, found.since, found.severity) == (code, TODAY - 5, "low")
    assert none == []


@given(st.dictionaries(st.sampled_from(sorted(QUIET)), st.floats(-500, 500)))
def test_what_begins_a_signal_keeps_it_up(row):
    for rule in signals.default_rules():
        assert rule.stays(columns(row)) >= rule.begins(columns(row))


wobbles = st.lists(st.floats(-1, 1), min_size=2, max_size=60)


def severity_by_day(rule, measures):
    """Day after day: the level of a signal that stands."""
    least, most = rule.levels({rule.measure.name: rule.measure.sign * np.array(measures)})
    levels = [int(least[0])]
    for low, high in zip(least[1:], most[1:], strict=True):
        levels.append(int(min(max(levels[-1], low), high)))
    return levels


@given(rule=st.sampled_from(signals.default_rules()), at=st.integers(1, 2), steps=wobbles)
def test_a_value_that_wobbles_at_a_cut_off_changes_its_severity_at_most_once(rule, at, steps):
    slack = rule.cutoffs[0] - rule.leave
    measures = [rule.cutoffs[at] + step * slack * 0.99 for step in steps]
    levels = severity_by_day(rule, measures)
    assert sum(a != b for a, b in pairwise(levels)) <= 1 or not slack
    assert levels == sorted(levels) or not slack


@given(rule=st.sampled_from(signals.default_rules()), steps=wobbles)
def test_a_value_that_wobbles_at_the_threshold_begins_a_signal_at_most_once(rule, steps):
    slack = rule.cutoffs[0] - rule.leave
    values = np.array([rule.cutoffs[0] + step * slack * 0.99 for step in steps])
    met = MET[rule.code] | {rule.measure.name: rule.measure.sign * values}
    on_days = columns(
        *[{k: np.broadcast_to(v, len(steps))[i] for k, v in met.items()} for i in range(len(steps))]
    )
    stands, turns = False, 0
    for begins, stays in zip(rule.begins(on_days), rule.stays(on_days), strict=True):
        turns += bool(begins if not stands else not stays)
        stands = bool(stays if stands else begins)
    assert turns <= 1 or not slack


def test_rules_without_slack_are_of_measures_that_only_grow_while_they_stand():
    """An age, and promises once broken: these cannot wobble."""
    tight = {rule.code for rule in signals.default_rules() if rule.leave == rule.cutoffs[0]}
    assert tight == {"broken_promise", "first_late", "prolonged_overdue"}


def test_each_row_has_its_own_signals():
    found = detect(columns({}, {"days_to_due": -60}, {}))
    assert [len(row) for row in found] == [0, 1, 0]


def test_severities_are_columns_again():
    found = detect(columns({}, {"days_to_due": -100}))
    back = signals.severities(found)
    assert back["signal_prolonged_overdue"].tolist() == [0, 2]
    assert back["signal_first_late"].tolist() == [0, 0]


def test_missing_values_never_signal():
    assert detect({name: np.array([NAN]) for name in QUIET}) == [[]]


@given(
    st.dictionaries(st.sampled_from(sorted(QUIET)), st.floats(-500, 500)),
    st.sets(st.sampled_from(sorted(QUIET))),
)
def test_what_becomes_unknown_adds_no_signal(row, unknown):
    before = {signal.code for signal in only(**row)}
    after = {signal.code for signal in only(**{**row, **dict.fromkeys(unknown, NAN)})}
    assert after <= before


@given(st.floats(0, 500), st.floats(0, 500))
def test_a_longer_overdue_is_never_milder(age, more):
    first, second = (only(days_to_due=-a) for a in (age, age + more))
    levels = ("none", *signals.SEVERITIES)
    level = [levels.index(found[0].severity) if found else 0 for found in (first, second)]
    assert level[0] <= level[1]


def test_every_rule_speaks_both_languages():
    for rule in signals.default_rules():
        for language in ("it", "en"):
            text = signals.sentence(rule.code, before=0.2, now=0.5, language=language)
            assert "{" not in text
            assert "_" not in text
            unknown = signals.sentence(rule.code, before=NAN, now=0.5, language=language)
            assert "{" not in unknown


def test_a_signal_in_words():
    text = signals.sentence("delay_drift", before=5, now=19, language="it")
    assert text == (
        "i pagamenti recenti arrivano in media 19 giorni dopo la scadenza"
        " (prima: 5 giorni dopo la scadenza)"
    )
    text = signals.sentence("periodicity_break", before=NAN, now=1, language="en")
    assert text == "has not paid for 1 day"


def test_all_faults_of_the_rules_are_listed_at_once():
    text = """
    [first]
    measure = "n_open + 1"
    low = 1
    medium = 2
    high = 3
    before = "n_open"
    now = "n_open"
    unit = "count"
    it = "a"
    en = "b"

    [second]
    measure = "n_open"
    low = 3
    medium = 2
    high = 1
    before = "n_open"
    now = "n_open"
    unit = "count"
    it = "a"
    en = "b"

    [third]
    colour = "red"

    [fourth]
    measure = "n_open"
    low = 1
    medium = 2
    high = 3
    leave = 2
    before = "n_open"
    now = "n_open"
    unit = "count"
    it = "a"
    en = "b"

    [fifth]
    measure = "n_open"
    low = 1
    medium = 2
    high = 3
    ages = true
    when = ["n_open > 2"]
    before = "n_open"
    now = "n_open"
    unit = "count"
    it = "a"
    en = "b"
    """
    with pytest.raises(RulesError) as refused:
        signals.parse(text)
    assert "first: expected a number, column" in str(refused.value)
    assert "second: expected low < medium < high" in str(refused.value)
    assert "third: before is missing" in str(refused.value)
    assert "colour is not a key" in str(refused.value)
    assert "fourth: expected leave <= low, got: 2.0, 1.0" in str(refused.value)
    assert "fifth: what ages is told by its measure alone" in str(refused.value)


def test_absent_columns_are_named():
    given = columns({})
    del given["delay_drift"], given["delay_ewm_fast"]
    with pytest.raises(ValueError, match="absent: delay_drift, delay_ewm_fast"):
        detect(given)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", 5), ("n", 2), ("-n", -2), ("1 - n", -1), ("0.5 - n", -1.5), (" n ", 2)],
)
def test_a_side_of_a_claim(text, expected):
    assert Side.parse(text).of({"n": np.array([2.0])}) == expected


@pytest.mark.parametrize("text", ["n", "n >= ", "1 >= n >= 0", "n + 1 > 2", "n => 2", ""])
def test_what_is_not_a_comparison_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        Claim.parse(text)
