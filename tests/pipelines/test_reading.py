from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models import bundle
from pipelines import input_drift, night, reading
from pipelines.job import Job, day_number
from pipelines.ledger import Ledger
from pipelines.reading import IncompleteExtract
from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from pipelines.records.row_check import check
from pipelines.settings import Settings
from pipelines.sources import IntakeRefused
from pipelines.store import ScoreStore
from tests import small_company
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job on the company's files in a folder of their own, after one good night."""
    export = tmp_path / "export"
    export.mkdir()
    for file in small_company.ledger_folder().iterdir():
        (export / file.name).write_bytes(file.read_bytes())
    settings = Settings(_env_file=None, home=tmp_path / "home", ledger=str(export))
    small_company.crowned(settings)
    job = Job.of(settings, at=AT, as_of=AS_OF)
    night.run(job)
    return job


def cut(job: Job, share: float) -> None:
    """Deliver only the first part of the invoices, and what belongs to them."""
    export = Path(job.source)
    invoices = pq.read_table(export / "invoices.parquet")
    kept = invoices.slice(0, int(share * invoices.num_rows))
    pq.write_table(kept, export / "invoices.parquet")
    ids = kept["invoice_id"].combine_chunks()
    for name in ("payments", "credit_notes", "disputes", "promises", "actions"):
        path = export / f"{name}.parquet"
        if path.exists():
            table = pq.read_table(path)
            named = pa.compute.is_in(table["invoice_id"], value_set=ids)
            pq.write_table(table.filter(named), path)


def test_a91_a_half_delivered_extract_stops_the_night_and_yesterdays_scores_stay(job: Job) -> None:
    before = ScoreStore(job.settings.scores_folder).current_name()
    cut(job, 0.4)
    with pytest.raises(IncompleteExtract, match=r"invoices: expected about .* rows, got .*-60%"):
        night.run(job)
    assert ScoreStore(job.settings.scores_folder).current_name() == before


def test_an_extract_that_is_right_though_small_goes_through_when_allowed(job: Job) -> None:
    cut(job, 0.5)
    allowed = job.settings.model_copy(update={"rows_change_max": 0.9})
    assert reading.read(Job.of(allowed, at=AT, as_of=AS_OF)).ledger.invoices.num_rows > 0


def test_nights_on_another_source_are_not_compared(job: Job) -> None:
    other = Job.of(job.settings, at=AT, ledger=str(small_company.ledger_folder()), as_of=AS_OF)
    cut(job, 0.3)
    assert reading.read(other).ledger.invoices.num_rows > 0


def without(ledger: Ledger, table: str, column: str) -> Ledger:
    whole = ledger.tables()
    at = whole[table].schema.get_field_index(column)
    field = whole[table].schema.field(at)
    empty = pa.nulls(whole[table].num_rows, field.type)
    return Ledger(**{**whole, table: whole[table].set_column(at, field, empty)})


def test_a93_data_that_training_knew_and_the_ledger_no_longer_tells_is_named(job: Job) -> None:
    ledger = reading.read(job).ledger
    model = bundle.champion(job.settings.models_folder)
    assert model is not None
    day = day_number(AS_OF)
    assert input_drift.lost_inputs(ledger, day, model.model) == []

    blind = without(ledger, "invoices", "company_code")
    lost = input_drift.lost_inputs(blind, day, model.model)
    assert "peer_late0_company" in lost
    assert "amount" not in lost


def send(settings: Settings, **tables: list[dict[str, object]]) -> None:
    """Send rows one table after the other, as a program does over HTTP."""
    database = open_database(settings.records_url)
    for name, rows in tables.items():
        with database.writing() as connection:
            verdicts = ledger_rows.put(connection, name, check(name, rows), at=AT)
        assert {verdict.status for verdict in verdicts} <= {"accepted", "unchanged"}, verdicts[:3]
    database.close()


def as_sent(table: pa.Table) -> list[dict[str, object]]:
    """Rows of an export as a program sends them: days as text, no field that says nothing."""
    return [
        {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in row.items()
            if value is not None
        }
        for row in table.to_pylist()
    ]


def test_a_payment_that_was_sent_in_is_read_beside_the_export(job: Job) -> None:
    ledger = reading.take_in(job).ledger
    paid = set(ledger.payments["invoice_id"].to_pylist())
    invoice = next(i for i in ledger.invoices.to_pylist() if i["invoice_id"] not in paid)
    payment = {
        "payment_id": "sent-1",
        "invoice_id": invoice["invoice_id"],
        "paid_on": "2026-06-29",
        "amount": Decimal(invoice["amount_cents"]) / 100,
    }
    before = night.score(job, reading.take_in(job), night.champion(job.settings)).scores
    assert invoice["invoice_id"] in before["invoice_id"].to_pylist()
    send(job.settings, payments=[payment])
    after = night.score(job, reading.take_in(job), night.champion(job.settings)).scores
    assert invoice["invoice_id"] not in after["invoice_id"].to_pylist()


def test_a_ledger_sent_row_by_row_gives_the_scores_of_the_export(job: Job) -> None:
    export = Path(job.source)
    tables = {p.stem: as_sent(pq.read_table(p)) for p in sorted(export.glob("*.parquet"))}
    alone = Settings(_env_file=None, home=job.settings.home.parent / "alone", ledger="records")
    small_company.crowned(alone)
    send(alone, **tables)
    model = night.champion(job.settings)
    by_row = night.score(job, reading.take_in(Job.of(alone, at=AT, as_of=AS_OF)), model).scores
    by_file = night.score(job, reading.take_in(job), model).scores
    assert by_row.sort_by("invoice_id").equals(by_file.sort_by("invoice_id"))


def test_with_nothing_sent_a_ledger_of_sent_rows_says_what_it_expects(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path, ledger="records")
    with pytest.raises(IntakeRefused, match="no invoice has been sent in or pulled yet"):
        reading.take_in(Job.of(settings, at=AT, as_of=AS_OF))
