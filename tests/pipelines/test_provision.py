"""The provision matrix: worked by hand, told the slow way, and never of what came later."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, drawn, ledger_rows, to_ledger
from reference.kpis import EDGES, left
from reference.replay import Rows, World
from thorough import examples

from models.outlook import Economics
from pipelines import kpis, provision
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settlement import settle

NO_SCORES = pa.Table.from_pylist([], SCORE_SCHEMA)


def test_a_matrix_worked_by_hand() -> None:
    # As of day 300 with 2 of 3 EUR 100 lost: A and B, due on day 40, were 20 days late on day 60.
    # B came on day 230, its 190th; C on day 100. D is 20 days late now and has not matured.
    ledger = to_ledger(
        drawn("""
        invoices invoice_id customer_id issue_date due_date amount
        A C1 0 40 100.00
        B C1 0 40 100.00
        C C1 0 40 100.00
        D C1 200 280 900.00
        payments invoice_id paid_on amount
        B 230 100.00
        C 100 100.00
    """)
    )
    told = {of["bucket"]: of for of in provision.matrix(ledger, NO_SCORES, BASE + 300)}

    # past days 270, 240, ... 30: those with an age of 1 to 30 days: day 60 alone
    assert told["days_1_30"]["matured_cents"] == 300_00
    assert told["days_1_30"]["open_cents"] == 900_00
    assert told["days_1_30"]["rate"] == pytest.approx(2 / 3 * Economics().lgd[1])
    assert told["days_1_30"]["provision_cents"] == round(900_00 * 2 / 3 * Economics().lgd[1])
    # A is 260 days late and lost for certain: over 90 days late it was seen with B alone
    assert told["days_over_90"]["rate"] == pytest.approx(Economics().lgd[4])
    assert told["days_over_90"]["provision_cents"] == round(100_00 * Economics().lgd[4])


def test_the_models_own_loss_stands_beside_each_bucket() -> None:
    scores = pa.table({"days_past_due": [-3, 0, 1, 30, 31, 400], "expected_loss_cents": [1] * 6})
    told = provision.matrix(to_ledger({}), scores, BASE)

    assert [of["expected_loss_cents"] for of in told] == [2, 2, 1, 0, 1]
    assert [(of["rate"], of["provision_cents"]) for of in told] == [(None, None)] * 5


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE + 100, BASE + 700))
def test_a_plain_reference_tells_the_same(rows: Rows, as_of: int) -> None:
    ledger = to_ledger(rows)
    exposed, lost = provision.past_losses(settle(ledger.known_before(as_of)), as_of)

    assert (exposed.tolist(), lost.tolist()) == slow_losses(rows, as_of)
    now = [of["open_cents"] for of in provision.matrix(ledger, NO_SCORES, as_of)]
    assert now == list(kpis.of(ledger, as_of)["ageing_cents"].values())


@settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE + 100, BASE + 700))
def test_what_comes_after_the_day_changes_nothing(rows: Rows, as_of: int) -> None:
    ledger = to_ledger(rows)
    known = ledger.known_before(as_of)
    assert provision.matrix(ledger, NO_SCORES, as_of) == provision.matrix(known, NO_SCORES, as_of)


def slow_losses(rows: Rows, as_of: int) -> tuple[list[int], list[int]]:
    """Invoice by invoice and day by day."""
    exposed, lost = [0] * len(EDGES), [0] * len(EDGES)
    ends = {invoice.row["invoice_id"]: invoice for invoice in World(rows, as_of).invoices}
    for back in range(1, provision.PAST_DAYS + 1):
        day = as_of - provision.APART_DAYS * back
        for invoice in World(rows, day).invoices:
            if not invoice.is_open or invoice.due + 180 >= as_of:
                continue
            age = day - invoice.due
            (at,) = [at for at, (_, first, last) in enumerate(EDGES) if first <= age <= last]
            exposed[at] += left(invoice)
            end = ends[invoice.row["invoice_id"]]
            settled = [move.reached for move in end.moves if move.settles]
            in_time = not end.is_open and settled[-1] <= invoice.due + 180
            lost[at] += 0 if in_time else left(invoice)
    return exposed, lost
