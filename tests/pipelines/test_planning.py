"""Planning: the day's plan of a scored portfolio, one row for each customer."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from ledgers import to_ledger

from models.action import Limit
from models.catalogue import Catalogue
from models.policy import Policy
from pipelines import planning, scoring
from pipelines.decisions import Asked
from pipelines.planning import PLAN_SCHEMA
from tests.trained import Trained, payer

Scored = tuple[pa.Table, list[Asked]]


@pytest.fixture(scope="module")
def scored(trained: Trained) -> Scored:
    return scoring.score_and_ask(trained.ledger, trained.as_of, trained.bundle)


def test_the_cases_are_those_of_the_scores(trained: Trained, scored: Scored) -> None:
    scores, asked = scored
    assert sum(len(part.on) for part in asked) == scores.num_rows
    assert scores.equals(scoring.score(trained.ledger, trained.as_of, trained.bundle))


def test_every_customer_has_one_row_and_what_is_worth_most_is_first(scored: Scored) -> None:
    scores, asked = scored
    told = planning.table(planning.plan_day(asked), scores, asked)
    assert told.schema.equals(PLAN_SCHEMA)
    assert sorted(told["customer_id"].to_pylist()) == sorted(set(scores["customer_id"].to_pylist()))
    worth = told["expected_value_cents"].to_pylist()
    assert worth == sorted(worth, reverse=True)
    by_invoice = dict(
        zip(scores["invoice_id"].to_pylist(), scores["customer_id"].to_pylist(), strict=True)
    )
    for row in told.to_pylist():
        assert bool(row["invoices"]) == (row["code"] != "wait")
        assert {by_invoice[invoice] for invoice in row["invoices"]} <= {row["customer_id"]}
        assert bool(row["blocked_action"]) == bool(row["blocked_by"])


def test_a_day_without_open_invoices_has_an_empty_plan(scored: Scored) -> None:
    assert planning.table(planning.plan_day([]), scored[0].slice(0, 0), []).num_rows == 0


def test_a_day_holds_no_more_than_its_capacity(scored: Scored) -> None:
    scores, asked = scored
    narrow = {"email": Limit(2, "pieces"), "phone": Limit(0, "minutes"), "pec": Limit(1, "pieces")}
    told = planning.table(planning.plan_day(asked, capacity=narrow), scores, asked)
    counts = {row["values"]: row["counts"] for row in told["channel"].value_counts().to_pylist()}
    assert counts.get("email", 0) <= 2
    assert counts.get("phone", 0) == 0
    assert counts.get("pec", 0) <= 1
    blocked = pc.list_flatten(told["blocked_by"]).to_pylist()
    assert "capacity" in blocked


def test_a_customer_with_one_invoice_is_planned_as_the_score_advises(trained: Trained) -> None:
    rows = payer("C1", [30] * 12, until=trained.as_of, open_for=20, amount_cents=900_000)
    policy = Policy(catalogue=Catalogue.parse("[capacity]\nphone = [inf, 'minutes']"))
    scores, asked = scoring.score_and_ask(
        to_ledger(rows), trained.as_of, trained.bundle, policy=policy
    )
    (alone,) = scores["action"].to_pylist()
    (planned,) = planning.table(planning.plan_day(asked, policy), scores, asked, policy).to_pylist()
    for name in ("code", "channel", "on", "why", "expected_value_cents", "policy_version"):
        assert planned[name] == alone[name]
    assert planned["features_hash"] == alone["features_hash"]
    assert not alone["capacity_applied"]
    told = [(a["code"], a["expected_value_cents"]) for a in planned["alternatives"]]
    assert told == [(a["code"], a["expected_value_cents"]) for a in alone["alternatives"]]
