from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import legal
from models.legal import (
    Debtor,
    MissingReferenceRate,
    RatesError,
    ReferenceRates,
    late_interest_cents,
)


def day(text):
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


RATES = ReferenceRates.load()


def interest(open_eur, due, until):
    return int(late_interest_cents(round(100 * open_eur), day(due), day(until), RATES)[0])


def test_within_one_semester():
    # 10,000 EUR due 2026-01-31, paid 2026-03-02: 30 days at 2.15 + 8 = 10.15 % -> 83.42 EUR
    assert interest(10_000, "2026-01-31", "2026-03-02") == 83_42


def test_across_two_semesters_each_at_its_rate():
    # 5,000 EUR due 2025-06-10, until 2025-07-20: 20 days at 11.15 % (30.55) + 20 at 10.15 % (27.81)
    assert interest(5_000, "2025-06-10", "2025-07-20") == 58_36


def test_over_a_leap_year_the_divisor_stays_365():
    # 1,000 EUR, the whole of H1 2024 is 182 days at 12.50 % -> 62.33 EUR
    assert interest(1_000, "2023-12-31", "2024-06-30") == 62_33


def test_a_long_debt_through_the_years_of_rate_zero():
    # 100 EUR from 2019-12-31 to 2022-12-31: 1,096 days at 8 % -> 24.02 EUR
    assert interest(100, "2019-12-31", "2022-12-31") == 24_02


def test_nothing_is_due_before_or_on_the_due_date():
    assert interest(1_000, "2026-03-31", "2026-03-31") == 0
    assert interest(1_000, "2026-03-31", "2026-01-01") == 0


def test_the_first_day_of_delay_earns_interest():
    # 365 x 100 EUR at 10.15 % for one day is 10.15 EUR
    assert interest(36_500, "2026-03-31", "2026-04-01") == 10_15


def test_a_missing_semester_is_named():
    with pytest.raises(MissingReferenceRate, match="2026-H2") as missing:
        interest(1_000, "2026-05-01", "2026-07-01")
    assert missing.value.semester == "2026-H2"
    with pytest.raises(MissingReferenceRate, match="2012-H2"):
        interest(1_000, "2012-12-01", "2013-01-10")


def test_rows_with_a_missing_rate_leave_the_others_alone():
    open_cents = np.array([100_00, 100_00], np.int64)
    due = np.array([day("2026-05-01")] * 2, np.int32)
    until = np.array([day("2026-06-30"), day("2026-07-01")], np.int32)
    accrued = legal.accrue(open_cents, due, until, RATES)
    assert accrued.missing.tolist() == [-1, 2 * 2026 + 1]
    assert accrued.cents.tolist() == [1_67, 0]


@settings(deadline=None)
@given(
    st.integers(0, 10**17),
    st.integers(day("2012-12-31"), day("2026-06-29")),
    st.integers(0, 3000),
)
def test_interest_is_the_exact_daily_sum_rounded_half_up(open_cents, due, length):
    until = min(due + length, day("2026-06-30"))
    exact = Fraction(0)
    for one_day in range(due + 1, until + 1):
        on = date.fromordinal(date(1970, 1, 1).toordinal() + one_day)
        points = RATES.points[2 * on.year + (on.month > 6)] + 800
        exact += Fraction(open_cents * points, 365 * 10_000)
    assert (
        late_interest_cents(open_cents, due, until, RATES)[0]
        == (exact + Fraction(1, 2)).__floor__()
    )


def test_the_shipped_rates_are_those_of_the_data_dictionary():
    named = {legal.semester_name(s): p / 100 for s, p in RATES.points.items()}
    assert named["2024-H1"] == 4.50
    assert named["2024-H2"] == 4.25
    assert named["2025-H1"] == 3.15
    assert named["2025-H2"] == 2.15
    assert named["2026-H1"] == 2.15
    assert named["2023-H1"] == 2.50
    assert named["2023-H2"] == 4.00
    assert {named[f"{year}-H2"] for year in range(2016, 2023)} == {0.0}
    assert sorted(RATES.points) == list(range(min(RATES.points), max(RATES.points) + 1))


def test_a_company_s_own_rates_are_read_from_a_file(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("semester,percent,source\n2026-H2,2.40,ECB\n")
    rates = ReferenceRates.load(path)
    assert rates.points == {2 * 2026 + 1: 240}


def test_all_faults_of_the_rates_are_listed_at_once():
    text = (
        "semester,percent,source\n2026-H3,2,ECB\n2026-H1,two,ECB\n2025-H1,1.234,ECB\n"
        "2024-H1,1,\n2024-H1,1,ECB\n"
    )
    with pytest.raises(RatesError) as refused:
        ReferenceRates.parse(text)
    said = str(refused.value)
    assert "line 2: expected a semester such as 2026-H1" in said
    assert "line 3: expected" in said
    assert "line 4: percent must have at most two decimals" in said
    assert "line 5: source is missing" in said
    assert "line 6: 2024-H1 is written twice" in said
    with pytest.raises(RatesError, match="expected columns semester, percent, source"):
        ReferenceRates.parse("a,b\n1,2\n")


def kind(natural, public, vat):
    return Debtor(int(legal.debtors(*(np.array([x]) for x in (natural, public, vat)))[0]))


def test_debtors_are_told_apart():
    assert kind(False, False, True) is Debtor.BUSINESS
    assert kind(False, False, False) is Debtor.BUSINESS
    assert kind(False, True, True) is Debtor.PUBLIC_BODY
    assert kind(True, False, True) is Debtor.SOLE_TRADER
    assert kind(True, False, False) is Debtor.CONSUMER


def test_terms_beyond_60_days_or_30_for_public_bodies_are_flagged():
    kinds = np.array(
        [Debtor.BUSINESS, Debtor.BUSINESS, Debtor.PUBLIC_BODY, Debtor.CONSUMER], np.int8
    )
    assert legal.terms_over_limit([60, 61, 31, 90], kinds).tolist() == [False, True, True, False]
    assert not legal.terms_over_limit([np.nan] * 4, kinds).any()


def test_an_order_for_payment_needs_a_contract_or_a_delivery_proof():
    papers = {
        "has_contract": np.array([True, False, False]),
        "has_delivery_proof": np.array([False, True, False]),
        "has_address": np.array([True, True, False]),
    }
    lacking = legal.missing_documents("decreto_ingiuntivo", papers)
    assert {name: flags.tolist() for name, flags in lacking.items()} == {
        "contract_or_delivery_proof": [False, False, True]
    }
    lacking = legal.missing_documents("messa_in_mora", papers)
    assert lacking["recipient_address"].tolist() == [False, False, True]
    assert legal.missing_documents("call", papers) == {}


def test_a_notice_expires_after_fifteen_days():
    notice = np.array([100, 100, 1 << 20], np.int32)
    assert legal.notice_expired(notice, np.array([115, 116, 116], np.int32)).tolist() == [
        False,
        True,
        False,
    ]


def test_negotiation_is_compulsory_up_to_fifty_thousand():
    claims = np.array([50_000_00, 50_000_01])
    assert legal.negotiation_compulsory(claims).tolist() == [True, False]


def test_the_law_gives_a_first_day_to_the_small_claim_alone():
    due = np.array([day("2026-01-15")], np.int32)
    assert legal.earliest_day("write_off_review", due).tolist() == [day("2026-07-15")]
    assert legal.earliest_day("call", due) is None


@pytest.mark.parametrize(
    ("semester", "percent"),
    [
        # as the Ministry published them in the Gazzetta Ufficiale named in the table
        ("2013-H1", 0.75),
        ("2014-H2", 0.15),
        ("2015-H1", 0.05),
        ("2015-H2", 0.05),
        ("2016-H1", 0.05),
        ("2023-H1", 2.50),
        ("2025-H1", 3.15),
    ],
)
def test_the_rates_are_those_that_were_published(semester, percent):
    year, half = semester.split("-H")
    assert RATES.points[2 * int(year) + int(half) - 1] == round(100 * percent)


@pytest.mark.parametrize(
    ("due", "deductible"),
    [("2026-01-15", "2026-07-15"), ("2025-08-31", "2026-02-28"), ("2023-08-31", "2024-02-29")],
)
def test_a_small_claim_is_deductible_six_months_after_it_was_due(due, deductible):
    assert legal.small_claim_day(np.array([day(due)], np.int32)).tolist() == [day(deductible)]
