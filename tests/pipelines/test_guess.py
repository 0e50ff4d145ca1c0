"""Exports of different programs, guessed without a mapping, become the same ledger."""

from datetime import date
from pathlib import Path

import pytest

from pipelines import sources
from pipelines.intake import draft, file_looks, guessed_rows, mapping
from pipelines.intake.draft import Draft
from pipelines.intake.guessed_rows import Guessed
from pipelines.ledger import Ledger
from pipelines.sources import Intake
from tests.pipelines.drawn_exports import STYLES, Style, rows

TODAY = date(2026, 7, 3)


def guessed(*paths: Path, **asked: object) -> tuple[Guessed, Draft]:
    """What is guessed of these files, and the mapping that is drafted."""
    found = guessed_rows.rows([file_looks.look(path) for path in paths])
    return found, draft.draft(found, **asked)


def read(source: Path, drafted: Draft) -> Intake:
    drafted_file = write(source.parent, "mapping.toml", drafted.text)
    return sources.read(source, mapping=drafted_file, today=TODAY)


def told(ledger: Ledger) -> tuple[list[tuple], list[tuple]]:
    """Invoices and payments as plain rows."""
    invoices = ledger.invoices.select(
        ["invoice_id", "customer_id", "issue_date", "due_date", "amount_cents"]
    )
    payments = ledger.payments.select(["invoice_id", "paid_on", "amount_cents"])
    return (
        sorted(tuple(row.values()) for row in invoices.to_pylist()),
        sorted(tuple(row.values()) for row in payments.to_pylist()),
    )


def drawn() -> tuple[list[tuple], list[tuple]]:
    return (
        sorted((r.number, r.customer, r.issued, r.due, int(r.amount * 100)) for r in rows()),
        sorted((r.number, r.paid, int(r.amount * 100)) for r in rows() if r.paid),
    )


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_the_same_ledger_comes_out_of_every_programs_export(style: Style, tmp_path: Path) -> None:
    path = style.write(tmp_path)
    found, drafted = guessed(path)
    intake = read(path, drafted)

    assert not found.lacks()
    assert told(intake.ledger) == drawn(), drafted.text
    assert intake.quarantine.num_rows == 0


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def columns(found: Guessed, table: str) -> dict[str, str]:
    return {f.field: f.column for rows, f in found.columns() if rows.table == table}


TINY = "Numero;Cliente;Data;Scadenza;Importo;Pagata il\n"


def test_days_with_two_readings_are_taken_as_stated_and_told_otherwise(tmp_path: Path) -> None:
    rows = "F1;C1;01/02/2026;03/04/2026;1.200,50;\nF2;C1;02/02/2026;04/04/2026;80,00;05/05/2026\n"
    path = write(tmp_path, "f.csv", TINY + rows)

    _, guessed_as = guessed(path)
    _, stated = guessed(path, day_first=False)

    assert guessed_as.form.date == "%d/%m/%Y"  # decimal commas are European
    assert [d for d in guessed_as.doubts if "--month-first" in d and "%d/%m/%Y is taken" in d]
    assert stated.form.date == "%m/%d/%Y"
    assert not [d for d in stated.doubts if "two ways" in d]


def test_columns_without_a_telling_name_are_told_by_their_cells(tmp_path: Path) -> None:
    lines = [
        f"A{n};K{n % 25};{day:%d.%m.%Y};{day.replace(year=2027):%d.%m.%Y};{n},50"
        for n, day in ((n, date(2026, 1 + n % 6, 1 + n % 28)) for n in range(120))
    ]
    found, _ = guessed(write(tmp_path, "x.csv", "\n".join(["c1;c2;c3;c4;c5", *lines])))

    assert columns(found, "invoices") == {
        "invoice_id": "c1",
        "customer_id": "c2",
        "issue_date": "c3",
        "due_date": "c4",
        "amount": "c5",
    }
    assert {f.how_sure for _, f in found.columns()} == {"look at it"}


def test_an_issue_date_that_lies_after_the_due_date_is_not_one(tmp_path: Path) -> None:
    lines = [f"F{n},C1,2026-03-{1 + n:02},2026-02-{1 + n:02},10.00,2026-04-01" for n in range(20)]
    heads = "Invoice No,Customer,Document Date,Due Date,Amount,Paid on"
    found, _ = guessed(write(tmp_path, "f.csv", "\n".join([heads, *lines])))

    assert "issue_date" not in columns(found, "invoices")
    assert any("Document Date looked like the day of issue" in note for note in found.notes)


def test_what_a_ledger_needs_and_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    found, drafted = guessed(write(tmp_path, "f.csv", "Numero;Importo\nF1;10,00\nF2;11,00\n"))

    assert list(found.lacks()) == ["customer_id", "due_date", "paid_on"]
    assert '# paid_on = "?"  # not found: the day each invoice was paid' in drafted.text


def test_days_as_excel_counts_them_are_told_with_what_to_do(tmp_path: Path) -> None:
    rows = "F1;C1;46023;46054;10,50;\nF2;C1;46024;46055;11,50;46060\n"
    found, _ = guessed(write(tmp_path, "f.csv", TINY + rows))

    told = [note.split(" holds days as Excel")[0] for note in found.notes if "Excel" in note]
    assert told == ["Data", "Scadenza", "Pagata il"]
    assert {"due_date", "paid_on"} <= found.lacks().keys()


def test_kinds_of_rows_go_where_they_belong_and_the_others_are_left_out(tmp_path: Path) -> None:
    text = (
        "Tipo documento;Numero documento;Cliente;Data documento;Scadenza;Importo;Data incasso\n"
        "Fattura;F1;C1;01/02/2026;28/02/2026;100,00;10/03/2026\n"
        "Fattura;F2;C1;02/02/2026;28/02/2026;50,00;\n"
        "Nota di credito;N1;C1;13/02/2026;28/02/2026;-20,00;\n"
        "Giroconto;G1;C1;14/02/2026;28/02/2026;7,00;\n"
    )
    path = write(tmp_path, "partite.csv", text)
    found, drafted = guessed(path)
    ledger = read(path, drafted).ledger

    assert ledger.invoices["invoice_id"].to_pylist() == ["F1", "F2"]
    assert ledger.credit_notes["amount_cents"].to_pylist() == [2000]
    assert any("Giroconto" in note for note in found.notes)


def test_files_are_told_apart_by_what_is_in_them(tmp_path: Path) -> None:
    invoices = "7;A/1;9;2026-01-01;2026-02-01;10,50\n8;A/2;9;2026-01-02;2026-02-02;20,50\n"
    write(tmp_path, "Fatture.csv", f"ID;Protocollo;ID Cliente;Data;Scadenza;Totale\n{invoices}")
    write(tmp_path, "Incassi.csv", "ID;Fattura;Data incasso;Importo\n1;7;2026-02-03;10,50\n")
    customers = "Codice;Ragione sociale;P.IVA;Nazione\n9;Rossi;01234567890;IT\n"
    write(tmp_path, "Anagrafica clienti.csv", customers)
    write(tmp_path, "righe fatture.csv", "ID;Fattura;Articolo;Importo\n1;7;Vite;3,00\n")
    found, drafted = guessed(*sorted(tmp_path.glob("*.csv")))
    drafted_file = write(tmp_path, "m.toml", drafted.text)
    intake = sources.read(tmp_path, mapping=drafted_file, today=TODAY)

    assert columns(found, "invoices")["invoice_id"] == "ID"  # the payments name it, not Protocollo
    assert intake.ledger.payments["invoice_id"].to_pylist() == ["7"]
    assert intake.ledger.customers["name"].to_pylist() == ["Rossi"]
    assert intake.quarantine.num_rows == 0
    assert any("righe fatture.csv: nothing of it was recognised" in note for note in found.notes)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "least"), [("sap_items", 0.94), ("ibm", 0.8), ("xero", 1.0), ("quickbooks", 0.8)]
)
def test_most_of_a_real_exports_mapping_is_guessed(shared: Path, name: str, least: float) -> None:
    """Measured against the shipped mapping: the share of its columns that are guessed alike."""
    data = shared / "data"
    folder = {"xero": "xero_quickbooks", "ibm": "ibm_late_payments"}.get(name, name)
    place = data / ("xero_quickbooks/quickbooks" if name == "quickbooks" else folder)
    paths = [p for p in sorted(place.glob("*")) if p.suffix in (".csv", ".parquet")]
    found, _ = guessed(*paths)

    theirs = {
        (part.table, field, *origin.columns())
        for part in mapping.load(name).parts
        for field, origin in part.columns.items()
        if origin.columns()
    }
    ours = {(rows.table, f.field, f.column) for rows, f in found.columns()}
    alike = len(theirs & ours) / len(theirs)
    assert alike >= least, sorted(theirs - ours)
