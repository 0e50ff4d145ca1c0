"""The book described from its own lines: rows for a program, the page `docs/features.md`."""

from collections.abc import Iterator

from pipelines import streams
from pipelines.features import BOOK, FAMILIES
from pipelines.features.definition import definition
from pipelines.features.feature import Feature

_HEAD = """# The features

All are as of a day `as_of`, from what happened and was known before it; what is missing stays
missing. This page is made from the lines of `pipelines/features/` by
`puntuale features --markdown`.

A window of 90 days holds what became known on the 90 days before `as_of`; without one, all history
is meant. `share(settled.delay > 30, 365 days)` is the share of last year's settlements whose
`delay` was more than 30. `mean`, `std`, `median` and `max` are what they are elsewhere; `ewm`
halves a value's weight with each half life before the last one; `slope` is by least squares, in
days a day; `median_deviation` is the median distance from the median. A ratio to zero is missing.
`x or 0` is 0 where x is missing, `x unless 0` is missing where x is 0. Money is in cents.

`this` is the invoice asked about: its amount, terms and dates, and `this.in_country` and the like,
which are 1 where the group is known and missing where it is not.
"""


def described() -> list[dict[str, object]]:
    """One row for each feature, for programs and tables."""
    return [
        {
            "name": feature.name,
            "family": feature.family,
            "cause": feature.cause,
            "definition": definition(feature.node),
            "unit": feature.unit,
            "usual": list(feature.usual),
            "it": feature.it,
            "en": feature.en,
        }
        for feature in BOOK.values()
    ]


def markdown() -> str:
    """The page: each family's features, then the streams that they read."""
    lines = [_HEAD]
    for family in FAMILIES:
        lines += _family(family)
    return "\n".join([*lines, *_glossary()]) + "\n"


def _family(family: tuple[Feature, ...]) -> Iterator[str]:
    yield f"## {family[0].family.capitalize()}\n"
    yield "| feature | definition | unit | usual | reason group | in words |"
    yield "|---|---|---|---|---|---|"
    for feature in family:
        low, high = feature.usual
        cells = (
            f"`{feature.name}`",
            f"`{definition(feature.node)}`",
            feature.unit,
            f"{low:,} to {high:,}",
            feature.cause,
            f"{feature.en}<br>{feature.it}",
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _glossary() -> Iterator[str]:
    yield "## Streams\n"
    yield "| stream | of a | events and columns |"
    yield "|---|---|---|"
    for stream in streams.STREAMS:
        yield f"| `{stream.name}` | {stream.owner} | {stream.tells} |"
    yield (
        "\nThe streams `peers_...` hold, for each group of customers, how many invoices had\n"
        "matured (`matured_30`: their due day lies more than 30 days back) and how many were late."
    )
