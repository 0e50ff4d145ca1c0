"""The cause hints against the truth of an invented ledger."""

from functools import cache
from pathlib import Path

import pytest

from models import causes
from pipelines import hint_check, synthetic
from pipelines.hint_check import LOOKS, SEED, TRUE_CAUSES, Counts, precision, recall

DOCS = Path(__file__).parents[2] / "docs" / "causes.md"


@cache
def counts() -> Counts:
    return hint_check.confusion(*synthetic.generate(customers=200, seed=SEED), LOOKS)


def test_the_docs_page_is_what_the_rules_give() -> None:
    assert DOCS.read_text(encoding="utf-8") == hint_check.markdown(), (
        "write it again: python -c 'from pipelines import hint_check as h;"
        ' print(h.markdown(), end="")\' > docs/causes.md'
    )


@pytest.mark.parametrize(
    ("cause", "found", "right"),
    [("difficulty", 0.75, 0.75), ("administrative", 0.55, 0.85), ("habit", 0.5, 0.4)],
)
def test_overdue_invoices_get_the_cause_that_they_are_late_for(
    cause: str, found: float, right: float
) -> None:
    assert recall(counts(), cause) > found
    assert precision(counts(), cause) > right


def test_few_invoices_that_are_not_due_and_will_be_paid_on_time_are_held_for_trouble() -> None:
    on_time = {hint: counts()[False, "on time", hint] for hint in causes.CODES}
    total = sum(on_time.values())
    assert on_time["administrative"] < 0.02 * total
    assert on_time["difficulty"] < 0.03 * total


def test_every_open_invoice_is_counted_once() -> None:
    cells = {
        (late, cause, hint)
        for late in (True, False)
        for cause in TRUE_CAUSES
        for hint in causes.CODES
    }
    assert set(counts()) <= cells
    shuffled = hint_check.confusion(*synthetic.generate(customers=200, seed=SEED), LOOKS[::-1])
    assert shuffled == counts()
