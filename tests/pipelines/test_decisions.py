"""Decisions: what was agreed, contested and done before the day, and nothing of what came later."""

from typing import Any

import numpy as np
import pytest
from ledgers import BASE, drawn, to_ledger

from models import actions
from models.action import Effect
from models.cases import NO_DAY
from models.catalogue import Catalogue
from models.effect_table import EffectTable, LearnedEffect
from models.holdout import Trial
from models.policy import Policy
from pipelines import decisions, landmarks
from pipelines.decisions import Standing
from pipelines.scoring import score
from tests.trained import Trained, payer

INVOICES = """
customers customer_id
          A
          B
invoices  invoice_id  customer_id  issue_date  due_date  amount
          one         A            0           30        100.00
          two         A            0           30        200.00
          other       B            0           30        300.00
"""


def standing(text: str, day: int = 60) -> Standing:
    ledger = to_ledger(drawn(INVOICES + text))
    return decisions.standing(landmarks.prepare(ledger), BASE + day)


@pytest.mark.parametrize(
    ("day", "cents"),
    [
        (40, [0, 0, 0]),  # opened on the day itself
        (41, [10_000, 5_000, 0]),
        (50, [10_000, 5_000, 0]),  # closed on the day itself
        (51, [10_000, 0, 0]),
    ],
)
def test_a_dispute_stands_from_the_day_after_it_is_opened_to_the_day_it_is_closed(
    day: int, cents: list[int]
) -> None:
    text = """
    disputes  invoice_id  opened_on  closed_on  amount
              one         40         -          -
              two         40         50         50.00
              unknown     40         -          -
    """
    assert standing(text, day).disputed_cents.tolist() == cents


def test_two_disputes_on_an_invoice_add_up() -> None:
    text = """
    disputes  invoice_id  opened_on  amount
              two         40         50.00
              two         45         25.00
    """
    assert standing(text).disputed_cents.tolist() == [0, 7_500, 0]


def test_the_latest_promise_made_before_the_day_counts() -> None:
    text = """
    promises  invoice_id  made_on  promised_date  status
              one         40       55             broken
              one         50       70             open
              two         60       90             open
              other       41       -              open
    """
    assert standing(text).promise_day.tolist() == [BASE + 70, NO_DAY, NO_DAY]


@pytest.mark.parametrize(("day", "cents"), [(40, 0), (41, 2_500), (45, 7_500), (52, 2_500)])
def test_unallocated_cash_is_counted_as_of_the_day(day: int, cents: int) -> None:
    text = """
    payments  customer_id  invoice_id  paid_on  amount  recorded_at  returned_on
              A            -           40       25.00   -            -
              A            -           38       50.00   44           51
              A            one         38       10.00   -            -
              -            -           38       99.00   -            -
    """
    assert standing(text, day).unallocated_cents.tolist() == [cents, 0]


def test_the_last_contact_is_the_customers_and_an_action_the_invoices() -> None:
    text = """
    actions   customer_id  invoice_id  action_code  performed_on
              A            one         reminder_1   40
              A            one         reminder_1   44
              A            -           statement    50
              A            two         wait         55
              A            two         call         60
              unknown      -           call         41
    """
    known = standing(text)
    assert known.last_contact_day(Catalogue.load()).tolist() == [BASE + 50, NO_DAY]
    assert known.done_day["reminder_1"].tolist() == [BASE + 44, NO_DAY, NO_DAY]
    assert known.done_day["statement"].tolist() == [BASE + 50, BASE + 50, NO_DAY]
    assert "call" not in known.done_day  # made on the very day
    assert actions.WAIT not in known.done_day


def test_what_the_customer_does_not_hear_of_is_no_contact() -> None:
    text = """
    actions   customer_id  invoice_id  action_code     performed_on
              A            one         limit_review    50
              A            one         reminder_1      44
              B            other       account_audit   50
              B            other       something_else  45
    """
    known = standing(text)
    last = known.last_contact_day(Catalogue.load())
    assert last.tolist() == [BASE + 44, BASE + 45]  # what the catalogue does not know counts


def test_contacts_fade_and_count_once_a_day() -> None:
    text = """
    actions   customer_id  invoice_id  action_code     performed_on
              A            one         reminder_1      46
              A            two         reminder_1      46
              A            one         limit_review    50
              A            one         call            60
              B            other       statement       32
              B            other       wait            50
    """
    known = standing(text)  # as of day 60
    half_life = Catalogue.load().economics.forgotten_days
    assert half_life == 14
    assert known.recent_contacts(Catalogue.load()) == pytest.approx([0.5, 0.25])


def test_a_ledger_without_cases_has_nothing_standing() -> None:
    known = standing("")
    assert not known.disputed_cents.any()
    assert not known.unallocated_cents.any()
    assert (known.promise_day == NO_DAY).all()
    assert (known.last_contact_day(Catalogue.load()) == NO_DAY).all()
    assert not known.recent_contacts(Catalogue.load()).any()


def decided(trained: Trained, **more: list[dict[str, Any]]) -> dict[str, Any]:
    """What to do about a large invoice 20 days overdue of a customer who pays in the end."""
    rows = payer("C1", [30] * 12, until=trained.as_of, open_for=20, amount_cents=900_000)
    rows["payments"] += more.pop("payments", [])
    rows["customers"][0].update(*more.pop("customers", []))
    found = score(to_ledger({**rows, **more}), trained.as_of, trained.bundle, invoices=["C1-012"])
    row: dict[str, Any] = found.to_pylist()[0]
    return row["action"]  # type: ignore[no-any-return]


def test_left_alone_the_customer_is_contacted(trained: Trained) -> None:
    action = decided(trained)
    assert action["code"] != actions.WAIT
    assert action["expected_value_cents"] > 0
    assert action["why"] == "best_value"


def test_an_open_promise_is_waited_for(trained: Trained) -> None:
    day = trained.as_of
    promise = {"invoice_id": "C1-012", "made_on": day - 2, "promised_date": day + 5}
    action = decided(trained, promises=[promise])
    assert (action["code"], action["why"]) == (actions.WAIT, "open_promise")
    assert np.datetime64(action["on"], "D").astype(int) == day + 6
    kept_back = decided(trained, promises=[{**promise, "made_on": day}])
    assert kept_back == decided(trained)


def test_a_dispute_is_settled_before_anything_is_reminded(trained: Trained) -> None:
    dispute = {"invoice_id": "C1-012", "opened_on": trained.as_of - 3}
    assert decided(trained, disputes=[dispute])["code"] == "dispute_resolution"


def test_who_was_just_contacted_is_left_in_peace(trained: Trained) -> None:
    call = {"customer_id": "C1", "action_code": "call", "performed_on": trained.as_of - 1}
    action = decided(trained, actions=[call])
    assert "quiet_period" in action["blocked_by"]
    assert decided(trained, actions=[{**call, "performed_on": trained.as_of}]) == decided(trained)


def test_who_must_not_be_contacted_is_not(trained: Trained) -> None:
    action = decided(trained, customers=[{"do_not_contact": True}])
    assert "do_not_contact" in action["blocked_by"]


def test_a_held_out_customer_waits(trained: Trained) -> None:
    rows = payer("C1", [30] * 12, until=trained.as_of, open_for=20, amount_cents=900_000)
    found = score(
        to_ledger(rows), trained.as_of, trained.bundle, policy=Policy(trial=Trial(holdout_share=1))
    )
    action = found["action"].to_pylist()[0]
    assert (action["code"], action["why"], action["held_out"]) == (actions.WAIT, "held_out", True)
    assert action["policy_version"] != decided(trained)["policy_version"]
    assert action["features_hash"] == decided(trained)["features_hash"]


def test_effects_that_were_learned_are_believed(trained: Trained) -> None:
    learned = LearnedEffect(
        "call", days=Effect(20, 15, 25), unpaid=Effect(0.5, 0.4, 0.6), source="randomised"
    )
    rows = payer("C1", [30] * 12, until=trained.as_of, open_for=20, amount_cents=900_000)
    policy = Policy(effects=EffectTable.of([learned]))
    found = score(to_ledger(rows), trained.as_of, trained.bundle, policy=policy)
    action = found["action"].to_pylist()[0]
    assert (action["code"], action["effect_source"]) == ("call", "randomised")
    assert action["expected_value_cents"] > decided(trained)["expected_value_cents"]


def test_actions_fall_on_a_working_day_of_the_customer(trained: Trained) -> None:
    rows = payer("C1", [30] * 12, until=trained.as_of, open_for=20, amount_cents=900_000)
    for weekend in (trained.as_of + 3, trained.as_of + 4):  # 4 and 5 July 2026
        (row,) = score(to_ledger(rows), weekend, trained.bundle, invoices=["C1-012"]).to_pylist()
        assert row["as_of"].weekday() >= 5
        assert row["action"]["on"].weekday() < 5


@pytest.mark.parametrize(
    ("code", "claim_eur", "over_terms", "notes"),
    [
        ("messa_in_mora", 50_000, False, ["negotiation_compulsory"]),  # up to 50,000: D.L. 132/2014
        ("negoziazione_assistita", 50_000, True, ["terms_over_limit", "negotiation_compulsory"]),
        ("messa_in_mora", 50_001, False, []),
        ("decreto_ingiuntivo", 9_000, False, []),  # art. 3(3): not before an order for payment
        ("call", 9_000, True, ["terms_over_limit"]),
        ("wait", 9_000, False, []),
    ],
)
def test_what_the_law_adds_depends_on_the_step_and_the_claim(
    code: str, claim_eur: int, over_terms: bool, notes: list[str]
) -> None:
    told = decisions.legal_notes(code, over_terms=over_terms, claim_cents=100 * claim_eur)
    assert told == notes
