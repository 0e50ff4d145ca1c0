"""The report on policies: what the log tells of each, and what it can't."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from markupsafe import escape

from models.catalogue import Catalogue
from pipelines import action_log, policy_report
from pipelines.policy_report import NAMES, POLICIES, Valued
from pipelines.simulation import contest, rivals
from pipelines.simulation.contest import Contest, Score

ECONOMICS = Catalogue.load().economics


@cache
def log(*, calls: bool = True) -> pa.Table:
    """Decisions tossed for: a call, or waiting; calls halve the delay."""
    random = np.random.default_rng(5)
    rows = 600
    called = (random.random(rows) < 0.5) & calls
    columns: dict[str, object] = {
        "action_id": [f"a{i}" for i in range(rows)],
        "customer_id": [f"c{i // 3}" for i in range(rows)],
        "invoice_id": [f"i{i}" for i in range(rows)],
        "action_code": np.where(called, "call", "wait").tolist(),
        "recommended_action": np.where(called, "call", "wait").tolist(),
        "policy_version": ["p1"] * rows,
        "propensity": np.full(rows, 0.5 if calls else 1.0),
        "holdout": [False] * rows,
        "cost_cents": np.where(called, 800, 0),
        "open_cents": random.integers(500_000, 1_500_000, rows),
        "days_past_due": random.integers(5, 20, rows).astype(np.int32),
        "p_late_30": np.full(rows, 0.4),
        "cause": ["habit"] * rows,
        action_log.DAYS: np.where(called, 20.0, 40.0) + random.normal(0, 3, rows),
        action_log.UNPAID: np.zeros(rows),
    }
    return pa.table(
        [pa.array(columns.get(f.name, [None] * rows), f.type) for f in action_log.LOG_SCHEMA],
        schema=action_log.LOG_SCHEMA,
    )


@cache
def answers() -> dict[str, Valued]:
    return {v.policy: v for v in policy_report.compare(log(), ECONOMICS)}


def test_a_policy_that_the_log_holds_is_valued_with_its_interval() -> None:
    waiting = answers()["wait"].doubly_robust
    # 10,000 euro x 40 days x 8 % a year
    assert waiting.lowest < -10_000 * 40 * ECONOMICS.rate_per_year / 365 < waiting.highest
    assert waiting.lowest < answers()["wait"].snips.value < waiting.highest
    assert answers()["call_largest"].doubly_robust.value > waiting.highest


def test_what_was_never_done_in_such_cases_is_not_identified() -> None:
    for name in ("age_letters", "age_calls"):
        assert not answers()[name].snips.is_identified
        assert "reminder_1" in answers()[name].doubly_robust.lacking
    # no probabilities were kept: nobody can say who was the riskiest
    assert "lacks what it goes by" in answers()["call_riskiest"].snips.lacking


def test_a_log_that_never_tossed_says_what_was_done_and_nothing_else() -> None:
    told = {v.policy: v for v in policy_report.compare(log(calls=False), ECONOMICS)}
    assert told["current_practice"].snips.is_identified
    assert not told["call_largest"].snips.is_identified


def test_an_empty_log_is_an_answer_too() -> None:
    told = policy_report.compare(log().slice(0, 0), ECONOMICS)
    assert {v.policy for v in told} == {"current_practice", *POLICIES}
    assert not any(v.snips.is_identified for v in told)


def test_the_report_is_a_page_that_asks_for_nothing_and_the_same_as_json(tmp_path: Path) -> None:
    names = (*rivals.RULES, *contest.OURS)
    scores = {name: Score(name, 10.0, 5.0, 8.0, 1.0, 1.0, 1.0, 2.0) for name in names}
    met = Contest(1, 100, 900, 50, 0.6, scores)
    told = policy_report.told(list(answers().values()), met, as_of="2026-01-01", decisions=600)
    page, figures = policy_report.publish(told, tmp_path)
    text = page.read_text()
    assert not any(asks in text for asks in ("http://", "https://", "src=", "@import", "url("))
    assert "not identified" in text
    assert "prefers-color-scheme: dark" in text
    assert all(str(escape(NAMES[name])) in text for name in names)
    assert json.loads(figures.read_text()) == told


def test_every_policy_has_a_name() -> None:
    assert {"current_practice", *POLICIES, *rivals.RULES, *contest.OURS} <= NAMES.keys()
