import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import causes
from models.causes import cause_hint
from models.signals import Signal

NAN = float("nan")
ORDINARY = {
    "disputed": 0,
    "paid_share": 0,
    "unallocated": 0,
    "overdue": 0,
    "short_share": 0,
    "n_settled": 20,
    "overdue_share": 0,
    "n_overdue": 0,
    "n_partial_365": 0,
    "late0_share_365": 0.2,
    "delay_drift": 0,
    "delay_mean_365": 1,
    "delay_max_365": 12,
    "days_to_due": -5,
    "amount": 1000,
    "oldest_overdue_age": 0,
}


def hint(*signals, **row):
    values = {name: np.array([{**ORDINARY, **row}[name]], float) for name in ORDINARY}
    found = cause_hint(values, [[Signal(code, None, 0, 0, level) for code, level in signals]])
    return found.codes[0], found.evidence[0]


def test_nothing_seen_is_unknown():
    assert hint() == ("unknown", [])


def test_a_dispute_is_administrative_whatever_else_is_seen():
    code, evidence = hint(("periodicity_break", "high"), ("delay_drift", "high"), disputed=1)
    assert (code, evidence) == ("administrative", ["disputed"])


def test_an_invoice_paid_but_for_a_little_is_administrative():
    assert hint(paid_share=0.95) == ("administrative", ["short_paid"])
    assert hint(paid_share=0.5) == ("unknown", [])


def test_unmatched_cash_is_administrative_only_where_it_would_cover_an_invoice_long_due():
    assert hint(unallocated=1000, days_to_due=-8) == ("administrative", ["unallocated_cash"])
    assert hint(unallocated=999, days_to_due=-8) == ("unknown", [])
    assert hint(unallocated=1000, days_to_due=3) == ("unknown", [])


def test_one_invoice_late_as_none_was_while_others_are_paid_got_lost():
    alone = {"days_to_due": -40, "n_overdue": 1}
    assert hint(**alone) == ("administrative", ["left_behind"])
    assert hint(**alone, delay_drift=9)[0] == "unknown"
    assert hint(**{**alone, "n_overdue": 3})[0] == "unknown"
    assert hint(**alone, delay_max_365=60)[0] == "unknown"


def test_months_overdue_point_to_trouble_only_where_much_is_overdue():
    broke = ("broken_promise", "low")
    found = hint(broke, oldest_overdue_age=70, overdue_share=0.4)
    assert found == ("difficulty", ["prolonged_overdue", "broken_promise"])
    assert hint(broke, oldest_overdue_age=70, overdue_share=0.1)[0] == "unknown"


def test_difficulty_takes_two_evidences():
    assert hint(("delay_drift", "medium"))[0] == "unknown"
    assert hint(("delay_drift", "low"), ("periodicity_break", "low"))[0] == "unknown"
    code, evidence = hint(("delay_drift", "medium"), ("periodicity_break", "low"))
    assert (code, evidence) == ("difficulty", ["delay_drift", "silence"])


def test_a_customer_late_as_ever_has_the_habit():
    code, evidence = hint(late0_share_365=0.9, delay_mean_365=21)
    assert (code, evidence) == ("habit", ["mostly_late", "late_by_weeks"])


def test_a_customer_late_as_never_before_has_not_the_habit():
    assert hint(late0_share_365=0.9, delay_mean_365=21, delay_drift=25)[0] == "unknown"


def test_few_payments_are_no_habit():
    assert hint(late0_share_365=1, delay_mean_365=30, n_settled=3)[0] == "unknown"


def test_what_is_missing_is_no_evidence():
    assert hint(**dict.fromkeys(ORDINARY, NAN)) == ("unknown", [])


@given(st.dictionaries(st.sampled_from(sorted(ORDINARY)), st.floats(-100, 100)))
def test_every_row_has_a_cause_and_its_evidence(row):
    code, evidence = hint(**row)
    cause = next(cause for cause in causes.CAUSES if cause.code == code)
    assert len(evidence) >= cause.enough
    assert {e.code for e in cause.evidence} >= set(evidence)


def test_causes_and_evidence_are_said_in_both_languages():
    codes = [cause.code for cause in causes.CAUSES]
    codes += [evidence.code for cause in causes.CAUSES for evidence in cause.evidence]
    assert len(set(codes)) == len(codes)
    for code in codes:
        italian, english = causes.sentence(code, "it"), causes.sentence(code, "en")
        assert italian != english
        assert "_" not in italian + english


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match="got: weather"):
        causes.sentence("weather", "it")


def test_absent_columns_are_named():
    with pytest.raises(ValueError, match="the rules of the cause need these columns"):
        cause_hint({}, [[]])
