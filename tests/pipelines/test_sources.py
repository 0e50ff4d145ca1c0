"""A folder, a database or a foreign export becomes a ledger."""

import os
import time
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipelines.intake import mapping
from pipelines.sources import Intake, IntakeRefused, read, shipped

TODAY = date(2026, 6, 30)
SHARED = Path(__file__).parents[3] / "shared" / "data"
SERVER = os.environ.get(
    "PUNTUALE_TEST_DATABASE_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)
TABLES = {
    "customers": "customer_id,name,province\nC1,Rossi,NA\nC2,Bianchi,MI\n",
    "invoices": (
        "invoice_id,customer_id,issue_date,due_date,amount\n"
        "F1,C1,2026-01-01,2026-01-31,100.00\n"
        "F2,C2,2026-01-02,2026-02-31,50.00\n"
        "F3,C2,2026-01-03,2026-02-28,25.50\n"
    ),
    "payments": "invoice_id,paid_on,amount\nF1,2026-02-10,100.00\nF3,2026-03-01,25.50\n",
}


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the real ledgers are not at {SHARED.name} beside the project")
    return SHARED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (made := tmp_path / "ledger").mkdir()
    for name, text in TABLES.items():
        (made / f"{name}.csv").write_text(text, encoding="utf-8")
    return made


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def plan(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def totals(intake: Intake, table: str) -> dict[str, int]:
    rows = intake.reconciliation.to_pylist()
    return next(r for r in rows if r["table"] == table and r["column"] == "amount")


def test_a_folder_of_csv_becomes_a_ledger_and_its_account(folder):
    intake = read(folder, today=TODAY)
    assert intake.counts["invoices"] == {"read": 3, "accepted": 2, "quarantined": 1}
    assert totals(intake, "invoices")["quarantined_cents"] == 5_000
    assert intake.ledger.payments["customer_id"].to_pylist() == ["C1", "C2"]
    assert set(intake.files) == {"customers.csv", "invoices.csv", "payments.csv"}


def test_a_table_may_come_in_numbered_parts_or_in_a_folder(folder):
    (folder / "invoices.csv").unlink()
    (folder / "invoices").mkdir()
    for part in range(3):
        row = {
            "invoice_id": [f"F{part}"],
            "customer_id": ["C1"],
            "due_date": [TODAY],
            "amount": [10.5],
        }
        pq.write_table(pa.table(row), folder / "invoices" / f"part-{part}.parquet")
    (folder / "disputes-1.csv").write_text("invoice_id,opened_on\nF1,2026-01-05\n")
    (folder / "disputes-2.csv").write_text("invoice_id,opened_on\nF2,2026-01-05\n")
    ledger = read(folder, today=TODAY).ledger
    assert ledger.invoices["amount_cents"].to_pylist() == [1_050] * 3
    assert ledger.disputes.num_rows == 2


def test_a_run_stops_past_the_stated_share_in_quarantine(folder):
    intake = read(folder, today=TODAY)
    assert intake.quarantined_share == pytest.approx(1 / 3)
    intake.raise_if_over(0.34)
    with pytest.raises(IntakeRefused, match=r"invoices: 1 of 3 rows .* unreadable_date 1"):
        intake.raise_if_over(0.01)


def test_a_folder_of_other_files_is_told_about_mappings(tmp_path):
    write(tmp_path / "in", orders="a,b\n1,2\n")
    with pytest.raises(IntakeRefused, match="needs a mapping, such as ibm, quickbooks") as refused:
        read(tmp_path / "in")
    assert len(refused.value.faults) == 3


def test_a_source_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(IntakeRefused, match="source must be a folder"):
        read(tmp_path / "nowhere")


def database(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (customer_id TEXT, name TEXT)"))
        connection.execute(sa.text("INSERT INTO customers VALUES ('C1', 'NA'), ('C2', 'None')"))
        connection.execute(
            sa.text(
                "CREATE TABLE invoices (invoice_id TEXT, customer_id TEXT, issue_date DATE,"
                " due_date DATE, amount NUMERIC(12, 3), has_contract BOOLEAN)"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO invoices VALUES ('F2', 'C1', '2026-01-02', '2026-02-01', 1.234, true),"
                " ('F1', 'C2', NULL, '2026-02-28', 50, false)"
            )
        )
        connection.execute(
            sa.text("CREATE TABLE payments (invoice_id TEXT, paid_on DATE, amount NUMERIC(12, 2))")
        )
        connection.execute(sa.text("INSERT INTO payments VALUES ('F1', '2026-03-01', 50.00)"))
        connection.execute(sa.text("CREATE TABLE other (anything TEXT)"))
    engine.dispose()


def expect_database(intake: Intake) -> None:
    invoices = intake.ledger.invoices
    assert invoices["invoice_id"].to_pylist() == ["F1", "F2"]
    assert invoices["amount_cents"].to_pylist() == [5_000, 123]
    assert invoices["due_date"].to_pylist() == [date(2026, 2, 28), date(2026, 2, 1)]
    assert invoices["has_contract"].to_pylist() == [False, True]
    assert intake.ledger.customers["name"].to_pylist() == ["NA", "None"]
    assert intake.ledger.payments["amount_cents"].to_pylist() == [5_000]


def test_an_sqlite_database_becomes_a_ledger(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database(url)
    expect_database(read(url, today=TODAY))


def test_a_bad_day_in_sqlite_is_a_fault_of_its_row(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    database(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE invoices SET issue_date = '2026-02-31'"))
    engine.dispose()
    rules = read(url, today=TODAY).quarantine["rule"].to_pylist()
    assert rules == ["unreadable_date", "unreadable_date", "unknown_invoice"]


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a schema of its own on the test server."""
    engine = sa.create_engine(SERVER, connect_args={"connect_timeout": 3})
    try:
        engine.connect().close()
    except sa.exc.OperationalError:
        pytest.skip("no PostgreSQL server answers (PUNTUALE_TEST_DATABASE_URL)")
    schema = f"intake_{uuid.uuid4().hex[:12]}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
    yield f"{SERVER}?options=-csearch_path%3D{schema}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.mark.postgres
def test_a_postgresql_database_becomes_a_ledger(postgres):
    database(postgres)
    expect_database(read(postgres, today=TODAY))


@pytest.mark.postgres
def test_a60_infinity_in_postgresql_goes_to_quarantine(postgres):
    database(postgres)
    engine = sa.create_engine(postgres)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE invoices SET due_date = 'infinity' WHERE amount = 50"))
    engine.dispose()
    intake = read(postgres, today=TODAY)
    assert intake.quarantine["rule"].to_pylist() == ["unreadable_date", "unknown_invoice"]


def test_a_database_that_does_not_answer_is_refused_without_its_password():
    with pytest.raises(IntakeRefused) as refused:
        read("postgresql+psycopg://someone:secret@127.0.0.1:1/none")
    assert "does not answer" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_foreign_export_is_read_by_its_mapping(tmp_path):
    folder = write(
        tmp_path / "in",
        items=(
            "NUM;CLI;TIPO;SCAD;IMPORTO;PAGATO;CAMBIO\n"
            "7;A;FT;31/01/2026;1.000,00;10/02/2026;2\n"
            "7;A;FT;28/02/2026;500,00;;2\n"
            "8;A;NC;28/02/2026;-80,00;;2\n"
            "9;B;XX;28/02/2026;1,00;;2\n"
        ),
    )
    own = plan(
        tmp_path,
        """
        currency = "EUR"
        [format]
        separator = ";"
        decimal = ","
        date = "%d/%m/%Y"
        [[rows]]
        from = "items"
        into = "invoices"
        where = { TIPO = "FT" }
        [rows.columns]
        invoice_id = { ids = ["CLI", "NUM"], occurrence = true }
        customer_id = { column = "CLI", values = { A = "Alfa" } }
        due_date = "SCAD"
        issue_date = { column = "SCAD", minus_days = 30 }
        amount = "IMPORTO"
        currency = { constant = "USD" }
        fx_rate = { column = "CAMBIO", inverse = true }
        order_ref = { first_of = ["PAGATO", "NUM"] }
        [[rows]]
        from = "items"
        into = "payments"
        where = { TIPO = "FT" }
        filled = ["PAGATO"]
        [rows.columns]
        invoice_id = { ids = ["CLI", "NUM"], occurrence = true }
        paid_on = "PAGATO"
        amount = "IMPORTO"
        [[rows]]
        from = "items"
        into = "credit_notes"
        where = { TIPO = "NC" }
        [rows.columns]
        customer_id = { column = "CLI", values = { A = "Alfa" } }
        issued_on = "SCAD"
        amount = { column = "IMPORTO", negate = true }
        """,
    )
    intake = read(folder, mapping=own, today=TODAY)
    ledger = intake.ledger
    assert ledger.invoices["invoice_id"].to_pylist() == ["A-7", "A-7#2"]
    assert ledger.invoices["amount_cents"].to_pylist() == [50_000, 25_000]
    assert ledger.invoices["issue_date"][0].as_py() == date(2026, 1, 1)
    assert ledger.invoices["order_ref"].to_pylist() == ["10/02/2026", "7"]
    assert ledger.payments["amount_cents"].to_pylist() == [50_000]
    assert ledger.credit_notes["amount_cents"].to_pylist() == [8_000]
    assert ledger.customers["customer_id"].to_pylist() == ["Alfa"]
    assert intake.left_out == {"items.csv": 1}


def test_all_faults_of_a_mapping_are_told_at_once(tmp_path):
    own = plan(
        tmp_path,
        """
        colour = "red"
        [format]
        decimal = ";"
        encoding = "klingon"
        zone = "Mars/Olympus"
        [[rows]]
        from = "items"
        into = "invoices"
        [rows.columns]
        invoice_id = 7
        customer_id = { column = "A", constant = "B" }
        amount = { col = "A" }
        nonsense = "A"
        [[rows]]
        into = "bills"
        """,
    )
    with pytest.raises(IntakeRefused) as refused:
        mapping.load(own)
    assert len(refused.value.faults) == 13
    assert "rows 1: invoices needs due_date" in str(refused.value)


def test_a_mapping_that_does_not_exist_is_refused_with_the_shipped_ones():
    with pytest.raises(IntakeRefused, match="must be one of ibm, quickbooks, sap_items, xero"):
        mapping.load("nothing")


def test_a_file_without_the_mapped_columns_is_refused_with_their_names(tmp_path):
    write(tmp_path / "in", items="ITEM,KUNNR\n1,2\n")
    with pytest.raises(IntakeRefused, match="expected columns BUKRS, DUE_DATE, TBSLT_LTEXT"):
        read(tmp_path / "in", mapping="sap_items")


def test_every_shipped_mapping_is_documented_and_without_fault():
    text = (Path(__file__).parents[2] / "docs" / "mappings.md").read_text(encoding="utf-8")
    assert shipped() == ["ibm", "quickbooks", "sap_items", "xero"]
    for name in shipped():
        assert mapping.load(name).parts
        assert f"`{name}`: " in text


def test_every_option_of_a_mapping_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "mappings.md").read_text(encoding="utf-8")
    options = mapping.Origin.__dataclass_fields__.keys() | mapping.Part.__dataclass_fields__.keys()
    renamed = {"file": "from", "table": "into"}
    for option in options:
        assert renamed.get(option, option) in text, option


def reconciled(intake: Intake) -> bool:
    read_cents, kept, held = (
        pc.sum(intake.reconciliation[f"{what}_cents"]).as_py()
        for what in ("read", "accepted", "quarantined")
    )
    return bool(read_cents == kept + held)


@pytest.mark.shared
def test_the_sap_items_become_a_ledger_in_seconds(shared):
    started = time.perf_counter()
    intake = read(shared / "sap_items", mapping="sap_items", today=TODAY)
    assert time.perf_counter() - started < 15  # 1 s on a quiet core
    ledger = intake.ledger
    assert ledger.invoices.num_rows == ledger.payments.num_rows == 128_624
    assert ledger.credit_notes.num_rows == 4_966
    assert ledger.customers.num_rows == 17_427
    assert intake.left_out == {"items.parquet": 138_907 - 128_624 - 4_966}
    assert pc.sum(ledger.invoices["amount_cents"]).as_py() == 2_124_887_100
    assert intake.quarantine.num_rows == 0
    assert reconciled(intake)


@pytest.mark.shared
def test_the_ibm_set_is_read_with_american_dates(shared):
    intake = read(shared / "ibm_late_payments", mapping="ibm", today=TODAY)
    assert intake.counts["invoices"] == {"read": 2_466, "accepted": 2_466, "quarantined": 0}
    assert intake.ledger.customers.num_rows == 100
    assert intake.ledger.disputes.num_rows == 0
    (first,) = intake.ledger.invoices.slice(0, 1).to_pylist()
    assert (first["invoice_id"], first["due_date"]) == ("0000611365", date(2013, 2, 1))
    assert reconciled(intake)


@pytest.mark.shared
def test_of_xero_only_what_customers_owe_is_read_in_the_books_currency(shared):
    intake = read(shared / "xero_quickbooks", mapping="xero", today=TODAY)
    assert intake.counts["invoices"]["accepted"] == 13 + 103
    assert intake.ledger.payments.num_rows == 103
    assert intake.currency == "CAD"
    pounds = intake.ledger.invoices.filter(pc.equal(intake.ledger.invoices["currency"], "GBP"))
    assert pc.min(pc.divide(pounds["fx_rate"], 1.0)).as_py() > 1.5
    assert reconciled(intake)


@pytest.mark.shared
def test_quickbooks_payments_are_dated_through_their_lines(shared):
    intake = read(shared / "xero_quickbooks" / "quickbooks", mapping="quickbooks", today=TODAY)
    payments = intake.ledger.payments
    applied = payments.filter(payments["invoice_id"].is_valid()).to_pylist()
    assert [(p["invoice_id"], p["paid_on"]) for p in applied] == [("50001", date(2026, 2, 1))]
    assert intake.ledger.payments.num_rows == 12
    assert intake.counts["payments"] == {"read": 23, "accepted": 12, "quarantined": 11}
    assert intake.ledger.invoices.num_rows == 5
    assert reconciled(intake)


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("", ""),
        (
            '[[rows]]\nfrom = "bills"\ninto = "customers"\ncolumns = { customer_id = "C" }',
            "no rows",
        ),
        (
            '[[rows]]\nfrom = "items"\ninto = "customers"\n'
            'columns = { customer_id = { column = "C", occurrence = true } }',
            "read whole: rows 1 joins it",
        ),
        (
            '[[rows]]\nfrom = "bills"\ninto = "customers"\ncolumns = { customer_id = "C" }\n'
            'join = { file = "items", on = "C", to = "C" }',
            "read whole: rows 1 looks it up",
        ),
    ],
)
def test_a_watermark_is_refused_where_a_part_of_a_table_would_not_do(tmp_path, rows, fault):
    own = plan(tmp_path, f'[watermark]\nitems = "changed_at"\n{rows}\n')
    if not fault:
        assert mapping.load(own).watermark == {"items": "changed_at"}
        return
    with pytest.raises(IntakeRefused, match=fault):
        mapping.load(own)
