from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import actions, causes, legal
from models.actions import Cases, Catalogue, CatalogueError, decide, sentence
from models.legal import Debtor, ReferenceRates

TODAY = (date(2026, 3, 10) - date(1970, 1, 1)).days
NEVER = -(1 << 20)
OURS = Catalogue.load()
RATES = ReferenceRates.load()
BY_CODE = {action.code: action for action in OURS.actions}
seeds = st.integers(0, 2**32 - 1)


def one(*, late, open_eur=1000.0, **columns):
    """A case `late` days past due, of an ordinary customer unless said otherwise."""
    told = {
        "open_cents": [round(100 * open_eur)],
        "due_day": [TODAY - late],
        "p_late_0": [0.5],
        "p_late_30": [0.3],
        "p_late_60": [0.2],
        "p_late_90": [0.1],
        "p_unpaid_180": [0.05],
        "expected_days_late": [max(late, 0) + 30.0],
    }
    cause = [columns.pop("cause", "unknown")]
    done = {code: [day] for code, day in columns.pop("done", {}).items()}
    told |= {name: [value] for name, value in columns.items()}
    return Cases.of(cause=cause, done_day=done, **told)


def decided(case, *, catalogue=OURS, rates=RATES, on=None):
    return decide(case, catalogue, rates, as_of=TODAY, on=on)


def only(*codes, **economics):
    """The catalogue with these actions alone."""
    kept = tuple(action for action in OURS.actions if action.code in codes)
    return Catalogue(kept, replace(OURS.economics, **economics))


def random_cases(seed, n=60, **fixed):
    rng = np.random.default_rng(seed)

    def some(share, days):
        return np.where(rng.random(n) < share, days, NEVER)

    p = np.sort(rng.random((n, 5)) ** 2, axis=1)[:, ::-1]
    late = rng.integers(-40, 400, n)
    open_cents = rng.integers(0, 10_000_000, n)
    columns = {
        "open_cents": open_cents,
        "due_day": TODAY - late,
        **{f"p_late_{h}": p[:, i] for i, h in enumerate((0, 30, 60, 90))},
        "p_unpaid_180": p[:, 4],
        "expected_days_late": rng.uniform(-10, 180, n),
        "debtor": rng.integers(0, 4, n),
        "do_not_contact": rng.random(n) < 0.2,
        "disputed_cents": np.where(rng.random(n) < 0.3, rng.integers(0, 10_000_000, n), 0),
        "unallocated_cents": np.where(rng.random(n) < 0.2, 50_000, 0),
        "promise_day": some(0.2, TODAY + rng.integers(-10, 20, n)),
        "last_contact_day": some(0.5, TODAY - rng.integers(1, 40, n)),
        "has_contract": rng.random(n) < 0.5,
        "has_delivery_proof": rng.random(n) < 0.5,
        "has_address": rng.random(n) < 0.8,
        "worst_signal": rng.integers(0, 4, n),
        "n_settled": rng.integers(0, 40, n),
        "late30_share": rng.random(n),
    }
    done = {
        code: some(0.4, TODAY - rng.integers(1, 120, n))
        for code in ("messa_in_mora", "final_reminder", "call", "reminder_1")
    }
    return Cases.of(cause=rng.choice(causes.CODES, n), done_day=done, **{**columns, **fixed})


# What must never be proposed, whatever the case


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_no_contact_is_proposed_where_it_is_forbidden(seed):
    cases = random_cases(seed)
    for i, code in enumerate(decided(cases).code):
        if code != "wait" and BY_CODE[code].contact:
            assert not cases.do_not_contact[i]
            assert TODAY - cases.last_contact_day[i] >= OURS.economics.quiet_days
            assert cases.promise_day[i] < TODAY or code == "dispute_resolution"


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_a_disputed_amount_is_not_dunned(seed):
    base = random_cases(seed)
    cases = replace(base, disputed_cents=base.open_cents)
    for code in decided(cases).code:
        asked = code != "wait" and BY_CODE[code].amount == "undisputed"
        assert not (asked and BY_CODE[code].contact)


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_an_adverse_action_on_a_natural_person_is_left_to_a_named_person(seed):
    cases = random_cases(seed)
    told = decided(cases)
    person = legal.is_natural_person(cases.debtor)
    for i, code in enumerate(told.code):
        adverse = code != "wait" and BY_CODE[code].adverse
        assert ("needs_named_person" in told.blocked_by[i]) == (adverse and person[i])


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_the_legal_order_is_kept(seed):
    cases = random_cases(seed)
    for i, code in enumerate(decided(cases).code):
        before = BY_CODE[code].after if code != "wait" else None
        if before is not None:
            done = int(cases.done(before)[i])
            assert done != NEVER
            assert done + legal.NOTICE_DAYS < TODAY
        if code == "decreto_ingiuntivo":
            assert cases.has_contract[i] or cases.has_delivery_proof[i]
        if code == "late_interest":
            assert cases.debtor[i] != Debtor.CONSUMER


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_timing_windows_are_kept(seed):
    cases = random_cases(seed)
    for i, code in enumerate(decided(cases).code):
        late = TODAY - int(cases.due_day[i])
        if code != "wait":
            action = BY_CODE[code]
            assert action.from_day is None or late >= action.from_day
            assert action.to_day is None or late <= action.to_day


# What the choice is


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(1, 10**7))
def test_raising_the_amount_never_lowers_the_value_of_the_choice(seed, more):
    cases = random_cases(seed)
    raised = replace(cases, open_cents=cases.open_cents + more)
    before, after = decided(cases), decided(raised)
    assert (after.expected_value_cents >= before.expected_value_cents).all()


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_the_choice_is_worth_more_than_its_alternatives_and_than_nothing(seed):
    told = decided(random_cases(seed))
    for i, code in enumerate(told.code):
        value = told.expected_value_cents[i]
        assert value > 0 if code != "wait" else value == 0
        others = [worth for _, worth in told.alternatives[i]]
        assert len(others) <= 3
        assert others == sorted(others, reverse=True)
        assert all(worth <= value for worth in others)
        assert code not in [other for other, _ in told.alternatives[i]]


@settings(deadline=None, max_examples=30)
@given(seeds, st.lists(st.integers(0, 59), min_size=1, max_size=5))
def test_a_case_is_decided_alike_in_any_company(seed, chosen):
    cases = random_cases(seed)
    some = replace(
        cases,
        **{name: getattr(cases, name)[chosen] for name in (*actions_columns(), "cause")},
        done_day={code: day[chosen] for code, day in cases.done_day.items()},
    )
    everyone, few = decided(cases), decided(some)
    assert few.code == [everyone.code[i] for i in chosen]
    assert few.on.tolist() == everyone.on[chosen].tolist()
    assert few.expected_value_cents.tolist() == everyone.expected_value_cents[chosen].tolist()
    assert few.blocked_by == [everyone.blocked_by[i] for i in chosen]


def actions_columns():
    from models.cases import COLUMNS

    return COLUMNS


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_every_decision_is_said_in_both_languages(seed):
    told = decided(random_cases(seed, n=15))
    for row in range(15):
        for language in ("it", "en"):
            text = sentence(told, row, OURS, language=language)
            assert "{" not in text
            assert "_" not in text


# Examples worked by hand


def test_the_value_of_a_first_reminder():
    # 1,000 EUR, 15 days late: sooner 1000 x 0.08/365 x 4 = 0.877, safer 1000 x 0.35 x 0.05 x 0.05
    # = 0.875, less 0.50 and 1 x (1 - 0.3) = 0.70: 0.55 EUR
    told = decided(one(late=15), catalogue=only("reminder_1"))
    assert told.code == ["reminder_1"]
    assert told.expected_value_cents.tolist() == [55]
    assert (told.effect_days[0], told.effect_lo[0], told.effect_hi[0]) == (4.0, 1.5, 7.0)
    assert told.effect_source == ["prior"]
    assert told.on.tolist() == [TODAY]


def test_money_can_t_come_earlier_than_now():
    told = decided(
        one(late=15, expected_days_late=17.0, open_eur=9000), catalogue=only("reminder_1")
    )
    assert (told.effect_days[0], told.effect_lo[0], told.effect_hi[0]) == (2.0, 1.5, 2.0)


def test_a_cause_has_effects_of_its_own():
    told = decided(one(late=15, cause="habit", open_eur=9000), catalogue=only("reminder_1"))
    assert told.effect_days.tolist() == [5.0]


def test_late_interest_adds_forty_euro_and_the_statutory_rate():
    # 40,000 EUR, 30 days late on 10 March 2026: 333.70 of interest and 40 of compensation; 3 % of
    # that is paid: 11.211; a day sooner: 8.767; safer by 40,000 x 0.35 x 0.05 x 0.02 = 14: 33.97;
    # less 2 and 12 x 0.7 = 10.40: 23.57 EUR
    told = decided(one(late=30, open_eur=40_000), catalogue=only("late_interest"))
    assert told.expected_value_cents.tolist() == [2357]
    assert told.legal_basis == ["D.Lgs. 231/2002, art. 4-6"]


def test_a_small_sum_is_not_worth_an_action():
    told = decided(one(late=15, open_eur=20))
    assert told.code == ["wait"]
    assert told.why == ["nothing_pays"]
    assert told.expected_value_cents.tolist() == [0]
    assert told.on.tolist() == [TODAY + 10]  # the second reminder opens on day 25


def test_nothing_is_sent_on_the_due_date_itself():
    told = decided(one(late=0, open_eur=50_000))
    assert told.code == ["wait"]
    assert told.on.tolist() == [TODAY + 1]


def test_an_open_promise_is_waited_for():
    told = decided(one(late=15, open_eur=50_000, promise_day=TODAY + 4))
    assert told.code == ["wait"]
    assert told.why == ["open_promise"]
    assert told.on.tolist() == [TODAY + 5]
    assert told.blocked_by == [["open_promise"]]


def test_a_broken_promise_stops_nothing():
    assert decided(one(late=15, open_eur=50_000, promise_day=TODAY - 1)).code == ["call"]


def test_a_dispute_is_settled_first():
    told = decided(one(late=50, open_eur=50_000, disputed_cents=50_000_00))
    assert told.code == ["dispute_resolution"]


def test_the_undisputed_part_is_still_asked_for():
    part = decided(one(late=15, open_eur=50_000, disputed_cents=100_00), catalogue=only("call"))
    whole = decided(one(late=15, open_eur=49_900), catalogue=only("call"))
    assert part.expected_value_cents.tolist() == whole.expected_value_cents.tolist()


def test_a_recent_contact_is_followed_by_quiet_days():
    told = decided(
        one(late=15, open_eur=50_000, last_contact_day=TODAY - 5), catalogue=only("call")
    )
    assert told.code == ["wait"]
    assert told.why == ["blocked"]
    assert told.blocked_action == ["call"]
    assert told.blocked_by == [["quiet_period"]]
    assert told.on.tolist() == [TODAY + 2]


def test_unallocated_cash_is_matched_before_anyone_is_reminded():
    told = decided(one(late=15, open_eur=50_000, unallocated_cents=1_000_00))
    assert told.blocked_action == ["call"]
    assert told.blocked_by == [["unallocated_cash"]]


def test_the_missing_rate_is_named_by_its_semester():
    late = TODAY - (date(2012, 12, 1) - date(1970, 1, 1)).days
    told = decided(one(late=late, open_eur=50_000), catalogue=only("late_interest"))
    assert told.code == ["wait"]
    assert told.blocked_by == [["missing_reference_rate:2012-H2"]]


def test_a_consumer_pays_no_late_interest():
    told = decided(
        one(late=60, open_eur=90_000, debtor=Debtor.CONSUMER), catalogue=only("late_interest")
    )
    assert told.blocked_by == [["consumer"]]


def test_an_order_for_payment_lacks_its_documents():
    notified = {"messa_in_mora": TODAY - 20}
    bare = one(late=100, open_eur=50_000, p_unpaid_180=0.6, done=notified)
    told = decided(bare, catalogue=only("decreto_ingiuntivo", "messa_in_mora"))
    assert told.blocked_action == ["decreto_ingiuntivo"]
    assert told.blocked_by == [["missing_documents"]]
    assert told.missing_documents == [["contract_or_delivery_proof"]]
    proven = one(
        late=100, open_eur=50_000, p_unpaid_180=0.6, done=notified, has_delivery_proof=True
    )
    told = decided(proven)
    assert told.code == ["decreto_ingiuntivo"]
    assert told.missing_documents == [[]]
    assert told.legal_basis == ["art. 633 c.p.c."]


def test_the_formal_notice_comes_before_the_order_for_payment():
    told = decided(one(late=100, open_eur=50_000, p_unpaid_180=0.6, has_contract=True))
    assert told.code == ["messa_in_mora"]
    assert told.blocked_action == ["decreto_ingiuntivo"]
    assert told.blocked_by == [["legal_order"]]


def test_an_action_done_once_is_not_proposed_again():
    done = {"reminder_1": TODAY - 3}
    assert decided(one(late=15, done=done), catalogue=only("reminder_1")).code == ["wait"]


def test_a_call_may_be_repeated_after_ten_days():
    def call(days_ago):
        case = one(late=40, open_eur=50_000, done={"call": TODAY - days_ago})
        return decided(case, catalogue=only("call")).code

    assert call(9) == ["wait"]
    assert call(10) == ["call"]


def test_a_small_claim_is_written_off_when_its_six_months_are_over():
    # due on 10 September 2025: six months end on 10 March 2026, 181 days later
    case = one(late=181, open_eur=2_000)
    assert decided(case, catalogue=only("write_off_review")).code == ["write_off_review"]
    case = one(late=180, open_eur=2_000)
    assert decided(case, catalogue=only("write_off_review")).code == ["wait"]


def test_the_ladder_of_reminders_never_goes_back():
    mine = Catalogue.parse("[actions.reminder_1]\nto_day = 90")
    case = {"late": 30, "open_eur": 9_000}
    asked = Catalogue(tuple(a for a in mine.actions if a.code == "reminder_1"), mine.economics)
    assert decided(one(**case), catalogue=asked).code == ["reminder_1"]
    after = one(**case, done={"reminder_2": TODAY - 8})
    kept = tuple(
        replace(a, enabled=a.code == "reminder_1")
        for a in mine.actions
        if a.code in ("reminder_1", "reminder_2")
    )
    assert decided(after, catalogue=Catalogue(kept, mine.economics)).code == ["wait"]


def test_an_action_may_ask_for_a_longer_silence_than_the_others():
    case = one(late=15, open_eur=50_000, last_contact_day=TODAY - 10)
    assert decided(case, catalogue=only("call")).code == ["call"]
    patient = tuple(replace(a, quiet_days=14) for a in OURS.actions if a.code == "call")
    told = decided(case, catalogue=Catalogue(patient, OURS.economics))
    assert told.blocked_by == [["quiet_period"]]
    assert told.on.tolist() == [TODAY + 4]


def test_a_prior_effect_may_depend_on_how_much_is_known_of_the_customer():
    calls = tuple(replace(a, by_history={"none": 0.5}) for a in OURS.actions if a.code == "call")
    mine = Catalogue(calls, OURS.economics)
    for settled, days in ((0, 3.5), (5, 7.0), (20, 7.0), (np.nan, 7.0)):
        told = decided(one(late=15, open_eur=50_000, n_settled=settled), catalogue=mine)
        assert told.effect_days.tolist() == [days]


def test_held_out_a_customer_waits_and_nothing_stands_in_the_way():
    case = one(late=15, open_eur=50_000)
    told = decide(case, OURS, RATES, as_of=TODAY, held_out=np.array([True]))
    assert (told.code, told.why, told.blocked_by) == (["wait"], ["held_out"], [[]])
    assert sentence(told, 0, OURS, language="en").startswith(
        "wait: the customer is in the control group"
    )


def test_the_business_day_decides_the_window():
    case = one(late=9, open_eur=9000)
    assert decided(case, catalogue=only("reminder_1")).code == ["wait"]
    told = decided(case, catalogue=only("reminder_1"), on=TODAY + 2)
    assert told.code == ["reminder_1"]
    assert told.on.tolist() == [TODAY + 2]


def test_unknown_probabilities_give_no_action():
    told = decided(one(late=15, open_eur=50_000, p_unpaid_180=np.nan))
    assert told.code == ["wait"]


def test_a_decision_in_words():
    told = decided(one(late=15, open_eur=10_000), catalogue=only("call"))
    assert sentence(told, 0, OURS, language="it") == (
        "telefonata: vale 26,94\xa0€, incasso circa 7 giorni prima (da 3 a 11)"
    )
    told = decided(one(late=15, open_eur=50_000, promise_day=TODAY + 4))
    assert sentence(told, 0, OURS, language="en") == (
        "wait: there is a promise to pay; look again on 15 March 2026;"
        " better would be: phone call, but a promise is not yet due"
    )


def test_columns_of_the_cases_are_checked_by_name():
    with pytest.raises(ValueError, match="due_day is missing; .*colour is not known"):
        Cases.of(open_cents=[1], colour=[2])


# The catalogue


def test_the_shipped_catalogue_holds_every_action_of_the_domain():
    assert set(BY_CODE) == {
        *("pre_due_reminder", "due_notice", "reminder_1", "reminder_2", "final_reminder", "call"),
        *("statement", "dispute_resolution", "payment_plan", "early_discount", "limit_review"),
        *("credit_hold", "messa_in_mora", "late_interest", "settlement", "agency"),
        *("negoziazione_assistita", "decreto_ingiuntivo", "write_off_review", "account_audit"),
    }


def test_a_company_s_file_overrides_any_part(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(
        "[economics]\nquiet_days = 3\n[actions.call]\nenabled = false\n"
        "[actions.reminder_1]\nfrom_day = 12\ndays = { habit = [9.0, 8.0, 10.0] }\n"
    )
    company = Catalogue.load(path)
    assert company.economics.quiet_days == 3
    assert company.economics.rate_per_year == OURS.economics.rate_per_year
    assert "call" not in [action.code for action in company.enabled]
    changed = company.action("reminder_1")
    assert changed.from_day == 12
    assert changed.to_day == 24
    assert changed.days["habit"].expected == 9.0
    assert changed.days["unknown"] == BY_CODE["reminder_1"].days["unknown"]


def test_all_faults_of_a_catalogue_are_listed_at_once():
    with pytest.raises(CatalogueError) as refused:
        Catalogue.parse(
            """
            colour = "red"
            [economics]
            rate_per_year = 8
            lgd = { soon = 0.5 }
            [actions.call]
            channel = "pigeon"
            cost_eur = -1
            from_day = 30
            to_day = 20
            blocked_by = ["rain"]
            needs = ["n_settled", "weather > 3"]
            days = { unknown = [5.0, 6.0, 7.0], luck = [1.0, 1.0, 1.0] }
            unpaid = { unknown = [2.0] }
            [actions.agency]
            after = "agency"
            [actions.new_one]
            it = ""
            """
        )
    said = str(refused.value).splitlines()
    for expected in (
        "colour: expected only the tables economics, capacity and actions",
        "economics.rate_per_year: expected a number from 0 to 1",
        "economics.lgd: expected days past due as names",
        "actions.call.channel: expected one of email",
        "actions.call.cost_eur: expected a number from 0",
        "actions.call: expected from_day <= to_day",
        "actions.call.blocked_by: expected one of unallocated_cash",
        "actions.call.needs: expected a comparison",
        "actions.call.needs: expected one of open_cents",
        "actions.call.days.unknown: expected lowest <= expected <= highest",
        "actions.call.days.luck: expected one of administrative",
        "actions.call.unpaid.unknown: expected [expected, lowest, highest]",
        "actions.agency.after: expected another action",
        "actions.new_one.it: expected a text",
        "actions.new_one.en: is missing",
        "actions.new_one.days: is missing",
    ):
        assert any(line.startswith(expected) for line in said), expected


def test_a_text_that_is_not_toml_is_refused():
    with pytest.raises(CatalogueError, match="must be TOML"):
        Catalogue.parse("actions = [")


def test_an_unknown_action_is_refused_by_name():
    with pytest.raises(ValueError, match=r"action must be one of .*, got: dance"):
        OURS.action("dance")


def test_every_block_is_said_in_both_languages():
    from models.weighing import BLOCKS

    for block in (*BLOCKS, "needs_named_person", "missing_reference_rate:2026-H2"):
        italian = actions.block_sentence(block, "it")
        assert italian != actions.block_sentence(block, "en")
    assert actions.block_sentence("missing_reference_rate:2026-H2", "en") == (
        "the reference rate of 2026-H2 is missing"
    )
