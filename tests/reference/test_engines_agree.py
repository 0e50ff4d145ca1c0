from engines import ENGINES, Rows, ask, differences
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, askable, ledger_rows
from thorough import examples

from pipelines.features import BOOK


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(ledger_rows(), st.lists(st.integers(BASE - 40, BASE + 600), min_size=1, max_size=3))
def test_both_engines_give_the_same_features(rows: Rows, days: list[int]) -> None:
    questions = [(invoice, day) for day in days for invoice in list(askable(rows, day))[:4]]
    values = ask(rows, questions)
    for (invoice, day), row in zip(questions, values.tolist(), strict=True):
        found = dict(zip(BOOK, row, strict=True))
        assert differences(found, ENGINES["reference"](rows, invoice, day)) == {}
