import csv
import io
import re
import zipfile
from decimal import Decimal
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import exports
from serving.exports import COLUMNS, TYPES, begins_formula, harmless

DANGEROUS = [
    "=cmd|'/c calc'!A1",
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "＋1",
    " =1",
]
NASTY = 'Rossi "Figli"; S.r.l. | Via\r\nRoma, 1\nMilano ' + "x" * 65_000
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def export(service, path):
    answer = service.get(f"/v1/exports/{path}")
    assert answer.status_code == 200, answer.text
    return answer


def lines(service, path="worklist.csv"):
    text = export(service, path).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def cells(content):
    """The first sheet's cells by row: text, or the number as it is written."""
    book = zipfile.ZipFile(io.BytesIO(content))
    shared = book.read("xl/sharedStrings.xml") if "xl/sharedStrings.xml" in book.namelist() else b""
    assert shared == b"", "texts stand in their cells"
    sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    assert sheet.find(f".//{SHEET}f") is None, "no cell is a formula"
    return [
        [
            "".join(cell.itertext()) if cell.get("t") == "inlineStr" else float(cell[0].text)
            for cell in row
            if len(cell)
        ]
        for row in sheet.iter(f"{SHEET}row")
    ]


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("what", COLUMNS)
def test_a_file_has_one_row_per_open_invoice(client, what, form):
    answer = export(client, f"{what}.{form}?lang=en")
    assert answer.headers["Content-Type"].startswith(TYPES[form])
    name = f'attachment; filename="puntuale-{what}-2026-06-30.{form}"'
    assert answer.headers["Content-Disposition"] == name
    if form == "parquet":
        table = pq.read_table(io.BytesIO(answer.content))
        assert (table.column_names, table.num_rows) == (list(COLUMNS[what]), 4)
    elif form == "csv":
        assert answer.content.count(b"\r\n") == 5
    else:
        assert len(cells(answer.content)) == 5


def test_the_worklist_keeps_its_order_and_the_scores_that_of_their_ids(client):
    shown = [row["invoice_id"] for row in client.get("/v1/worklist").json()["invoices"]]
    assert [row["invoice_id"] for row in lines(client)] == shown
    ids = [row["invoice_id"] for row in lines(client, "scores.csv")]
    assert ids == sorted(ids)


def test_amounts_are_exact_in_every_form(serve, row):
    service = serve([row(open_cents=1, amount_cents=10**15 + 1)])
    (line,) = lines(service)
    assert (line["open_amount"], line["amount"]) == ("0.01", "10000000000000.01")
    table = pq.read_table(io.BytesIO(export(service, "worklist.parquet").content))
    assert table["open_amount"].to_pylist() == [Decimal("0.01")]


def test_texts_are_in_the_language_that_was_asked_for(client):
    italian, english = (lines(client, f"worklist.csv?lang={lang}")[0] for lang in ("it", "en"))
    assert italian["reasons"] != english["reasons"]
    assert english["cause"] == "habit of paying late"


@pytest.mark.parametrize("name", DANGEROUS)
def test_a79_a_name_that_begins_like_a_formula_is_text(serve, row, name):
    service = serve([row(customer_name=name)])
    written = lines(service)[0]["customer_name"]
    assert "'" in written
    assert not begins_formula(written)
    assert written.replace("'", "") == name.replace("'", ""), "nothing is lost"
    shown = name.replace("\r", "_x000D_")  # as XLSX writes it
    assert shown in cells(export(service, "worklist.xlsx").content)[1]
    table = pq.read_table(io.BytesIO(export(service, "worklist.parquet").content))
    assert table["customer_name"].to_pylist() == [name]


def test_a79_a_negative_number_stays_a_number(serve, row):
    service = serve([row(days_past_due=-9, expected_days_late=-2.5)])
    (line,) = lines(service, "scores.csv")
    assert (line["days_past_due"], line["expected_days_late"]) == ("-9", "-2.5")
    assert {-9.0, -2.5} <= set(cells(export(service, "scores.xlsx").content)[1][1:])


def test_a79_a_spreadsheet_that_splits_at_semicolons_finds_no_formula_either():
    assert harmless("a;=1") == "a;'=1"
    assert harmless("a\n=1") == "a\n'=1"
    assert harmless("a,=1") == "a,=1", "commas are inside quotes"


@given(st.text())
def test_a79_no_text_begins_a_cell_with_a_formula(text):
    written = harmless(text)
    assert not begins_formula(written)
    assert not any(begins_formula(cell) for cell in re.split("[;\t\r\n]", written) if cell)


@given(st.text(alphabet=st.characters(exclude_characters="=+-@\u2212", exclude_categories=["Cs"])))
def test_a80_a_text_that_is_no_formula_is_not_touched(text):
    if not any(begins_formula(cell) for cell in [text, *re.split("[;\t\r\n]", text)] if cell):
        assert harmless(text) == text


def test_a80_line_breaks_quotes_and_separators_come_back_as_they_were(serve, row):
    service = serve([row(customer_name=NASTY)])
    assert lines(service)[0]["customer_name"] == NASTY
    table = pq.read_table(io.BytesIO(export(service, "worklist.parquet").content))
    assert table["customer_name"].to_pylist() == [NASTY]
    sheet = cells(export(service, "worklist.xlsx").content)
    assert NASTY[: exports.CELL_CHARACTERS].replace("\r", "_x000D_") in sheet[1]


@pytest.mark.parametrize(
    "name", ["Caffè 🦄", "株式会社", "شركة", "evil\u202elatot", "NA", "007", "NULL"]
)
@pytest.mark.parametrize("form", TYPES)
def test_a81_a82_any_script_is_unchanged(serve, row, name, form):
    service = serve([row(customer_name=name)])
    content = export(service, f"worklist.{form}").content
    if form == "csv":
        assert lines(service)[0]["customer_name"] == name
    elif form == "parquet":
        table = pq.read_table(io.BytesIO(content))
        assert table["customer_name"].to_pylist() == [name]
    else:
        assert name in cells(content)[1]


def test_a_workbook_goes_on_with_another_sheet(serve, row, monkeypatch):
    monkeypatch.setattr(exports, "SHEET_ROWS", 2)
    service = serve([row(invoice_id=f"F{i}") for i in range(5)])
    book = zipfile.ZipFile(io.BytesIO(export(service, "scores.xlsx").content))
    sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
    assert len(sheets) == 3


@pytest.mark.parametrize(
    "path",
    ["worklist.xls", "customers.csv", "worklist", "worklist.csv?limit=3", "scores.csv?lang=de"],
)
def test_only_the_files_that_there_are_are_given(client, path):
    answer = client.get(f"/v1/exports/{path}")
    assert answer.status_code in (404, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_client_that_wants_csv_is_given_it(client):
    headers = {"Accept": "text/csv"}
    assert client.get("/v1/exports/worklist.csv", headers=headers).status_code == 200


def test_b24_a_range_of_a_file_is_not_cut(client):
    headers = {"Range": "bytes=" + ",".join(f"{i}-{i}" for i in range(500))}
    answer = client.get("/v1/exports/worklist.parquet", headers=headers)
    assert answer.status_code == 200
