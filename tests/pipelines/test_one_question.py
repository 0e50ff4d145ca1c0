"""One customer's question takes short ways; they lead to the bits of the long ones."""

import numpy as np
import pytest
from engines import ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, askable, ledger_rows
from plain import without_numba
from thorough import examples

from pipelines import ordering_numpy


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE - 40, BASE + 600))
def test_a_question_alone_gets_the_bits_it_gets_among_many_on_the_long_way(
    rows: Rows, day: int
) -> None:
    questions = [(invoice, day) for invoice in list(askable(rows, day))[:4]]
    alone = [ask(rows, [question]) for question in questions]
    twice = questions * 2  # never a single one: two are worked out as a block
    compiled = ask(rows, twice) if questions else np.empty(0)
    with without_numba(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering_numpy, "FEW", 1)
        plain = ask(rows, twice) if questions else np.empty(0)

    assert compiled.tobytes("C") == plain.tobytes("C")
    for at, row in enumerate(alone):
        assert row.tobytes("C") == compiled[at : at + 1].tobytes("C")
