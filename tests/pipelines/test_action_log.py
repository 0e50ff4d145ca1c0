"""The log of actions: what was known on the day, and what had matured since."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, drawn, ledger_rows, to_ledger

from models.catalogue import Catalogue
from pipelines import action_log, synthetic
from pipelines.ledger import Ledger, days

LEDGER = """
    invoices invoice_id customer_id issue_date due_date amount
    I1 A 0 30 100.00
    I2 A 5 35 200.00
    I3 B 0 30 300.00
    payments invoice_id paid_on amount
    I1 50 100.00
    I2 36 50.00
    actions action_id customer_id invoice_id performed_on action_code recommended_action propensity
    a1 A I1 40 call call 0.6
    a2 B I3 40 wait call 0.4
    a3 A - 45 statement - -
    a4 A I1 60 call call 0.6
    a5 B gone 40 call call 0.6
"""


def read(as_of: int, **options: object) -> list[dict[str, object]]:
    log = action_log.read(to_ledger(drawn(LEDGER)), BASE + as_of, **options)  # type: ignore[arg-type]
    return log.to_pylist()


def test_a_row_is_a_decision_on_an_invoice_that_was_open() -> None:
    rows = read(400)
    pairs = [(row["action_id"], row["invoice_id"]) for row in rows]
    # a3 names no invoice: it is about both; a4 came after the payment
    assert pairs == [("a1", "I1"), ("a2", "I3"), ("a3", "I1"), ("a3", "I2")]
    assert [row["open_cents"] for row in rows] == [100_00, 300_00, 100_00, 150_00]
    assert [row["days_past_due"] for row in rows] == [10, 10, 15, 10]


def test_outcomes_are_told_once_they_are_certain_paid_or_not() -> None:
    told = [(row["days"], row["unpaid"]) for row in read(400, horizon_days=60)]
    assert told == [(10, 0), (60, 1), (5, 0), (60, 1)]
    # day 40 + 60 has to be over: the payment on day 50 is known, and still not told
    assert [row["days"] for row in read(100, horizon_days=60)] == [None] * 4
    assert [row["days"] for row in read(101, horizon_days=60)] == [10, 60, None, None]
    assert [row["unpaid"] for row in read(211)] == [0, 1, 0, None]
    assert [row["unpaid"] for row in read(210)] == [None] * 4


def test_decisions_of_the_day_and_later_are_not_in_the_log() -> None:
    assert [row["action_id"] for row in read(41)] == ["a1", "a2"]
    assert read(40) == []


def test_what_was_said_on_the_day_is_kept_beside_the_decision() -> None:
    scored = pa.table(
        {
            "invoice_id": ["I1", "I1", "I3"],
            "as_of": pa.array([BASE + 39, BASE + 40, BASE + 40], pa.int32()).cast(pa.date32()),
            "features_hash": ["old", "new", "other"],
            "p_late_30": [0.1, 0.2, 0.3],
            "p_unpaid_180": [0.01, 0.02, 0.03],
            "cause": ["habit", "difficulty", None],
        },
        schema=action_log.SCORED_SCHEMA,
    )
    rows = read(400, scored=scored)
    assert [row["features_hash"] for row in rows] == ["new", "other", None, None]
    assert [row["p_late_30"] for row in rows] == [0.2, 0.3, None, None]
    assert rows[0]["cause"] == "difficulty"
    assert rows[1]["cause"] is not None  # worked out anew


def test_what_a_decision_brought_is_the_delay_the_loss_and_the_cost() -> None:
    log = action_log.read(to_ledger(drawn(LEDGER)), BASE + 400, horizon_days=60)
    costly = log.set_column(
        log.schema.get_field_index("cost_cents"), "cost_cents", pa.array([800, 0, 0, 0])
    )
    worth = action_log.worth_eur(costly, Catalogue.load().economics)
    assert worth[0] == pytest.approx(-100 * 0.08 / 365 * 10 - 8)
    assert worth[1] == pytest.approx(-300 * (0.08 / 365 * 60 + 0.35))
    early = action_log.read(to_ledger(drawn(LEDGER)), BASE + 101, horizon_days=60)
    assert np.isnan(action_log.worth_eur(early, Catalogue.load().economics)).all()


@settings(max_examples=25, deadline=None)
@given(ledger_rows(), st.integers(BASE + 20, BASE + 400), st.integers(1, 200))
def test_nothing_after_the_day_changes_what_is_read(rows: Rows, as_of: int, later: int) -> None:
    ledger = to_ledger(rows)
    then = action_log.read(ledger, as_of)
    assert then.equals(action_log.read(ledger.known_before(as_of), as_of))
    # what was known of a decision stays what it was on its day, whenever the log is read
    now = known_of(action_log.read(ledger, as_of + later))
    for decision, known in known_of(then).items():
        assert now.get(decision, known) == known  # an invoice cancelled since is left out


def known_of(log: pa.Table) -> dict[object, str]:
    names = ("open_cents", "days_past_due", "cause", *action_log.FEATURES)
    decided = log.select(["invoice_id", "action_code", "performed_on"]).to_pylist()
    known = log.select(names).to_pylist()
    return {tuple(d.values()): str(k) for d, k in zip(decided, known, strict=True)}


@cache
def company() -> tuple[Ledger, pa.Table]:
    """An invented company whose contacts were tossed for, read after its last day."""
    ledger, _ = synthetic.generate(customers=60, seed=1)
    end = int(days(ledger.payments["paid_on"]).max()) + 1
    return ledger, action_log.read(ledger, end)


def test_an_invented_company_s_tosses_are_all_known() -> None:
    _, table = company()
    log = action_log.decisions(table)
    assert log.randomised.all()
    assert len(log) > 1_000
    held_out = table["holdout"].to_numpy()
    assert held_out.any()
    assert (log.propensities[held_out, 0] == 1).all()
    done = log.propensities[np.arange(len(log)), log.action]
    assert (done == table["propensity"].to_numpy()).all()
    assert np.allclose(log.propensities.sum(axis=1), 1)


def test_strata_are_causes_and_segments_if_asked() -> None:
    _, table = company()
    causes = set(action_log.decisions(table).strata)
    both = action_log.decisions(table, by_segment=True).strata
    assert causes == set(table["cause"].to_pylist())
    assert {stratum.split("/")[0] for stratum in both} == causes
    assert {stratum.split("/")[1] for stratum in both} == set(table["segment"].to_pylist())


def test_a_night_s_scores_are_read_as_what_was_said() -> None:
    scores = pa.table(
        {
            "invoice_id": ["I1"],
            "as_of": pa.array([BASE], pa.int32()).cast(pa.date32()),
            "p_late_30": [0.5],
            "p_unpaid_180": [0.1],
            "cause_hint": [{"code": "habit", "evidence": ["late_share"]}],
        }
    )
    said = action_log.of_scores(scores)
    assert said.schema.equals(action_log.SCORED_SCHEMA)
    assert said["cause"].to_pylist() == ["habit"]
