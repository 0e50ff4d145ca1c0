"""GET /v1/exports: last night's scores or worklist as a file, for spreadsheets and analysts.

One flat table in three forms. A spreadsheet runs a text that begins like a formula: in CSV such a
text gets an apostrophe before it, in XLSX every text is stored as text, and Parquet is exact.
"""

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter  # type: ignore[import-untyped]
from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from models import causes
from models.horizons import PROBABILITY_COLUMNS
from pipelines.lookup import in_worklist_order
from serving.answers import Row, Said
from serving.at_hand import AtHand
from serving.file_routes import FileRoute
from serving.invoices import InLanguage
from serving.phrases import action_text, reason_text, signal_text, word
from serving.problems import EVERY_ROUTE, declared

What = Literal["worklist", "scores"]
Form = Literal["csv", "xlsx", "parquet"]
Cell = str | float | int | Decimal | date | None

TYPES: Mapping[str, str] = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
FILE = {"type": "string", "format": "binary"}
ROWS_AT_ONCE = 500
CHUNK_BYTES = 1 << 16
SHEET_ROWS = 1_000_000  # Excel has 1,048,576
CELL_CHARACTERS = 32_767  # Excel's most; CSV and Parquet carry the text whole

_MONEY, _TEXT, _DAY, _NUMBER, _WHOLE = (
    pa.decimal128(18, 2),
    pa.string(),
    pa.date32(),
    pa.float64(),
    pa.int64(),
)
_HEAD = {
    "invoice_id": _TEXT,
    "customer_id": _TEXT,
    "customer_name": _TEXT,
    "company_code": _TEXT,
    "as_of": _DAY,
    "issue_date": _DAY,
    "due_date": _DAY,
    "due_business_date": _DAY,
    "days_past_due": _WHOLE,
    "amount": _MONEY,
    "open_amount": _MONEY,
}
_ACTION = {
    "action_code": _TEXT,
    "action": _TEXT,
    "action_on": _DAY,
    "action_channel": _TEXT,
    "action_value": _MONEY,
    "why": _TEXT,
}
_RISK = {**dict.fromkeys(PROBABILITY_COLUMNS, _NUMBER), "expected_date": _DAY}
_SUMS = {"value_at_risk": _MONEY, "expected_loss": _MONEY, "cost_of_delay": _MONEY}
_WORDS = {"risk_band": _TEXT, "cause": _TEXT, "reasons": _TEXT, "signals": _TEXT}

COLUMNS: Mapping[str, Mapping[str, pa.DataType]] = {
    "worklist": {
        **_HEAD,
        **_ACTION,
        "p_late_30": _NUMBER,
        "expected_date": _DAY,
        "value_at_risk": _MONEY,
        **_WORDS,
    },
    "scores": {
        **_HEAD,
        **_RISK,
        "date_lo": _DAY,
        "date_hi": _DAY,
        "mass_beyond": _NUMBER,
        "expected_days_late": _NUMBER,
        **_SUMS,
        **_WORDS,
        **_ACTION,
        "history_level": _TEXT,
        "model_version": _TEXT,
    },
}


def routes(at_hand: AtHand) -> APIRouter:
    router = APIRouter(tags=["last night's scores"], route_class=FileRoute)

    @router.get(
        "/v1/exports/{what}.{form}",
        summary="Last night as a file",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "one row per open invoice",
                "content": {kind: {"schema": FILE} for kind in TYPES.values()},
            },
            **declared(*EVERY_ROUTE),
        },
    )
    def get_export(
        what: Annotated[What, InPath(description="whose rows, and in which order")],
        form: Annotated[Form, InPath(description="of the file")],
        lang: InLanguage = None,
    ) -> StreamingResponse:
        """CSV in UTF-8 with a byte order mark, commas and CR LF; amounts in units."""
        snapshot = at_hand.scores()
        said = at_hand.said_in(lang, snapshot)
        parts = FORMS[form](what, snapshot.scores(), said)
        name = f"puntuale-{what}-{snapshot.as_of}.{form}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(
            iterate_in_threadpool(parts), media_type=TYPES[form], headers=headers
        )

    return router


def rows(what: str, scores: pa.Table, said: Said) -> Iterator[dict[str, Cell]]:
    """The night's rows, flat and in words: the worklist in its order, the scores by invoice."""
    ordered = in_worklist_order(scores) if what == "worklist" else scores.sort_by("invoice_id")
    wanted = COLUMNS[what]
    for batch in ordered.to_batches(max_chunksize=ROWS_AT_ONCE):
        for row in batch.to_pylist():
            flat = _flat(row, said)
            yield {name: flat[name] for name in wanted}


def _flat(row: Row, said: Said) -> dict[str, Cell]:
    language, currency, action = said["language"], said["currency"], row["action"]
    why = action_text(action, catalogue=said["catalogue"], language=language, currency=currency)
    reasons = [reason_text(reason, language, currency) for reason in row["reasons"] or ()]
    signals = [signal_text(signal, language, currency) for signal in row["signals"] or ()]
    cause = row["cause_hint"]["code"]
    return {
        **{name: row.get(name) for name in (*_HEAD, *_RISK, "date_lo", "date_hi", "mass_beyond")},
        "expected_days_late": row["expected_days_late"],
        "amount": _units(row["amount_cents"]),
        "open_amount": _units(row["open_cents"]),
        **{name: _units(row[f"{name}_cents"]) for name in _SUMS},
        "risk_band": row["risk_band"],
        "cause": causes.sentence(cause, language) if cause in causes.CODES else cause,
        "reasons": " · ".join(reasons),
        "signals": " · ".join(signals),
        "action_code": action["code"],
        "action": word("actions", action["code"], language),
        "action_on": action["on"],
        "action_channel": action["channel"],
        "action_value": _units(action["expected_value_cents"]),
        "why": why,
        "history_level": row["history_level"],
        "model_version": row["model_version"],
    }


def _units(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents).scaleb(-2)


def as_csv(what: What, scores: pa.Table, said: Said) -> Iterator[bytes]:
    """The rows as CSV, some hundred at a time."""
    columns = COLUMNS[what]
    lines = io.StringIO(newline="")
    # all text is quoted: an empty text and nothing are told apart, and so are 007 and 7
    writer = csv.writer(lines, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(columns)
    yield b"\xef\xbb\xbf"  # without it Excel takes the text for another encoding
    for number, row in enumerate(rows(what, scores, said), start=1):
        writer.writerow([_csv_cell(cell) for cell in row.values()])
        if number % ROWS_AT_ONCE == 0:
            yield _emptied(lines)
    yield _emptied(lines)


def _emptied(lines: io.StringIO) -> bytes:
    text = lines.getvalue()
    lines.seek(0)
    lines.truncate()
    return text.encode()


def _csv_cell(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return harmless(cell)
    return cell.isoformat() if isinstance(cell, date) else cell


# = + - @, and what spreadsheets read as these: full-width, small, raised and lowered forms
_SIGNS = (
    "=\uff1d\ufe66\u207c\u208c+\uff0b\ufe62\u207a\u208a\ufb29"
    "\\-\u2212\uff0d\ufe63\u207b\u208b@\uff20\ufe6b"
)
_SPACES = "(?:[^\\S\\t\\r\\n]|[\u200b\ufeff])*"
_BEGINS = re.compile(f"{_SPACES}[{_SIGNS}\\t\\r\\n]")
# where a spreadsheet that splits at semicolons, not at commas, begins another cell
_INSIDE = re.compile(f"(?<=[;\\t\\r\\n])(?={_SPACES}[{_SIGNS}])")


def harmless(text: str) -> str:
    """The text with an apostrophe before whatever a spreadsheet would take for a formula."""
    inside = _INSIDE.sub("'", text)
    return f"'{inside}" if begins_formula(text) else inside


def begins_formula(text: str) -> bool:
    """Whether a spreadsheet may run the text, or make another cell of it."""
    return _BEGINS.match(text) is not None


def as_xlsx(what: What, scores: pa.Table, said: Said) -> Iterator[bytes]:
    """The rows as a workbook: numbers, days and money as such, every text as text."""
    with tempfile.TemporaryDirectory(prefix="puntuale-export-") as folder:
        path = Path(folder) / "export.xlsx"
        options = {
            "constant_memory": True,
            "tmpdir": folder,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        with xlsxwriter.Workbook(path, options) as book:
            _fill(book, what, rows(what, scores, said))
        yield from _content(path)


def _fill(book: Any, what: str, told: Iterator[dict[str, Cell]]) -> None:
    styles = {
        "head": book.add_format({"bold": True}),
        "money": book.add_format({"num_format": "#,##0.00"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        "text": book.add_format({"quote_prefix": True}),  # stays text when it is edited
    }
    sheet = _sheet(book, what, styles)
    for number, row in enumerate(told):
        if number and number % SHEET_ROWS == 0:
            sheet = _sheet(book, what, styles)
        for column, cell in enumerate(row.values()):
            _write(sheet, number % SHEET_ROWS + 1, column, cell, styles)


def _sheet(book: Any, what: str, styles: Mapping[str, Any]) -> Any:
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 1)
    for column, name in enumerate(COLUMNS[what]):
        sheet.write_string(0, column, name, styles["head"])
    return sheet


def _write(sheet: Any, line: int, column: int, cell: Cell, styles: Mapping[str, Any]) -> None:
    if cell is None or cell != cell:  # nothing, or not a number
        return
    if isinstance(cell, str):
        style = styles["text"] if begins_formula(cell) else None
        sheet.write_string(line, column, cell[:CELL_CHARACTERS], style)
    elif isinstance(cell, date):
        sheet.write_datetime(line, column, cell, styles["day"])
    else:
        style = styles["money"] if isinstance(cell, Decimal) else None
        sheet.write_number(line, column, float(cell), style)


def as_parquet(what: What, scores: pa.Table, said: Said) -> Iterator[bytes]:
    """The rows as a Parquet file, amounts as decimals."""
    schema = pa.schema(list(COLUMNS[what].items()))
    with tempfile.TemporaryDirectory(prefix="puntuale-export-") as folder:
        path = Path(folder) / "export.parquet"
        with pq.ParquetWriter(path, schema, compression="zstd") as file:
            part: list[dict[str, Cell]] = []
            for row in rows(what, scores, said):
                part.append(row)
                if len(part) == SHEET_ROWS // 100:
                    file.write_table(pa.Table.from_pylist(part, schema))
                    part = []
            file.write_table(pa.Table.from_pylist(part, schema))
        yield from _content(path)


def _content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(CHUNK_BYTES):
            yield part


FORMS: Mapping[str, Callable[[What, pa.Table, Said], Iterator[bytes]]] = {
    "csv": as_csv,
    "xlsx": as_xlsx,
    "parquet": as_parquet,
}
