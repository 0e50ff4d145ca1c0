"""PUT /v1/ledger/{table}: rows of the ledger as they happen; GET /v1/quarantine: the held ones."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from pipelines.records import audit, ledger_rows
from pipelines.records.audit import Writer
from pipelines.records.row_check import Cell, RowFault, check
from pipelines.tables import TABLES
from serving.answers import Answer, JsonAnswer
from serving.at_hand import AtHand
from serving.problems import EVERY_ROUTE, Fault, Problem, counted, declared, path_of, shape
from serving.strict_requests import StrictRoute, parse_json
from serving.worklist import Cursor, Limit
from serving.writes import IDEMPOTENCY, once

ROWS_PER_REQUEST = 10_000
JSON, LINES, CSV = "application/json", "application/x-ndjson", "text/csv"
TableName = Literal[
    "customers",
    "invoices",
    "payments",
    "credit_notes",
    "disputes",
    "promises",
    "credit_limits",
    "external_ratings",
    "actions",
    "legal_events",
]


class RowFaultMessage(Answer):
    """One thing wrong with one row."""

    column: str = Field(examples=["due_date"])
    rule: str = Field(examples=["unreadable_date"])
    found: str = Field(examples=["2026-02-31"])
    expected: str = Field(examples=["a date as YYYY-MM-DD"])


class RowVerdict(Answer):
    """What became of one row; rows count from 0 in the order in which they were sent."""

    row: int
    key: list[str] | None = Field(description="the values that name the row", examples=[["F1"]])
    status: Literal["accepted", "revised", "unchanged", "held"]
    faults: list[RowFaultMessage]


class Taken(Answer):
    """How many rows came, and what became of each."""

    table: str
    received: int
    accepted: int
    revised: int
    unchanged: int
    held: int
    already_imported: bool = Field(description="every row was known already, as it was sent")
    ignored_columns: list[str] = Field(description="columns that a ledger does not know")
    rows: list[RowVerdict]


class HeldRow(Answer):
    """A row that is held until it comes right."""

    id: int
    table: str
    key: list[str] | None
    received_at: str
    content: dict[str, str]
    faults: list[RowFaultMessage]


class Held(Answer):
    """Rows that are held, the oldest first."""

    next_cursor: str | None
    rows: list[HeldRow]


ROW_SCHEMA = {
    "title": "LedgerRow",
    "description": "The columns of one row by name: text, numbers or booleans.",
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
ROWS_SCHEMA = {
    "title": "LedgerRows",
    "description": "Rows of one table.",
    "type": "object",
    "required": ["rows"],
    "additionalProperties": False,
    "properties": {
        "rows": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/LedgerRow"},
            "minItems": 1,
            "maxItems": ROWS_PER_REQUEST,
        }
    },
}
_BODY = {
    "required": True,
    "content": {
        JSON: {
            "schema": {"$ref": "#/components/schemas/LedgerRows"},
            "example": {"rows": [{"invoice_id": "F1", "paid_on": "2026-06-30", "amount": 100.5}]},
        },
        LINES: {"schema": {"type": "string"}, "example": '{"customer_id": "C1"}\n'},
        CSV: {"schema": {"type": "string"}, "example": "customer_id,name\nC1,Rossi\n"},
    },
}


SENT = (
    "Rows named by their natural keys: sent again they change nothing, changed they are the next "
    "revision. A wrong row is held with every fault, the others go on. PUT and POST do the same."
)


def columns_told() -> str:
    """The columns of every table as Markdown, those that a row needs first and in bold."""
    lines = []
    for table in TABLES.values():
        ordered = sorted(table.columns, key=lambda column: not column.required)
        names = [f"**{c.name}**" if c.required else c.name for c in ordered]
        key = f", a row is named by `{table.key}`" if table.key else ""
        lines.append(f"- `{table.name}`{key}: {', '.join(names)}")
    return "\n".join(lines)


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["the ledger"], route_class=StrictRoute)
    declaration: dict[str, Any] = {
        "summary": "Send rows of the ledger",
        "description": f"{SENT}\n\n{columns_told()}",
        "response_model": Taken,
        "response_class": JsonAnswer,
        "responses": declared(*EVERY_ROUTE, 409),
        "openapi_extra": {"requestBody": _BODY, "parameters": [IDEMPOTENCY]},
    }

    async def take(
        request: Request,
        table: Annotated[TableName, Path(description="which table the rows are of")],
        all_or_nothing: Annotated[
            bool, Query(description="One wrong row refuses the whole request (422).")
        ] = False,
    ) -> Response:
        body = await request.body()
        rows = rows_of(body, request.headers.get("content-type", ""))
        checked = check(table, rows)
        if all_or_nothing and (faults := _faults([row.faults for row in checked])):
            raise Problem("invalid-request", counted(len(faults)), faults=faults)

        def write(connection: sa.Connection, writer: Writer) -> dict[str, Any]:
            verdicts = ledger_rows.put(connection, table, checked, at=writer.at)
            tally = ledger_rows.tally(verdicts)
            audit.note(connection, writer, "ledger rows", table, tally)
            return told(table, rows, verdicts)

        return await once(request, at_hand.records, body, write)

    path = "/v1/ledger/{table}"
    router.put(path, operation_id="put_ledger", **declaration)(take)
    router.post(path, operation_id="post_ledger", **declaration)(take)

    @router.get(
        "/v1/quarantine",
        summary="Rows that are held, and why",
        response_model=Held,
        response_class=JsonAnswer,
        responses=declared(*EVERY_ROUTE),
    )
    def get_quarantine(
        table: Annotated[TableName | None, Query(description="of this table only")] = None,
        limit: Limit = 50,
        cursor: Cursor = "0",
    ) -> JsonAnswer:
        """Sent again and right, a row is held no longer."""
        with at_hand.records.reading() as connection:
            found = ledger_rows.waiting(connection, after=int(cursor), limit=limit, table=table)
        rows = [
            {
                "id": row["id"],
                "table": row["ledger_table"],
                "key": _key(row["row_key"]),
                "received_at": row["received_at"],
                "content": row["content"],
                "faults": row["faults"],
            }
            for row in found
        ]
        return JsonAnswer(
            {"next_cursor": str(rows[-1]["id"]) if len(rows) == limit else None, "rows": rows}
        )

    return router


def told(
    table: str, rows: Sequence[Mapping[str, Cell]], verdicts: Sequence[ledger_rows.Verdict]
) -> dict[str, Any]:
    """The verdicts as a message."""
    known = {column.name for column in TABLES[table].columns}
    tally = {"accepted": 0, "revised": 0, "unchanged": 0, "held": 0} | ledger_rows.tally(verdicts)
    return {
        "table": table,
        "received": len(rows),
        **tally,
        "already_imported": tally["unchanged"] == len(rows),
        "ignored_columns": [
            path_of([name]) for name in sorted({n for r in rows for n in r} - known)
        ],
        "rows": [
            {
                "row": number,
                "key": _key(verdict.key),
                "status": verdict.status,
                "faults": [vars(fault) for fault in verdict.faults],
            }
            for number, verdict in enumerate(verdicts)
        ],
    }


def rows_of(body: bytes, content_type: str) -> list[dict[str, Cell]]:
    """The rows of a body in any of the three forms; Problem where it is in none."""
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charsets = {p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p}
    if kind not in (JSON, LINES, CSV) or not charsets <= {"utf-8", "utf8", "us-ascii"}:
        raise Problem("unsupported-media-type", f"Send {JSON}, {LINES} or {CSV} in UTF-8.")
    rows = {JSON: _json_rows, LINES: _line_rows, CSV: _csv_rows}[kind](body)
    if not 1 <= len(rows) <= ROWS_PER_REQUEST:
        fault = Fault("rows", "count", f"1 to {ROWS_PER_REQUEST} rows", shape(rows))
        raise Problem("invalid-request", counted(1), faults=[fault])
    return rows


def _json_rows(body: bytes) -> list[dict[str, Cell]]:
    given = parse_json(body)
    if not isinstance(given, dict) or set(given) != {"rows"} or not isinstance(given["rows"], list):
        fault = Fault("", "rows", "an object with the one field rows, a list", shape(given))
        raise Problem("invalid-request", counted(1), faults=[fault])
    return _plain(given["rows"])


def _line_rows(body: bytes) -> list[dict[str, Cell]]:
    return _plain([parse_json(line) for line in body.splitlines() if line.strip()])


def _plain(rows: Sequence[object]) -> list[dict[str, Cell]]:
    """Rows that are objects of plain values, else the problem of every one that is not."""
    faults = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            faults.append(Fault(f"rows[{number}]", "row", "an object", shape(row)))
            continue
        faults += [
            Fault(
                path_of(["rows", number, name]), "cell", "text, a number, true or false", shape(v)
            )
            for name, v in row.items()
            if isinstance(v, list | dict)
        ]
    if faults:
        raise Problem("invalid-request", counted(len(faults)), faults=faults)
    return [row for row in rows if isinstance(row, dict)]


def _csv_rows(body: bytes) -> list[dict[str, Cell]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem("malformed-request", "The body must be UTF-8.") from None
    try:
        header, *lines = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except csv.Error as fault:
        raise Problem("malformed-request", f"The body is not CSV: {fault}.") from None
    if len(set(header)) != len(header):
        raise Problem("malformed-request", "The header names a column twice.")
    uneven = [n for n, line in enumerate(lines) if line and len(line) != len(header)]
    if uneven:
        expected = f"{len(header)} cells, as the header has"
        faults = [Fault(f"rows[{n}]", "cells", expected, shape(lines[n])) for n in uneven]
        raise Problem("invalid-request", counted(len(faults)), faults=faults)
    return [dict(zip(header, line, strict=True)) for line in lines if line]


def _faults(by_row: Sequence[Sequence[RowFault]]) -> list[Fault]:
    return [
        Fault(
            path_of(["rows", number, fault.column]), fault.rule, fault.expected, shape(fault.found)
        )
        for number, faults in enumerate(by_row)
        for fault in faults
    ]


def _key(key: object) -> list[str] | None:
    return None if key is None else str(key).split("\x1f")
