import json
from pathlib import Path

import pytest

from pipelines import streams
from pipelines.as_of import Node, as_of, given, largest
from pipelines.features import BOOK, page
from pipelines.features.definition import definition
from pipelines.stream import Stream
from serving import features_command

DOCS = Path(__file__).parents[3] / "docs" / "features.md"

paid = Stream("paid")


def test_the_docs_page_is_what_the_book_says() -> None:
    assert DOCS.read_text(encoding="utf-8") == page.markdown(), (
        "write it again: puntuale features --markdown > docs/features.md"
    )


def test_the_command_lists_every_feature(capsys: pytest.CaptureFixture[str]) -> None:
    features_command.features(as_json=True)
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(BOOK)
    features_command.features(as_markdown=True)
    assert capsys.readouterr().out == page.markdown()


def test_every_feature_has_its_row_and_its_definition() -> None:
    rows = page.described()
    assert [row["name"] for row in rows] == list(BOOK)
    assert all(row["definition"] for row in rows)


def test_the_glossary_has_every_stream_that_the_ledger_fills() -> None:
    from pipelines.ledger import Ledger

    declared = {stream.name for stream in streams.STREAMS}
    assert declared == set(streams.build(Ledger.of()).events)
    assert all(stream.tells for stream in streams.STREAMS)


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (paid.mean("amount", 90), "mean(paid.amount, 90 days)"),
        (paid.share("delay", above=30), "share(paid.delay > 30)"),
        (paid.sum("amount", 90) / paid.count(), "sum(paid.amount, 90 days) / count(paid)"),
        (1 - (as_of - given("due_day")), "1 - (as_of - this.due_day)"),
        (2 * (paid.count() + 1) / 3, "2 * (count(paid) + 1) / 3"),
        (abs(paid.last("day", back=2)).fill(0), "(|last(paid.day, 2 before)| or 0)"),
        (paid.last("day", days_ago=180).unless(-1), "(last(paid.day, 180 days ago) unless -1)"),
        (paid.slope("delay", events=10), "slope(paid.delay, last 10 events)"),
        (largest(*[paid.sum(c) for c in "abcd"]), "largest(sum(paid.a), ..., sum(paid.d))"),
    ],
)
def test_an_expression_is_said_as_it_was_written(node: Node, said: str) -> None:
    assert definition(node) == said


def test_an_expression_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one that definitions know, got: nonsense"):
        definition(Node(("nonsense", "paid"), lambda c: c.as_of))
