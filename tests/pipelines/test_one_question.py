"""One customer's question takes short ways; they lead to the bits of the long ones."""

import sys

import numpy as np
import pytest
from engines import ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, askable, ledger_rows

import pipelines
from pipelines import block, ordering


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.integers(BASE - 40, BASE + 600))
def test_a_question_alone_gets_the_bits_it_gets_among_many_on_the_long_way(
    rows: Rows, day: int
) -> None:
    questions = [(invoice, day) for invoice in list(askable(rows, day))[:4]]
    alone = [ask(rows, [question]) for question in questions]
    twice = questions * 2  # never a single one: two are worked out as a block
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordering, "FEW", 1)
        compiled = ask(rows, twice) if questions else np.empty(0)
        patch.delattr(pipelines, "as_of_compiled", raising=False)
        patch.setitem(sys.modules, "pipelines.as_of_compiled", None)
        block.hot_primitives.cache_clear()
        plain = ask(rows, twice) if questions else np.empty(0)
    block.hot_primitives.cache_clear()

    assert compiled.tobytes("C") == plain.tobytes("C")
    for at, row in enumerate(alone):
        assert row.tobytes("C") == compiled[at : at + 1].tobytes("C")
