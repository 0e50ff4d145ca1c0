import json
import os
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.horizons import PROBABILITY_COLUMNS
from pipelines.gate import Portfolio, PublishRefused
from pipelines.snapshot import SnapshotDamaged, Wanted
from pipelines.store import RunOvertaken, ScoreStore, StoreBusy
from tests.pipelines.drawn_scores import AS_OF, drawn_scores

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> ScoreStore:
    return ScoreStore(tmp_path / "scores")


def publish(store: ScoreStore, scores: pa.Table, **more: object) -> str:
    with store.writing() as run:
        return store.publish(scores["as_of"][0].as_py(), scores, run=run, **more)  # type: ignore[arg-type]


def files(root: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and p.name != "RUN"
    }


def put(scores: pa.Table, column: str, row: int, value: object) -> pa.Table:
    at = scores.schema.get_field_index(column)
    values = scores[column].to_pylist()
    values[row] = value
    return scores.set_column(
        at, scores.schema.field(at), pa.array(values, scores.schema.field(at).type)
    )


def test_before_the_first_night_there_is_nothing_to_read(store: ScoreStore) -> None:
    assert store.current() is None
    assert store.names() == []


def test_a_row_comes_back_as_it_went_in_to_the_bit(store: ScoreStore) -> None:
    scores = drawn_scores(50)
    publish(store, scores)

    snapshot = store.current()
    assert snapshot is not None
    assert (snapshot.as_of, snapshot.model_version, snapshot.rows) == (AS_OF, "v1", 50)
    assert [snapshot.get_invoice(row["invoice_id"]) for row in scores.to_pylist()] == (
        scores.to_pylist()
    )
    assert snapshot.scores().equals(scores)


def test_an_unknown_invoice_or_customer_is_nobody(store: ScoreStore) -> None:
    publish(store, drawn_scores())
    snapshot = store.current()
    assert snapshot is not None

    assert snapshot.get_invoice("INV-9' OR 1=1 --") is None
    assert snapshot.get_customer("nobody") == []


def test_a_customer_has_all_its_open_invoices(store: ScoreStore) -> None:
    publish(store, drawn_scores())
    snapshot = store.current()
    assert snapshot is not None

    assert [row["invoice_id"] for row in snapshot.get_customer("C-0001")] == [
        "INV-00003",
        "INV-00002",
    ]


def test_the_worklist_starts_with_the_action_worth_most(store: ScoreStore) -> None:
    publish(store, drawn_scores(10))
    snapshot = store.current()
    assert snapshot is not None

    first, then = snapshot.worklist(limit=2), snapshot.worklist(limit=2, offset=2)
    assert [row["invoice_id"] for row in first + then] == [f"INV-0000{i}" for i in (9, 8, 7, 6)]
    waiting = snapshot.worklist(Wanted(action="wait"))
    assert [row["invoice_id"] for row in waiting] == ["INV-00008", "INV-00004", "INV-00000"]
    assert snapshot.count(Wanted(action="wait", band="low")) == 3
    assert snapshot.count() == 10


def test_the_same_night_again_changes_no_byte(store: ScoreStore) -> None:
    name = publish(store, drawn_scores(50), facts={"at": "now"})
    before = files(store.root)

    for _ in range(2):
        again = drawn_scores(50).take(list(reversed(range(50))))
        assert publish(store, again, facts={"at": "later"}) == name
    assert files(store.root) == before


def test_the_same_night_elsewhere_has_the_same_bytes(tmp_path: Path) -> None:
    here, there = ScoreStore(tmp_path / "here"), ScoreStore(tmp_path / "there")
    for store in (here, there):
        publish(store, drawn_scores(50))

    assert files(here.root) == files(there.root)


def test_another_model_or_another_number_is_another_snapshot(store: ScoreStore) -> None:
    names = {
        publish(store, drawn_scores()),
        publish(store, drawn_scores(shift=1)),
        publish(store, drawn_scores(version="v2")),
    }

    assert len(names) == 3
    assert store.names() == sorted(names)


def test_the_last_night_is_the_one_that_is_read_and_going_back_is_pointing(
    store: ScoreStore,
) -> None:
    first, second = publish(store, drawn_scores()), publish(store, drawn_scores(shift=1))
    assert store.current_name() == second

    with store.writing() as run:
        store.point(first, run=run)
        with pytest.raises(ValueError, match="snapshot must be one of"):
            store.point("../../etc", run=run)
    assert store.current_name() == first


def test_a_reader_keeps_its_snapshot_while_a_new_one_is_published(store: ScoreStore) -> None:
    publish(store, drawn_scores())
    old = store.current()
    assert old is not None
    publish(store, drawn_scores(shift=1))

    new = store.current()
    assert new is not None
    assert new is not old
    before, after = old.get_invoice("INV-00001"), new.get_invoice("INV-00001")
    assert before != after
    assert store.current() is new


def test_the_manifest_says_what_was_published(store: ScoreStore) -> None:
    quarantine = pa.table({"table": ["payments"], "line": [7], "rule": ["paid_in_the_future"]})
    publish(store, drawn_scores(), quarantine=quarantine, facts={"ledger": "abc"})
    snapshot = store.current()
    assert snapshot is not None

    manifest = snapshot.manifest
    assert manifest["as_of"] == "2026-06-30"
    assert manifest["sums"]["open_cents"] == 40_006
    assert (manifest["rows"], manifest["quarantined"], manifest["run"]) == (4, 1, 1)
    assert manifest["facts"] == {"ledger": "abc"}
    kept = snapshot.quarantine()
    assert kept is not None
    assert kept.equals(quarantine)


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("p_late_0", 1.0000001, "outside 0..1"),
        ("p_late_30", -0.1, "outside 0..1"),
        ("p_unpaid_180", float("nan"), "outside 0..1"),
        ("p_late_60", None, "outside 0..1"),
        ("p_late_90", 0.99, "rise with the horizon"),
        ("as_of", date(2026, 7, 1), "not as of"),
        ("as_of", None, "not as of"),
        ("model_version", "v0", "one model must answer"),
        ("invoice_id", "INV-00001", "more than once"),
    ],
)
def test_a_night_that_contradicts_itself_is_refused_and_the_old_one_stays(
    store: ScoreStore, column: str, value: object, fault: str
) -> None:
    good = publish(store, drawn_scores())
    before = files(store.root)

    with pytest.raises(PublishRefused, match=fault):
        publish(store, put(drawn_scores(shift=1), column, 2, value))
    assert store.current_name() == good
    assert files(store.root) == before


def test_a_night_must_hold_what_the_ledger_says_is_open(store: ScoreStore) -> None:
    scores = drawn_scores()
    ids = scores["invoice_id"].combine_chunks()
    total = pc.sum(scores["open_cents"]).as_py()

    publish(store, scores, portfolio=Portfolio(ids, total))
    with pytest.raises(PublishRefused, match=f"sum to {total + 1} cents, got: {total}"):
        publish(store, scores, portfolio=Portfolio(ids, total + 1))
    with pytest.raises(PublishRefused, match="1 invoices are scored and not open, .* INV-00000"):
        publish(store, scores, portfolio=Portfolio(ids[1:], total))
    with pytest.raises(PublishRefused, match="1 invoices are open and have no score, .* INV-00003"):
        publish(store, scores[:3], portfolio=Portfolio(ids, total))


def test_f14_f27_a_night_that_tells_nothing_apart_is_refused_unless_it_never_did(
    store: ScoreStore,
) -> None:
    good = publish(store, drawn_scores(200))
    alike = drawn_scores(200, shift=1)
    for column in PROBABILITY_COLUMNS:
        at = alike.schema.get_field_index(column)
        alike = alike.set_column(at, alike.schema.field(at), pa.array([0.25] * 60 + [0.5] * 140))

    with pytest.raises(PublishRefused, match="70% of the invoices have the very same prob"):
        publish(store, alike)
    assert store.current_name() == good
    fresh = ScoreStore(store.root.with_name("fresh"))  # a portfolio of equal invoices is one too
    assert publish(fresh, alike) != publish(fresh, alike.slice(1))


def test_all_faults_are_told_at_once(store: ScoreStore) -> None:
    bad = put(put(drawn_scores(), "p_late_0", 0, 2.0), "model_version", 1, None)

    with pytest.raises(PublishRefused, match="outside 0..1.*one model must answer"):
        publish(store, bad)


def test_a_portfolio_without_open_invoices_is_a_night_too(store: ScoreStore) -> None:
    with store.writing() as run:
        store.publish(AS_OF, drawn_scores(0), run=run)

    snapshot = store.current()
    assert snapshot is not None
    assert snapshot.worklist() == []


def test_two_runs_at_once_are_not_possible(store: ScoreStore) -> None:
    with store.writing(), pytest.raises(StoreBusy, match="another run"), store.writing():
        pass


def test_f5_a_run_that_was_overtaken_cannot_publish(store: ScoreStore) -> None:
    with store.writing() as late:
        os.remove(store.root / "LOCK")  # a lock that the file system did not hold
        newest = publish(store, drawn_scores(shift=1))

        with pytest.raises(RunOvertaken, match="run 1 is too late, run 2 has begun"):
            store.publish(AS_OF, drawn_scores(shift=2), run=late)
    assert store.current_name() == newest


@pytest.mark.parametrize("name", ["scores.parquet", "lookup.sqlite"])
def test_a_changed_file_is_never_read_and_the_next_run_heals_it(
    store: ScoreStore, name: str
) -> None:
    snapshot = publish(store, drawn_scores())
    path = store.root / snapshot / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(SnapshotDamaged, match=name):
        ScoreStore(store.root).current()
    assert publish(store, drawn_scores()) == snapshot
    assert ScoreStore(store.root).current() is not None


def test_the_lookup_cannot_be_written_to(store: ScoreStore) -> None:
    publish(store, drawn_scores())
    snapshot = store.current()
    assert snapshot is not None

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        snapshot._lookup.execute("DELETE FROM scores")


def test_only_the_last_snapshots_are_kept_and_the_one_that_is_read(store: ScoreStore) -> None:
    names = [publish(store, drawn_scores(shift=i)) for i in range(5)]
    with store.writing() as run:
        store.point(names[0], run=run)
        gone = store.prune(keep=2, run=run)

    assert gone == names[1:3]
    assert store.names() == sorted([names[0], *names[3:]])


def test_what_killed_runs_left_is_swept_beside_the_nights_too(store: ScoreStore) -> None:
    name = publish(store, drawn_scores())
    records = store.root / "track_record"
    records.mkdir()
    left = [records / ".2026-06-30.parquet.7.tmp", store.root / ".CURRENT.7.tmp"]
    for path in left:
        path.write_bytes(b"half")

    assert publish(store, drawn_scores()) == name
    assert [path for path in left if path.exists()] == []


def test_f1_a_writer_killed_at_any_moment_leaves_the_previous_night_readable(
    tmp_path: Path,
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.pipelines.killed_writers", str(tmp_path / "s"), "40"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    kills = [json.loads(line) for line in told.stdout.splitlines()]
    at_steps = [kill for kill in kills if kill["how"] != "random"]

    assert len(at_steps) > 10
    assert len(kills) - len(at_steps) == 40
    assert all(kill["after"]["rows"] == 300 and kill["after"]["p"] for kill in kills)
    assert at_steps[0]["after"] == at_steps[0]["before"]
    assert at_steps[-1]["after"] != at_steps[-1]["before"]

    store = ScoreStore(tmp_path / "s")
    publish(store, drawn_scores())
    assert not list(store.root.glob("*.tmp")) + list(store.root.glob(".*"))
