"""What schemathesis cannot read in the OpenAPI document: how days and bodies of lines are drawn,
which rows of a request belong together, and which refusals are the rules that no schema can say.
"""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from pipelines.rules import FIRST_DAY, LAST_DAY
from pipelines.tables import TABLES

DAYS = st.dates(FIRST_DAY, LAST_DAY).map(lambda day: day.isoformat())
NAMES = sorted({column.name for table in TABLES.values() for column in table.columns})
# a cell without what ends a row or, to a strict reader, is no text at all
CELLS = st.one_of(DAYS, st.integers(0, 10**6).map(str), st.text("abcÀ 0-.", max_size=8))
ROWS = st.lists(
    st.dictionaries(st.sampled_from(NAMES), CELLS, min_size=1, max_size=5), min_size=1, max_size=4
)


def as_lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def as_csv(rows: list[dict[str, str]]) -> bytes:
    header = sorted({name for row in rows for name in row})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@schemathesis.serializer("application/x-ndjson", "text/csv")
def as_it_is(context: Any, value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")


schemathesis.openapi.format("date", DAYS)
schemathesis.openapi.media_type("application/x-ndjson", ROWS.map(as_lines))
schemathesis.openapi.media_type("text/csv", ROWS.map(as_csv))


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    """A request that the schema lets through may be refused by what `x-rules` names, only."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 422:
        return True
    declared = case.operation.definition.raw["responses"]["422"].get("x-rules", ())
    errors: list[Mapping[str, str]] = response.json()["errors"]
    return not errors or any(error["rule"] not in declared for error in errors)
