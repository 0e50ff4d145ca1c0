"""The track record: every horizon matures, though the nights themselves have gone."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.store import ScoreStore
from pipelines.track_record import ALL_DAYS, COLUMNS, FOLDER, TrackRecord

TODAY = date(2026, 7, 1)
DAYS = 180


def scores(night: date, *ids: str, version: str = "m1", p: float = 0.5) -> pa.Table:
    n = len(ids)
    told: dict[str, object] = dict.fromkeys(COLUMNS, np.full(n, p))
    told |= {"invoice_id": list(ids), "customer_id": ["C"] * n, "model_version": [version] * n}
    told["as_of"] = pa.array([night] * n, pa.date32())
    return pa.table({**told, "reasons": ["long"] * n})


@pytest.fixture
def record(tmp_path: Path) -> TrackRecord:
    return TrackRecord(ScoreStore(tmp_path))


def test_half_a_year_of_nights_leaves_a_fortnight_and_one_a_week(record: TrackRecord) -> None:
    for back in range(200, -1, -1):
        night = TODAY - timedelta(days=back)
        record.keep(night, scores(night, "A"))
        record.thin(night, days=DAYS)
    ages = [(TODAY - night).days for night in record.nights()]

    assert ages[-ALL_DAYS - 1 :] == list(range(ALL_DAYS, -1, -1))
    older = ages[: -ALL_DAYS - 1]
    assert max(older) in range(DAYS - 6, DAYS + 1)
    assert {a - b for a, b in zip(older[:-1], older[1:], strict=True)} == {7}


def test_thinning_again_changes_nothing(record: TrackRecord) -> None:
    for back in range(60, -1, -1):
        record.keep(TODAY - timedelta(days=back), scores(TODAY, "A"))
    gone = record.thin(TODAY, days=DAYS)
    left = record.nights()

    assert gone
    assert record.thin(TODAY, days=DAYS) == []
    assert record.nights() == left


def test_the_first_word_on_each_invoice_counts_and_only_of_earlier_nights(
    record: TrackRecord,
) -> None:
    first, second, third = (TODAY - timedelta(days=back) for back in (90, 60, 1))
    record.keep(first, scores(first, "A", p=0.1))
    record.keep(second, scores(second, "A", "B", version="m2", p=0.2))
    record.keep(third, scores(third, "B", "C", version="m2", p=0.3))

    def told(**given: object) -> dict[str, float]:
        table = record.first_words(given.pop("before", TODAY), **given)  # type: ignore[arg-type]
        return dict(zip(*(table[c].to_pylist() for c in ("invoice_id", "p_late_90")), strict=True))

    assert told() == {"A": 0.1, "B": 0.2, "C": 0.3}
    assert told(version="m2") == {"A": 0.2, "B": 0.2, "C": 0.3}
    assert told(before=third) == {"A": 0.1, "B": 0.2}
    assert record.first_words(first) is None
    assert record.first_words(TODAY, version="m3") is None


def test_said_again_the_days_last_word_counts(record: TrackRecord) -> None:
    record.keep(TODAY, scores(TODAY, "A", p=0.1))
    record.keep(TODAY, scores(TODAY, "A", p=0.4))
    said = record.first_words(TODAY + timedelta(days=1))

    assert said is not None
    assert said["p_late_0"].to_pylist() == [0.4]
    assert said.column_names == COLUMNS


def test_a_damaged_file_is_passed_over(record: TrackRecord, tmp_path: Path) -> None:
    record.keep(TODAY, scores(TODAY, "A"))
    (tmp_path / FOLDER / "2026-06-01.parquet").write_bytes(b"PAR1 cut short")
    said = record.first_words(TODAY + timedelta(days=1))

    assert said is not None
    assert said["invoice_id"].to_pylist() == ["A"]


def test_the_record_is_no_night(record: TrackRecord) -> None:
    record.keep(TODAY, scores(TODAY, "A"))

    assert record.store.names() == []
