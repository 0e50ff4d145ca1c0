import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines import features
from serving.cli import app
from tests import small_company


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_features_of_a_ledger_are_written_in_buckets(elsewhere: Path) -> None:
    ledger, days = str(small_company.ledger_folder()), ["--as-of", "2026-05-04"]
    told = CliRunner().invoke(
        app, ["build-features", ledger, "--to", "built", *days, "--partitions", "3", "--json"]
    )
    assert told.exit_code == 0, told.output
    written = json.loads(told.stdout)
    assert (written["buckets"], written["rows"] > 50) == (3, True)

    files = sorted(Path(written["folder"]).rglob("features.parquet"))
    columns = pq.read_schema(files[0]).names
    assert {"invoice_id", "as_of", *features.BOOK} <= set(columns)
    assert sum(pq.read_metadata(file).num_rows for file in files) == written["rows"]
