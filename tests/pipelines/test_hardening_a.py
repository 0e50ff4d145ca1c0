"""Bad data at the door, row by row of the list of what must not break us."""

import random
import unicodedata
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.intake.days_written import read_days
from pipelines.intake.files import MAX_COLUMNS
from pipelines.intake.money_written import text_cents, typed_cents
from pipelines.intake.terms import due_day, read_terms
from pipelines.quarantine import rows_fell
from pipelines.sources import Intake, IntakeRefused, read

TODAY = date(2026, 6, 30)
CUSTOMERS = "customer_id,name,vat_id,province\nC1,Rossi S.r.l.,01234567890,MI\n"
INVOICES = "invoice_id,customer_id,issue_date,due_date,amount\n"
PAYMENTS = "invoice_id,paid_on,amount\nF1,2026-02-10,100.00\n"
GOOD = "F1,C1,2026-01-01,2026-01-31,100.00\n"


def take(
    folder: Path,
    *rows: str,
    invoices: str | bytes | None = None,
    payments: str = PAYMENTS,
    customers: str = CUSTOMERS,
    form: str = "",
    mapping: str | None = None,
) -> Intake:
    """What comes of a folder with these invoices, after a good first one, and other tables."""
    folder.mkdir(exist_ok=True)
    content = (
        INVOICES + GOOD + "".join(f"{row}\n" for row in rows) if invoices is None else invoices
    )
    data = content if isinstance(content, bytes) else content.encode()
    (folder / "invoices.csv").write_bytes(data)
    (folder / "payments.csv").write_bytes(payments.encode())
    (folder / "customers.csv").write_bytes(customers.encode())
    if form:
        plan = folder.parent / "form.toml"
        plan.write_text(f"[format]\n{form}\n", encoding="utf-8")
        return read(folder, mapping=plan, today=TODAY)
    return read(folder, mapping=mapping, today=TODAY)


def reasons(intake: Intake) -> list[tuple[int, str]]:
    return [(q["line"], q["rule"]) for q in intake.quarantine.to_pylist()]


def refusal(folder: Path, *rows: str, **options: object) -> str:
    with pytest.raises(IntakeRefused) as refused:
        take(folder, *rows, **options)  # type: ignore[arg-type]
    return str(refused.value)


def test_a57_due_before_issue_goes_to_quarantine(tmp_path):
    intake = take(tmp_path / "in", "F2,C1,2026-03-01,2026-02-01,5.00")
    assert reasons(intake) == [(3, "due_before_issue")]


def test_a58_paid_before_issue_is_accepted_and_flagged(tmp_path):
    intake = take(tmp_path / "in", payments="invoice_id,paid_on,amount\nF1,2025-12-20,100.00\n")
    assert intake.ledger.payments["paid_on"].to_pylist() == [date(2025, 12, 20)]
    assert intake.flags["rule"].to_pylist() == ["paid_before_issue"]


def test_a59_a_payment_later_than_tomorrow_goes_to_quarantine(tmp_path):
    paid = "invoice_id,paid_on,amount\nF1,2026-07-01,1.00\nF1,2026-07-02,2.00\n"
    intake = take(tmp_path / "in", payments=paid)
    assert reasons(intake) == [(3, "future_payment")]
    as_of = (TODAY - date(1970, 1, 1)).days
    assert intake.ledger.known_before(as_of).payments.num_rows == 0


@pytest.mark.parametrize("day", ["9999-12-31", "1900-01-01", "0001-01-01"])
def test_a60_dates_outside_the_calendar_go_to_quarantine(tmp_path, day):
    intake = take(tmp_path / "in", f"F2,C1,,{day},5.00")
    assert reasons(intake) == [(3, "implausible_date")]


def test_a60_infinity_goes_to_quarantine(tmp_path):
    assert reasons(take(tmp_path / "in", "F2,C1,,infinity,5.00")) == [(3, "unreadable_date")]


def test_a61_the_31st_of_february_goes_to_quarantine_and_never_becomes_missing(tmp_path):
    intake = take(
        tmp_path / "in", "F2,C1,2026-02-31,2026-03-31,5.00", "F3,C1,31/02/2026,2026-03-31,5.00"
    )
    assert reasons(intake) == [(3, "unreadable_date"), (4, "unreadable_date")]
    declared = take(
        tmp_path / "it",
        invoices=INVOICES + "F1,C1,01/01/2026,31/02/2026,5.00\n",
        form="date = '%d/%m/%Y'",
    )
    assert (2, "unreadable_date") in reasons(declared)


def test_a62_an_ambiguous_date_is_refused_with_its_line_until_the_mapping_says(tmp_path):
    row = "F2,C1,03/04/2026,2026-05-01,5.00"
    assert "line 3" in refusal(tmp_path / "in", row)
    assert "%d/%m/%Y" in refusal(tmp_path / "in", row)
    for form, issued in (("%d/%m/%Y", date(2026, 4, 3)), ("%m/%d/%Y", date(2026, 3, 4))):
        intake = take(tmp_path / "in", row, form=f"date = '{form}'")
        assert intake.ledger.invoices["issue_date"][1].as_py() == issued


def test_a63_two_orders_of_day_and_month_in_one_column_are_refused_with_their_rows(tmp_path):
    rows = ("F2,C1,,13/01/2026,1.00", "F3,C1,,01/14/2026,1.00", "F4,C1,,01/02/2026,1.00")
    told = refusal(tmp_path / "in", *rows)
    assert "day first (line 3" in told
    assert "month first (line 4" in told
    assert "line 4" in refusal(tmp_path / "in", *rows, form="date = '%d/%m/%Y'")


@pytest.mark.parametrize(
    ("issued", "text", "due"),
    [
        (date(2025, 12, 31), "60 gg f.m.", date(2026, 3, 31)),
        (date(2025, 12, 31), "60 gg", date(2026, 3, 1)),
        (date(2024, 1, 30), "30 gg d.f.f.m.", date(2024, 2, 29)),
        (date(2024, 1, 31), "30 gg fine mese", date(2024, 3, 31)),
        (date(2024, 2, 29), "30 gg", date(2024, 3, 30)),
        (date(2026, 1, 15), "90 giorni fine mese + 10", date(2026, 5, 10)),
        (date(2026, 1, 15), "30 days EOM", date(2026, 2, 28)),
        (date(2026, 1, 15), "NET30", date(2026, 2, 14)),
        (date(2026, 1, 15), "2% 10 days, net 30", date(2026, 2, 14)),
        (date(2026, 1, 15), "rimessa diretta", date(2026, 1, 15)),
    ],
)
def test_a64_terms_give_the_due_date(issued, text, due):
    terms = read_terms(text)
    assert terms is not None
    assert due_day(issued, terms) == due


@pytest.mark.parametrize("text", ["Z063", "29", "", None, "30/60 gg f.m.", "BB30"])
def test_a64_terms_that_state_no_days_give_none(text):
    assert read_terms(text) is None


def test_a64_a_due_date_left_out_is_computed_from_the_terms(tmp_path):
    header = "invoice_id,customer_id,issue_date,amount,terms_code,terms_days\n"
    rows = (
        "F1,C1,2025-12-31,1.00,60 gg f.m.,\nF2,C1,2025-12-31,1.00,,60\nF3,C1,2025-12-31,1.00,X,\n"
    )
    intake = take(tmp_path / "in", invoices=header + rows)
    assert intake.ledger.invoices["due_date"].to_pylist() == [date(2026, 3, 31), date(2026, 3, 1)]
    assert reasons(intake) == [(4, "missing_required")]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-31T22:30:00+00:00", date(2026, 4, 1)),  # 00:30 of the 1st in Rome
        ("2026-04-01 00:30:00", date(2026, 4, 1)),
        ("2026-03-29T22:30:00Z", date(2026, 3, 30)),  # the day of 23 hours
        ("2026-10-25T23:30:00Z", date(2026, 10, 26)),  # the day of 25 hours
        ("2026-10-25 22:30:00 UTC", date(2026, 10, 25)),
    ],
)
def test_a65_a_moment_falls_on_its_day_in_the_stated_zone(moment, day):
    assert read_days([moment], None, "Europe/Rome") == ([day], None)


def test_a65_a_typed_moment_falls_on_its_day_in_the_stated_zone(tmp_path):
    folder = tmp_path / "in"
    take(folder)
    moment = pa.array([datetime(2026, 3, 31, 22, 30, tzinfo=UTC)])
    table = {"invoice_id": ["F1"], "paid_on": moment, "amount": [1]}
    (folder / "payments.csv").unlink()
    pq.write_table(pa.table(table), folder / "payments.parquet")
    assert read(folder).ledger.payments["paid_on"][0].as_py() == date(2026, 4, 1)
    assert read(folder, zone="UTC").ledger.payments["paid_on"][0].as_py() == date(2026, 3, 31)


def test_a66_an_amount_of_zero_is_accepted(tmp_path):
    intake = take(tmp_path / "in", "F2,C1,,2026-02-01,0", "F3,C1,,2026-02-01,0.00")
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [10_000, 0, 0]


def test_a67_a_negative_invoice_is_a_credit_note_of_the_invoice_it_names(tmp_path):
    header = INVOICES.replace("amount", "amount,order_ref")
    rows = (
        "F1,C1,2026-01-01,2026-01-31,100.00,O-7\n"
        "F2,C1,2026-02-01,2026-02-01,-30.00,F1\n"
        "F3,C1,2026-02-02,2026-02-02,-20.00,O-7\n"
        "F4,C1,2026-02-03,2026-02-03,-10.00,O-8\n"
    )
    intake = take(tmp_path / "in", invoices=header + rows)
    notes = intake.ledger.credit_notes
    assert notes["invoice_id"].to_pylist() == ["F1", "F1"]
    assert notes["amount_cents"].to_pylist() == [3_000, 2_000]
    assert intake.ledger.invoices["invoice_id"].to_pylist() == ["F1"]
    assert reasons(intake) == [(5, "unlinked_credit")]
    assert intake.counts["invoices"] == {"read": 4, "accepted": 3, "quarantined": 1}


def test_a68_a_credit_note_larger_than_its_invoice_is_flagged(tmp_path):
    header = INVOICES.replace("amount", "amount,order_ref")
    rows = "F1,C1,,2026-01-31,100.00,\nF2,C1,,2026-02-01,-300.00,F1\n"
    intake = take(tmp_path / "in", invoices=header + rows)
    assert "credit_exceeds_invoice" in intake.flags["rule"].to_pylist()


def test_a69_split_over_and_unallocated_payments_are_accepted_and_reported(tmp_path):
    payments = (
        "invoice_id,customer_id,paid_on,amount\n"
        "F1,,2026-02-01,60.00\n"
        "F1,,2026-02-02,60.00\n"
        ",C1,2026-02-03,7.50\n"
        ",,2026-02-04,1.00\n"
    )
    intake = take(tmp_path / "in", payments=payments)
    assert intake.ledger.payments.num_rows == 3
    assert intake.flags["rule"].to_pylist() == ["overpaid", "overpaid"]
    assert "payments: 1 without an invoice, 7.50 EUR unallocated" in intake.warnings
    assert reasons(intake) == [(5, "unallocable_payment")]


def test_a70_a_foreign_amount_is_converted_or_kept_aside_and_never_added_raw(tmp_path):
    header = INVOICES.replace("amount", "amount,currency,fx_rate")
    rows = (
        "F1,C1,,2026-01-31,100.00,EUR,\n"
        "F2,C1,,2026-01-31,100.00,USD,0.85\n"
        "F3,C1,,2026-01-31,100.00,USD,\n"
        "F4,C1,,2026-01-31,100.00,USB,0.85\n"
    )
    intake = take(tmp_path / "in", invoices=header + rows)
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [10_000, 8_500]
    assert reasons(intake) == [(4, "missing_rate"), (5, "unknown_currency")]


@pytest.mark.parametrize(
    ("text", "decimal", "cents"),
    [
        ("1.234,56", None, 123_456),
        ("1,234.56", None, 123_456),
        ("€ 1.000,00", None, 100_000),
        ("$4,235.00", ".", 423_500),
        ("4.235,00", ",", 423_500),
        ("1.234", ",", 123_400),
        ("1.234", ".", 123),
        ("1 234,50 EUR", ",", 123_450),
        ("(12.50)", None, -1_250),
        ("12,50-", None, -1_250),
        ("1.23.4", None, None),
        ("12,5,0", ".", None),
        ("NaN", None, None),
        ("twelve", None, None),
    ],
)
def test_a71_money_is_read_by_the_declared_locale(text, decimal, cents):
    assert text_cents([text], decimal) == [cents]


def test_a71_an_amount_with_two_readings_is_refused_with_its_line(tmp_path):
    told = refusal(tmp_path / "in", "F2,C1,,2026-02-01,1.234")
    assert "two ways (line 3" in told
    declared = INVOICES + "F1,C1,,2026-02-01,1.234\n"
    intake = take(tmp_path / "in", invoices=declared, form="decimal = ','")
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [123_400]


def test_a71_points_and_commas_for_decimals_in_one_column_are_refused(tmp_path):
    told = refusal(tmp_path / "in", 'F2,C1,,2026-02-01,"7,50"')
    assert "decimal points (line 2" in told
    assert "decimal commas (line 3" in told


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("0.005", 0),
        ("0.015", 2),
        ("0.025", 2),
        ("-0.015", -2),
        ("2.675", 268),
        ("1234.5678", 123_457),
    ],
)
def test_a72_more_than_two_decimals_are_rounded_half_to_even_as_written(text, cents):
    assert text_cents([text], ".") == [cents]
    assert typed_cents(pa.array([float(text)]))[0].to_pylist() == [cents]


def test_a73_a_million_cents_are_ten_thousand_exactly():
    cents, unread = typed_cents(pa.array(np.full(1_000_000, 0.01, np.float32)))
    assert (int(cents.to_numpy().sum()), unread.any()) == (1_000_000, False)


def test_a74_large_and_small_amounts_add_up_in_any_order():
    cents = text_cents(["99999999999.00", "0.01", "-99999999999.00"], ".")
    whole = np.array(cents, np.int64)
    for _ in range(5):
        random.Random(1).shuffle(cents)
        assert int(np.array(cents, np.int64).sum()) == int(whole.sum()) == 1


def test_a75_a_vat_number_keeps_its_zero(tmp_path):
    assert take(tmp_path / "in").ledger.customers["vat_id"].to_pylist() == ["01234567890"]


@pytest.mark.parametrize("name", ["NA", "Null S.r.l.", "None", "NaN", "null", "-"])
def test_a76_words_that_look_missing_stay_words(tmp_path, name):
    customers = f"customer_id,name,province\nC1,{name},NA\n"
    (row,) = take(tmp_path / "in", customers=customers).ledger.customers.to_pylist()
    assert (row["name"], row["province"]) == (name, "NA")


def test_a77_ids_are_normalised_and_look_alikes_reported_not_merged(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Caffè")
    customers = f"customer_id,name\n\u00a0C1 ,{decomposed}\u200b\nС1,Cyrillic\nC\u200d2,Joined\n"
    intake = take(tmp_path / "in", customers=customers)
    ids = intake.ledger.customers["customer_id"].to_pylist()
    assert ids == ["C1", "\u04211", "C2"]
    assert intake.ledger.customers["name"][0].as_py() == "Caffè"
    assert intake.flags["rule"].to_pylist() == ["look_alike", "look_alike"]


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img onerror>',
        "{{7*7}}",
        "=cmd|'/c calc'!A1",
        "@SUM(A1)",
        "a;b|c\r\nd",
        "x" * 65_536,
        "\u202eevil",
        "👩\u200d🔧 漢字 شركة",
    ],
)
def test_a78_to_a82_hostile_and_foreign_names_come_in_unchanged(tmp_path, name):
    quoted = name.replace('"', '""')
    intake = take(tmp_path / "in", customers=f'customer_id,name\nC1,"{quoted}"\n')
    assert intake.ledger.customers["name"].to_pylist() == [name]


def test_a83_an_id_given_twice_is_one_row_and_the_other_is_kept_aside(tmp_path):
    intake = take(tmp_path / "in", GOOD.strip(), "F1,C1,2026-01-01,2026-01-31,120.00")
    assert reasons(intake) == [(3, "duplicate_row"), (4, "duplicate_id")]
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [10_000]


def test_a83_a_revision_recorded_later_stands_and_the_history_is_kept(tmp_path):
    header = INVOICES.replace("amount", "amount,recorded_at")
    rows = (
        "F1,C1,2026-01-01,2026-01-31,100.00,2026-01-01\n"
        "F1,C1,2026-01-01,2026-01-31,120.00,2026-01-02\n"
    )
    intake = take(tmp_path / "in", invoices=header + rows)
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [12_000]
    assert reasons(intake) == [(2, "superseded")]
    (revision,) = intake.revisions.to_pylist()
    assert (revision["column"], revision["before"], revision["after"]) == (
        "amount_cents",
        "10000",
        "12000",
    )


def test_a84_the_same_file_read_twice_is_the_same_ledger(tmp_path):
    once, twice = take(tmp_path / "in"), take(tmp_path / "again")
    assert once.fingerprint == twice.fingerprint
    assert once.files == twice.files
    other = take(tmp_path / "other", "F2,C1,,2026-02-01,1.00")
    assert other.fingerprint != once.fingerprint


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "an empty file"),
        ("\n\n", "an empty file"),
        (INVOICES, "only a header"),
        (GOOD, "is the header missing"),
        (INVOICES.replace("due_date", "scadenza") + GOOD, "expected columns due_date"),
        (",".join(f"c{i}" for i in range(2_000)) + "\n", f"at most {MAX_COLUMNS}"),
        (INVOICES.replace("issue_date", "due_date") + GOOD, "named twice: due_date"),
    ],
)
def test_a87_files_without_rows_or_header_or_shape_are_refused(tmp_path, content, told):
    assert told in refusal(tmp_path / "in", invoices=content)


def test_a87_columns_in_another_order_are_accepted_by_name(tmp_path):
    content = "amount,extra,due_date,customer_id,invoice_id\n5.00,x,2026-01-31,C1,F1\n"
    intake = take(tmp_path / "in", invoices=content)
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [500]
    assert "invoices.csv: columns unknown to a ledger: extra" in intake.warnings


def test_a88_encoding_separator_and_line_ends_are_those_of_the_mapping(tmp_path):
    (folder := tmp_path / "in").mkdir()
    header = INVOICES.replace(",", ";").replace("\n", "\r\n")
    row = "F1;C1;01/02/2026;28/02/2026;1.234,50\r\n"
    (folder / "invoices.csv").write_bytes((header + row).encode("cp1252"))
    name = 'customer_id;name\r\nC1;"Caffè ""Però""\r\nsecondo rigo"\r\nC2;Bar €\r\n'
    (folder / "customers.csv").write_bytes(name.encode("cp1252"))
    (folder / "payments.csv").write_bytes(b"invoice_id;paid_on;amount\r\nF1;31/02/2026;5,00\r\n")
    form = "encoding = 'cp1252'\nseparator = ';'\ndecimal = ','\ndate = '%d/%m/%Y'\n"
    (tmp_path / "erp.toml").write_text(f"[format]\n{form}", encoding="utf-8")
    intake = read(folder, mapping=tmp_path / "erp.toml")
    assert intake.ledger.invoices["amount_cents"].to_pylist() == [123_450]
    names = intake.ledger.customers["name"].to_pylist()
    assert names == ['Caffè "Però"\r\nsecondo rigo', "Bar €"]
    with pytest.raises(IntakeRefused, match="is not utf-8"):
        read(folder)


def test_a88_another_separator_than_the_stated_one_is_refused(tmp_path):
    told = refusal(tmp_path / "in", invoices=(INVOICES + GOOD).replace(",", ";"))
    assert "separator is not ','" in told


def test_a88_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    intake = take(tmp_path / "in", invoices=("\ufeff" + INVOICES + GOOD).encode())
    assert intake.ledger.invoices.num_rows == 1


def test_a88_lines_are_right_after_quoted_line_breaks_and_blank_lines(tmp_path):
    customers = 'customer_id,name\nC1,"two\nlines"\n\nC1,again\n'
    intake = take(tmp_path / "in", customers=customers)
    assert reasons(intake) == [(5, "duplicate_id")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (INVOICES + GOOD + "F2,C1,2026-01", "cut short"),
        (INVOICES + GOOD + 'F2,C1,2026-01-01,2026-01-31,"10', "cut short"),
        (b"PK\x03\x04rest of a workbook", "an Excel workbook"),
        (b"\x1f\x8b\x08rest", "a gzip archive"),
        (b"PAR1rest", "a Parquet file"),
        ((INVOICES + GOOD).encode("utf-16"), "UTF-16"),
        (b"invoice_id\0,x\n", "binary"),
    ],
)
def test_a89_truncated_and_disguised_files_are_refused_whole(tmp_path, content, told):
    assert told in refusal(tmp_path / "in", invoices=content)


def test_a89_a_truncated_parquet_file_is_refused_whole(tmp_path):
    folder = tmp_path / "in"
    take(folder)
    path = folder / "disputes.parquet"
    pq.write_table(pa.table({"invoice_id": ["F1"], "opened_on": [TODAY]}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(IntakeRefused, match="expected a whole Parquet file"):
        read(folder)


def test_a89_archives_are_never_opened_and_a_bomb_is_refused_by_its_size(tmp_path):
    folder = tmp_path / "in"
    take(folder)
    bomb = pa.table({"invoice_id": pa.array(["x" * 1_000]).take(pa.array(np.zeros(300_000, int)))})
    path = folder / "disputes.parquet"
    pq.write_table(bomb, path, use_dictionary=False, compression="zstd")
    with pytest.raises(IntakeRefused, match="too many for its size"):
        read(folder)
    path.unlink()
    (folder / "invoices.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(IntakeRefused, match=r"invoices\.zip"):
        read(folder)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"amount": pa.array(["5.00"])}, "amount: expected a typed column"),
        ({"amount": pa.array([5.0]), "terms_days": pa.array(["30"])}, "terms_days"),
        ({"amount": pa.array([5.0]), "due_date": pa.array(["2026-01-31"])}, "due_date"),
        ({"amount": pa.array([True])}, "amount: expected an amount of money"),
    ],
)
def test_a90_a_changed_type_in_a_parquet_file_breaks_the_contract(tmp_path, columns, told):
    folder = tmp_path / "in"
    take(folder)
    (folder / "invoices.csv").unlink()
    row = {"invoice_id": ["F1"], "customer_id": ["C1"], "due_date": [TODAY], **columns}
    pq.write_table(pa.table(row), folder / "invoices.parquet")
    with pytest.raises(IntakeRefused, match=told):
        read(folder)


def test_a90_nan_beside_null_breaks_the_contract(tmp_path):
    folder = tmp_path / "in"
    take(folder)
    (folder / "payments.csv").unlink()
    amounts = pa.array([1.0, float("nan"), None], from_pandas=False)
    row = {"invoice_id": ["F1"] * 3, "paid_on": [TODAY] * 3, "amount": amounts}
    pq.write_table(pa.table(row), folder / "payments.parquet")
    with pytest.raises(IntakeRefused, match="1 NaN beside 1 null"):
        read(folder)


def test_a91_an_extract_with_sixty_percent_fewer_rows_is_told():
    told = rows_fell(400, [1_000, 980, 1_020])
    assert "400" in told
    assert "-60%" in told


def test_every_fault_of_a_source_is_told_at_once(tmp_path):
    told = refusal(
        tmp_path / "in",
        "F2,C1,03/04/2026,04/05/2026,1.234",
        payments="invoice_id,paid_on,amount\nF1,05/06/2026,1.00\n",
    )
    assert len(told.splitlines()) == 4
