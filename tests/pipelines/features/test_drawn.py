"""What each feature means, in small drawn ledgers that both engines must read the same way."""

import math

import pytest
from engines import ENGINES, Engine
from ledgers import BASE, drawn


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


def check(engine: Engine, ledger: str, as_of: int, asked: str = "A", **expected: float) -> None:
    found = engine(drawn(ledger), asked, BASE + as_of)
    wrong = {
        name: found[name]
        for name, value in expected.items()
        if not (math.isnan(value) and math.isnan(found[name]))
        and not math.isclose(found[name], value, rel_tol=1e-12)
    }
    assert wrong == {}


NAN = math.nan

HISTORY = """
    invoices  invoice_id customer_id issue_date due_date amount recorded_at
              A          C           0          30       100.00 -
              B          C           10         40       200.00 -
              D          C           20         50       300.00 -
              E          C           100        130      400.00 100
              other      Z           0          30       999.00 -
    payments  invoice_id paid_on amount recorded_at returned_on
              A          35      100.00 -           -
              B          38      200.00 -           -
              D          60      300.00 63          -
              other      99      999.00 -           -
"""


def test_a_customers_first_invoice_has_no_history_and_that_is_not_zero(engine: Engine) -> None:
    check(
        engine,
        HISTORY,
        as_of=0,
        n_invoices=0,
        n_settled=0,
        outstanding=0,
        tenure_days=NAN,
        delay_mean=NAN,
        delay_last=NAN,
        late0_share=NAN,
        days_since_payment=NAN,
        paid_ratio_90=NAN,
        amount_ratio=NAN,
        amount=100_00,
        terms_days=30,
        days_to_due=30,
    )


def test_events_of_the_day_itself_are_not_seen(engine: Engine) -> None:
    check(engine, HISTORY, as_of=35, n_settled=0, n_open=3, days_since_payment=NAN)
    check(engine, HISTORY, as_of=36, n_settled=1, n_open=2, days_since_payment=1)


def test_a_payment_booked_late_is_not_known_before(engine: Engine) -> None:
    check(engine, HISTORY, as_of=63, n_settled=2, delay_last=-4, outstanding=300_00)
    check(engine, HISTORY, as_of=64, n_settled=3, delay_last=10, outstanding=0)


def test_delays_count_from_the_business_due_date(engine: Engine) -> None:
    # A is paid 5 days late, B before Saturday 40 rolled to Monday 42, D 10 days late, known on 63.
    check(
        engine,
        HISTORY,
        as_of=64,
        asked="B",
        due_rolled_days=2,
        days_to_due=42 - 64,
        delay_mean=(5 - 4 + 10) / 3,
        delay_max=10,
        delay_std=math.sqrt(151 / 3),
        delay_median_365=5,
        delay_mean_weighted_365=(5 * 100 - 4 * 200 + 10 * 300) / 600,
        late0_share=2 / 3,
        late30_share=0,
        delay_last_2=-4,
        delay_last_3=5,
    )


def test_windows_count_back_from_the_day_and_leave_older_events_out(engine: Engine) -> None:
    check(engine, HISTORY, as_of=125, delay_mean_90=(5 - 4 + 10) / 3, n_invoices_90=1)
    check(engine, HISTORY, as_of=126, delay_mean_90=3, delay_shift=3 - 11 / 3)
    check(engine, HISTORY, as_of=154, delay_mean_90=NAN, delay_mean_180=11 / 3)


TREND = """
    invoices  invoice_id customer_id issue_date due_date amount
              A          C           0          30       100.00
              B          C           1          31       100.00
              D          C           2          32       100.00
              E          C           200        230      100.00
    payments  invoice_id paid_on amount
              A          30      100.00
              B          61      100.00
              D          92      100.00
"""


def test_a_customer_who_pays_ever_later_drifts(engine: Engine) -> None:
    fast = [2.0 ** -(62 / 30), 2.0 ** -(31 / 30), 1.0]
    slow = [2.0 ** -(62 / 180), 2.0 ** -(31 / 180), 1.0]
    ewm_fast = (30 * fast[1] + 60 * fast[2]) / sum(fast)
    ewm_slow = (30 * slow[1] + 60 * slow[2]) / sum(slow)
    check(
        engine,
        TREND,
        as_of=200,
        asked="E",
        delay_ewm_fast=ewm_fast,
        delay_ewm_slow=ewm_slow,
        delay_drift=ewm_fast - ewm_slow,
        delay_trend_n10=30 / 31,
        delay_trend_365=30 / 31,
    )


RHYTHM = """
    invoices  invoice_id customer_id issue_date due_date amount
              A          C           0          7        100.00
              B          C           0          9        100.00
              D          C           1          30       100.00
              E          C           2          44       100.00
    payments  invoice_id customer_id paid_on amount recorded_at
              A          -           7       100.00 -
              B          -           7       100.00 -
              D          -           21      60.00  -
              D          -           28      40.00  -
              -          C           70      10.00  -
              -          C           69      10.00  71
"""


def test_the_rhythm_is_told_by_the_days_on_which_money_came(engine: Engine) -> None:
    # Payments on days 7 (twice), 21, 28 and 70, all Mondays; 69 was booked after 70 was seen.
    check(
        engine,
        RHYTHM,
        as_of=75,
        asked="E",
        n_paydays_365=4,
        days_since_payment=5,
        gap_mean_365=21,
        gap_median_365=14,
        gap_std_365=math.sqrt((49 + 196 + 441) / 2),
        periodicity_break=9 / 7,
        silence_ratio=5 / 21,
        modal_weekday_share=1,
        days_to_next_payday=5,  # due on a Wednesday, paid on Mondays
        run_share=2 / 6,
        month_end_share=1 / 4,  # 29 January
        n_partial_365=1,
        unallocated=20_00,
    )


CASES = """
    invoices     invoice_id customer_id issue_date due_date amount
                 A          C           0          30       100.00
                 B          C           0          30       200.00
                 D          C           0          60       300.00
    payments     invoice_id paid_on amount returned_on
                 A          20      100.00 50
                 B          40      150.00 -
    credit_notes invoice_id customer_id issued_on amount
                 D          -           35        300.00
                 -          C           36        50.00
    disputes     invoice_id opened_on closed_on
                 B          10        45
                 B          50        -
    promises     invoice_id made_on promised_date status
                 B          20      33            kept
    actions      invoice_id customer_id action_code performed_on
                 B          C           reminder_1  32
                 B          C           statement   33
                 B          C           call        34
"""


def test_a_returned_payment_reopens_its_invoice_and_its_delay_stays_seen(engine: Engine) -> None:
    check(engine, CASES, as_of=50, n_open=1, n_overdue=1, overdue=50_00, oldest_overdue_age=20)
    check(
        engine,
        CASES,
        as_of=51,
        n_open=2,
        overdue=150_00,
        outstanding=150_00,
        overdue_share=1,
        n_settled=1,
        delay_last=-10,
    )


def test_what_credit_notes_cancel_is_closed_but_was_not_paid(engine: Engine) -> None:
    check(engine, CASES, as_of=35, n_open=2, outstanding=500_00, n_settled=1)
    check(engine, CASES, as_of=36, n_open=1, outstanding=200_00, n_settled=1)
    check(engine, CASES, as_of=37, credit_note_share_365=350 / 600)


def test_short_payments_show_once_the_invoice_is_due(engine: Engine) -> None:
    check(engine, CASES, as_of=41, short_share=1 / 2, short_residual_mean=50_00, n_partial_365=1)
    check(engine, CASES, as_of=41, paid_vs_invoiced_gap=1 - 250 / 300, paid_ratio_90=250 / 600)


def test_disputes_promises_and_reminders_are_told_by_their_days(engine: Engine) -> None:
    check(engine, CASES, as_of=10, asked="B", disputed=0, disputed_days=0)
    check(engine, CASES, as_of=40, asked="B", disputed=1, disputed_days=30, n_reminders=2)
    check(engine, CASES, as_of=48, asked="B", disputed=0, disputed_days=35, paid_share=0.75)
    check(engine, CASES, as_of=55, asked="B", disputed=1, disputed_days=40)
    check(engine, CASES, as_of=20, asked="B", promise_pending=0)
    check(engine, CASES, as_of=33, asked="B", promise_pending=1)  # to be kept by the end of the day
    check(engine, CASES, as_of=34, asked="B", promise_pending=0)


PROMISES = """
    invoices  invoice_id customer_id issue_date due_date amount
              A          C           0          30       100.00
              B          C           0          30       200.00
              D          C           0          30       300.00
    payments  invoice_id paid_on amount recorded_at returned_on
              A          40      100.00 -           60
              B          40      199.50 45          -
              D          41      300.00 -           -
    promises  invoice_id made_on promised_date status
              A          32      40            broken
              A          55      70            open
              B          32      40            open
              D          32      40            kept
              D          32      -             broken
"""


def test_a_promise_is_broken_on_the_day_after_it_passed_unpaid(engine: Engine) -> None:
    check(engine, PROMISES, as_of=40, asked="D", broken_promises=0, broken_promises_365=0)
    check(engine, PROMISES, as_of=41, asked="D", broken_promises=1)
    check(engine, PROMISES, as_of=300, asked="D", broken_promises=1)  # it stays broken when paid


def test_a_promise_is_judged_by_the_money_and_not_by_its_status(engine: Engine) -> None:
    check(engine, PROMISES, as_of=41, broken_promises=0)
    check(engine, PROMISES, as_of=70, broken_promises=0)
    check(engine, PROMISES, as_of=71, broken_promises=1)  # the payment came back on 60


def test_money_that_was_booked_late_had_kept_the_promise(engine: Engine) -> None:
    check(engine, PROMISES, as_of=41, asked="B", broken_promises=1, broken_promises_365=2)
    check(engine, PROMISES, as_of=45, asked="B", broken_promises=1, broken_promises_365=2)
    check(engine, PROMISES, as_of=46, asked="B", broken_promises=0, broken_promises_365=1)


PEERS = """
    customers customer_id country
              C           IT
              D           IT
              E           SE
              F           -
    invoices  invoice_id customer_id issue_date due_date amount
              A          C           0          10       100.00
              B          D           0          10       100.00
              G          E           0          10       100.00
              H          F           0          10       100.00
              nil        E           0          10       0.00
    payments  invoice_id paid_on amount recorded_at
              A          10      100.00 -
              G          9       100.00 14
    credit_notes  invoice_id issued_on amount
              H          20        100.00
"""


@pytest.mark.parametrize(
    ("as_of", "late", "matured", "late_all", "matured_all"),
    [
        (11, 1, 2, 3, 4),  # B is open; G is not known to be paid, H not known to be cancelled
        (15, 1, 2, 2, 4),
        (21, 1, 2, 1, 3),
        (40, 1, 2, 1, 3),
    ],
)
def test_peers_count_matured_invoices_paid_or_not(
    engine: Engine, as_of: int, late: int, matured: int, late_all: int, matured_all: int
) -> None:
    rate = (late + 20 * late_all / matured_all) / (matured + 20)
    check(engine, PEERS, as_of=as_of, peer_late0_country=rate, peer_late0_segment=NAN)


def test_before_anything_has_matured_peers_tell_nothing(engine: Engine) -> None:
    check(engine, PEERS, as_of=10, peer_late0_country=NAN)
    check(engine, PEERS, as_of=40, asked="H", peer_late0_country=NAN, peer_late30_country=NAN)
    check(engine, PEERS, as_of=41, peer_late30_country=(1 + 20 / 3) / 22)


STANDING = """
    invoices         invoice_id customer_id issue_date due_date amount
                     A          C           190        220      300.00
                     B          C           200        230      600.00
    payments         invoice_id paid_on amount
                     A          195     100.00
    credit_limits    customer_id valid_from amount  insured_amount
                     C           10         2000.00 -
                     C           200        1000.00 900.00
                     Z           200        1.00    1.00
    external_ratings customer_id rated_on provider score scale_min scale_max higher_is_safer
                     C           100      D&B      80    0         100       yes
                     C           200      D&B      60    0         100       yes
                     C           210      other    2     1         5         no
                     C           211      blank    9     -         -         -
                     C           300      other    3     1         5         no
"""


def test_the_limit_in_force_is_the_last_that_began_before_the_day(engine: Engine) -> None:
    check(engine, STANDING, as_of=10, limit_use=NAN, limit_room=NAN, insured_share=NAN)
    check(engine, STANDING, as_of=11, limit_use=0, limit_room=2000_00, insured_share=NAN)
    check(engine, STANDING, as_of=200, limit_use=0.1, limit_room=1800_00)
    check(engine, STANDING, as_of=201, limit_use=0.8, limit_room=200_00, insured_share=0.9)


def test_a_limit_is_cut_against_the_one_in_force_180_days_before(engine: Engine) -> None:
    check(engine, STANDING, as_of=190, credit_line_cut=NAN)
    check(engine, STANDING, as_of=191, credit_line_cut=0)
    check(engine, STANDING, as_of=201, credit_line_cut=-0.5)
    check(engine, STANDING, as_of=381, credit_line_cut=0)


def test_ratings_of_any_scale_run_from_0_to_1_the_safest(engine: Engine) -> None:
    check(engine, STANDING, as_of=100, external_rating=NAN)
    check(engine, STANDING, as_of=101, external_rating=0.8)
    check(engine, STANDING, as_of=211, external_rating=0.75)
    check(engine, STANDING, as_of=212, external_rating=0.75)  # without a scale it tells nothing


def test_a_rating_changes_against_the_same_agencys_last(engine: Engine) -> None:
    check(engine, STANDING, as_of=200, external_rating_change=NAN)
    check(engine, STANDING, as_of=211, external_rating_change=-0.2)
    check(engine, STANDING, as_of=301, external_rating_change=-0.45)
    check(engine, STANDING, as_of=481, external_rating_change=0)


def test_windows_of_what_was_invoiced_paid_and_settled_count_back_from_the_day(
    engine: Engine,
) -> None:
    check(engine, HISTORY, as_of=125, invoiced=1000_00, invoiced_90=400_00, paid_180=600_00)
    check(engine, HISTORY, as_of=126, paid_90=500_00, n_settled_90=2, delay_median_90=3)
    check(engine, HISTORY, as_of=126, late0_share_90=0.5, delay_mean_weighted_90=22 / 5)
