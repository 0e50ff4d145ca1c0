"""Files that arrive in a folder are imported once each; what is still being written waits."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3_store import S3Store

from pipelines import pulling
from pipelines.intake.files import IntakeRefused
from pipelines.records import ledger_rows
from pipelines.records.database import open_database
from pipelines.settings import Settings

INVOICES = "invoice_id,customer_id,due_date,amount\nF1,C1,2026-07-31,100.00\n"
REVISED = "invoice_id,customer_id,due_date,amount\nF1,C1,2026-07-31,90.00\nF2,C1,2026-08-31,5\n"
CUSTOMERS = "customer_id,name\nC1,NA\n"


class Drop:
    """A folder somewhere, and the records that it is pulled into."""

    def __init__(self, address: str, home: Path, s3: S3Store | None = None) -> None:
        self.address, self.s3 = address, s3
        self.settings = Settings(_env_file=None, home=home, s3_endpoint=s3.endpoint if s3 else None)

    def put(self, name: str, content: str | bytes) -> None:
        data = content.encode() if isinstance(content, str) else content
        if self.s3 is not None:
            self.s3.put(f"bucket/drop/{name}", data)
            return
        file_system, root = fsspec.core.url_to_fs(self.address)
        file_system.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        file_system.pipe_file(f"{root}/{name}", data)

    def pull(self, *, after: float = 3600, **options: object) -> dict[str, str]:
        """The files by their fate, so many seconds after what is there was written."""
        at = datetime.now(UTC) + timedelta(seconds=after)
        options = {"mapping": None} | options
        self.pulled = pulling.pull(self.settings, self.address, at=at, **options)
        return {file.name: file.status for file in self.pulled.files}

    def amounts(self) -> dict[str, str]:
        database = open_database(self.settings.records_url)
        with database.reading() as connection:
            tables = ledger_rows.read_tables(connection)
        database.close()
        rows = tables["invoices"].table.to_pylist() if "invoices" in tables else []
        return {row["invoice_id"]: row["amount"] for row in rows}


@pytest.fixture(params=["path", "file", "memory", "s3"])
def drop(request, tmp_path, monkeypatch):
    home, folder = tmp_path / "home", tmp_path / "drop"
    folder.mkdir()
    if request.param == "s3":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with S3Store() as store:
            yield Drop("s3://bucket/drop", home, store)
        return
    addresses = {"path": str(folder), "file": f"file://{folder}", "memory": "memory://drop"}
    yield Drop(addresses[request.param], home)
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()


def test_a84_a_file_is_imported_once_whatever_it_is_called(drop):
    drop.put("customers.csv", CUSTOMERS)
    drop.put("invoices-1.csv", INVOICES)
    assert drop.pull() == {"customers.csv": "imported", "invoices-1.csv": "imported"}
    assert drop.amounts() == {"F1": "100.00"}
    drop.put("invoices/again.csv", INVOICES)
    told = drop.pull()
    assert set(told.values()) == {"already_imported"}
    assert drop.pulled.rows() == []


def test_a_later_file_revises_what_an_earlier_one_said(drop):
    drop.put("invoices-1.csv", INVOICES)
    drop.pull()
    drop.put("invoices-2.csv", REVISED)
    assert drop.pull() == {"invoices-1.csv": "already_imported", "invoices-2.csv": "imported"}
    (row,) = drop.pulled.rows()
    assert (row["pulled"], row["revised"], row["accepted"]) == (2, 1, 1)
    assert drop.amounts() == {"F1": "90.00", "F2": "5.00"}
    if drop.s3 is not None:
        drop.s3.read.clear()
        drop.pull()
        assert drop.s3.read == [], "what is known and has not changed is not fetched"


def test_a_file_that_is_still_being_written_waits(drop):
    drop.put("invoices.csv", INVOICES.rstrip("\n"))
    assert drop.pull() == {"invoices.csv": "waiting"}
    assert drop.amounts() == {}
    drop.put("invoices.csv", INVOICES)
    assert drop.pull(after=5) == {"invoices.csv": "waiting"}
    assert drop.pull() == {"invoices.csv": "imported"}


def test_a_file_that_cannot_be_understood_is_refused_and_the_others_come_in(drop):
    drop.put("invoices-1.csv", "invoice_id;amount\nF9;1\n")
    drop.put("invoices-2.csv", INVOICES)
    drop.put("notes.csv", "a,b\n1,2\n")
    drop.put("readme.md", "not a table")
    assert drop.pull() == {
        "invoices-1.csv": "refused",
        "invoices-2.csv": "imported",
        "notes.csv": "not_ours",
    }
    assert drop.amounts() == {"F1": "100.00"}
    with pytest.raises(IntakeRefused, match="the separator is not ','"):
        drop.pulled.raise_if_refused()
    drop.put("invoices-1.csv", REVISED)
    assert drop.pull()["invoices-1.csv"] == "imported"


def test_every_file_is_imported_again_when_it_is_asked_for(drop):
    drop.put("invoices-1.csv", INVOICES)
    drop.pull()
    assert drop.pull(whole=True) == {"invoices-1.csv": "imported"}
    (row,) = drop.pulled.rows()
    assert (row["pulled"], row["unchanged"], row["removed"]) == (1, 1, 0)


@pytest.fixture
def local(tmp_path) -> Drop:
    (tmp_path / "drop").mkdir()
    return Drop(str(tmp_path / "drop"), tmp_path / "home")


def test_files_are_imported_in_the_order_in_which_they_came(local):
    local.put("invoices-a.csv", REVISED)
    local.put("invoices-b.csv", INVOICES)
    now = datetime.now(UTC).timestamp()
    os.utime(Path(local.address) / "invoices-b.csv", (now - 999, now - 999))
    local.pull()
    assert local.amounts() == {"F1": "90.00", "F2": "5.00"}


def test_half_a_parquet_file_waits(local, tmp_path):
    pq.write_table(
        pa.table({"customer_id": ["C1", "C2"], "name": ["NA", "None"]}), tmp_path / "whole"
    )
    whole = (tmp_path / "whole").read_bytes()
    local.put("customers.parquet", whole[:-7])
    assert local.pull() == {"customers.parquet": "waiting"}
    local.put("customers.parquet", whole)
    assert local.pull() == {"customers.parquet": "imported"}


def test_a_file_is_read_by_the_mapping_and_a_cell_is_not_read_in_two_ways(local, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[format]\nseparator = ";"\ndecimal = ","\ndate = "%d/%m/%Y"\n[[rows]]\nfrom = "items*"\n'
        'into = "invoices"\n[rows.columns]\ninvoice_id = "N"\ncustomer_id = "C"\namount = "A"\n'
        'issue_date = "D"\nterms_code = "T"\n'
    )
    rows = ("7;A;1.000,50;31/01/2026;60 gg f.m.", "8;A;1.2.3;31/01/2026;NET30")
    local.put("items-1.csv", "\n".join(("N;C;A;D;T", *rows, "")))
    local.put("other.csv", "x;y\n1;2\n")
    assert local.pull(mapping=str(own)) == {"items-1.csv": "imported", "other.csv": "not_ours"}
    (row,) = local.pulled.rows()
    assert (row["accepted"], row["held"]) == (1, 1)
    assert local.amounts() == {"7": "1000.50"}


def test_a_mapping_that_needs_two_files_is_not_for_files_that_come_one_by_one(local):
    local.put("payment.csv", "id\n1\n")
    assert local.pull(mapping="quickbooks") == {"payment.csv": "refused"}
    with pytest.raises(IntakeRefused, match="need a second file"):
        local.pulled.raise_if_refused()


def test_a_folder_that_is_not_there_is_refused(local):
    shutil.rmtree(local.address)
    with pytest.raises(IntakeRefused, match="expected a folder of files"):
        local.pull()
