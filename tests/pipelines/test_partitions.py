"""The same bits whatever the number of partitions and wherever they are worked out."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dying_tasks import compute_and_die
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, drawn, ledger_rows, to_ledger
from thorough import examples

from pipelines import buckets, synthetic, workers
from pipelines.features import Peers
from pipelines.ledger import TABLES, Ledger
from pipelines.partitions import Questions, Run, compute, partition, read, whole
from pipelines.peer_sums import added
from pipelines.settlement import settle

PARTITIONS = 7
AS_OF = 20_500  # 2026-02-16
ON_ISSUE, NIGHTLY = Questions.on_issue(as_of=AS_OF), Questions.on([AS_OF - 30, AS_OF])


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    return synthetic.generate(customers=60, months=18)[0]


@pytest.fixture(scope="session")
def partitioned(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return partition(ledger, tmp_path_factory.mktemp("in") / "seven", partitions=PARTITIONS)


@pytest.fixture(scope="session")
def in_one_piece(ledger: Ledger) -> pa.Table:
    return whole(ledger, ON_ISSUE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with workers.local_cluster(2) as address:
        yield address


def in_order(table: pa.Table) -> pa.Table:
    return table.sort_by([("invoice_id", "ascending"), ("as_of", "ascending")])


def assert_same_bits(run: Run, expected: pa.Table) -> None:
    found, expected = in_order(pa.concat_tables(read(run.folder))), in_order(expected)
    assert run.rows == found.num_rows == expected.num_rows
    for name in ("invoice_id", "as_of"):
        assert found[name].equals(expected[name]), name
    for name in expected.column_names[2:]:
        bits = [table[name].to_numpy().view(np.int32) for table in (found, expected)]
        np.testing.assert_array_equal(*bits, err_msg=name)


@pytest.mark.parametrize("questions", [ON_ISSUE, NIGHTLY])
@pytest.mark.parametrize("partitions", [1, 2, PARTITIONS])
def test_any_number_of_partitions_gives_the_bits_of_one_piece(
    partitions: int, questions: Questions, ledger: Ledger, tmp_path: Path
) -> None:
    split = partition(ledger, tmp_path / "in", partitions=partitions)
    run = compute(split, tmp_path / "out", questions=questions)
    assert_same_bits(run, whole(ledger, questions))


@settings(max_examples=examples(6), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), day=st.integers(BASE - 1, BASE + 600))
def test_nasty_ledgers_give_the_same_bits_in_parts(rows: Rows, day: int) -> None:
    ledger = to_ledger(rows)
    questions = (Questions.on_issue(as_of=day), Questions.on([day, day - 40]))
    for partitions in (1, 2, PARTITIONS):
        with TemporaryDirectory() as folder:
            split = partition(ledger, Path(folder) / "in", partitions=partitions)
            for number, asked in enumerate(questions):
                run = compute(split, Path(folder) / f"out-{number}", questions=asked)
                assert_same_bits(run, whole(ledger, asked))


@settings(max_examples=examples(2), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ledger_rows(), day=st.integers(BASE - 1, BASE + 600))
def test_nasty_ledgers_give_the_same_bits_on_a_cluster(cluster: str, rows: Rows, day: int) -> None:
    ledger, asked = to_ledger(rows), Questions.on_issue(as_of=day)
    with TemporaryDirectory() as folder:
        split = partition(ledger, Path(folder) / "in", partitions=2)
        run = compute(split, Path(folder) / "out", questions=asked, scheduler=cluster)
        assert_same_bits(run, whole(ledger, asked))


def test_files_of_a_ledger_are_split_like_the_ledger_in_memory(
    ledger: Ledger, tmp_path: Path
) -> None:
    synthetic.write(tmp_path / "files", customers=60, months=18)
    split = partition(tmp_path / "files", tmp_path / "in", partitions=2)
    again = partition(ledger, tmp_path / "again", partitions=2)
    for one, other in zip(buckets.folders(split), buckets.folders(again), strict=True):
        assert buckets.read(one) == buckets.read(other)


def test_a_row_goes_with_the_customer_of_the_invoice_it_names(tmp_path: Path) -> None:
    rows = drawn(
        """
        invoices invoice_id customer_id issue_date due_date amount
                 I1         A           0          30       100
                 I2         B           0          30       100
        payments payment_id invoice_id customer_id paid_on amount
                 P1         I1         B           40      50
                 P2         I1         -           50      50
                 P3         -          B           50      50
                 P4         gone       A           50      50
                 P5         -          -           50      50
        """
    )
    split = partition(to_ledger(rows), tmp_path / "in", partitions=PARTITIONS)
    ledgers = [buckets.read(folder) for folder in buckets.folders(split)]
    found = {
        table[f"{name[:-1]}_id"][row].as_py(): number
        for number, ledger in enumerate(ledgers)
        for name in ("invoices", "payments")
        for table in [ledger.tables()[name]]
        for row in range(table.num_rows)
    }
    assert len(found) == 7
    assert found["I1"] != found["I2"]
    assert found["P1"] == found["P2"] == found["P4"] == found["I1"]
    assert found["P3"] == found["I2"]


def test_peers_of_parts_add_up_to_those_of_the_whole(ledger: Ledger, partitioned: Path) -> None:
    parts = [buckets.read(folder) for folder in buckets.folders(partitioned)]
    summed = added([Peers.build(part, settle(part)).as_columns() for part in parts])
    expected = Peers.build(ledger, settle(ledger)).as_columns()
    order = [(name, "ascending") for name in ("kind", "value", "known_day")]
    assert summed.as_columns().sort_by(order).equals(expected.sort_by(order))


def kill_one(pids: Callable[[], list[int]], *, once: Path) -> Callable[[], int]:
    """Kills a process as soon as a bucket is done; then, how many were done by that time."""
    done: list[int] = []

    def watch() -> None:
        while not (found := list(once.glob("*/features.parquet"))):
            time.sleep(0.002)
        os.kill(pids()[0], signal.SIGKILL)
        done.append(len(found))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    return lambda: (watcher.join(5), done[0])[1]


def test_a_killed_process_of_a_pool_loses_nothing(
    partitioned: Path, in_one_piece: pa.Table, tmp_path: Path
) -> None:
    killed = kill_one(
        lambda: [child.pid or 0 for child in multiprocessing.active_children()], once=tmp_path
    )
    run = compute(partitioned, tmp_path, questions=ON_ISSUE, workers=2)
    assert killed() < PARTITIONS
    assert_same_bits(run, in_one_piece)


def test_a_dask_cluster_gives_the_same_bits(
    cluster: str, partitioned: Path, in_one_piece: pa.Table, tmp_path: Path
) -> None:
    run = compute(partitioned, tmp_path, questions=ON_ISSUE, scheduler=cluster)
    assert_same_bits(run, in_one_piece)


def test_a_killed_dask_worker_loses_nothing(
    cluster: str, partitioned: Path, in_one_piece: pa.Table, tmp_path: Path
) -> None:
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        pids = list(client.run(os.getpid).values())
        killed = kill_one(lambda: pids, once=tmp_path)
        run = compute(partitioned, tmp_path, questions=ON_ISSUE, scheduler=cluster)
    assert killed() < PARTITIONS
    assert_same_bits(run, in_one_piece)


def test_dask_workers_do_not_give_back_memory_at_every_turn(cluster: str) -> None:
    from distributed import Client

    with Client(cluster, set_as_default=False) as client:
        environments = list(client.run(lambda: dict(os.environ)).values())
    assert all("MALLOC_TRIM_THRESHOLD_" not in environment for environment in environments)


def test_a_killed_run_goes_on_where_it_stopped(
    partitioned: Path, in_one_piece: pa.Table, tmp_path: Path
) -> None:
    begun = multiprocessing.get_context("forkserver").Process(
        target=compute_and_die, args=(PARTITIONS + 6, partitioned, tmp_path, ON_ISSUE)
    )
    begun.start()
    begun.join()
    assert begun.exitcode == -signal.SIGKILL
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/features.parquet")}
    assert 0 < len(done) < PARTITIONS
    assert list(tmp_path.rglob(".*.tmp"))  # what it was writing

    run = compute(partitioned, tmp_path, questions=ON_ISSUE)
    assert_same_bits(run, in_one_piece)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert [bucket.was_done for bucket in run.buckets].count(True) == len(done)
    assert not list(tmp_path.rglob(".*.tmp"))


def test_an_unfinished_run_is_not_read(partitioned: Path, tmp_path: Path) -> None:
    run = compute(partitioned, tmp_path, questions=NIGHTLY)
    (run.folder / "run.json").unlink()
    with pytest.raises(ValueError, match="must be a finished run's folder"):
        list(read(run.folder))


def test_other_questions_or_other_rows_are_worked_out_again(
    ledger: Ledger, partitioned: Path, tmp_path: Path
) -> None:
    compute(partitioned, tmp_path / "out", questions=NIGHTLY)
    again = compute(partitioned, tmp_path / "out", questions=NIGHTLY)
    assert all(bucket.was_done for bucket in again.buckets)
    other = compute(partitioned, tmp_path / "out", questions=ON_ISSUE)
    assert not any(bucket.was_done for bucket in other.buckets)

    fewer = Ledger.of(**{**ledger.tables(), "payments": ledger.payments.slice(1)})
    split = partition(fewer, tmp_path / "in", partitions=PARTITIONS)
    run = compute(split, tmp_path / "out", questions=ON_ISSUE)
    assert_same_bits(run, whole(fewer, ON_ISSUE))


def test_memory_follows_a_batch_and_a_bucket_not_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "ROWS", 1_000)
    held: list[int] = []
    add = buckets._Files.add

    def watched(files: buckets._Files, rows: pa.Table, bucket: buckets.Buckets) -> None:
        held.append(rows.num_rows)
        add(files, rows, bucket)

    monkeypatch.setattr(buckets._Files, "add", watched)
    count = synthetic.write(tmp_path / "files", customers=300, months=12)["invoices"]
    split = partition(tmp_path / "files", tmp_path / "in", partitions=PARTITIONS)
    assert count > 10_000
    assert max(held) == 1_000

    run = compute(split, tmp_path / "out", questions=NIGHTLY)
    read_at_once = [bucket.invoices for bucket in run.buckets]
    assert sum(read_at_once) == count
    assert max(read_at_once) < count / 3


def test_what_cannot_be_split_says_what_to_do(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="partitions must be from 1 to 512, got: 0"):
        partition(ledger, tmp_path / "in", partitions=0)
    with pytest.raises(ValueError, match=r"read CSV files.*with `sources.read`"):
        partition(tmp_path, tmp_path / "in", partitions=2)
    with pytest.raises(ValueError, match="must be a folder made by `partition`"):
        compute(tmp_path, tmp_path / "out", questions=NIGHTLY)
    with pytest.raises(ValueError, match="days must name at least one day"):
        Questions.on([])
    (tmp_path / "in").mkdir()
    with pytest.raises(FileExistsError, match="never written over"):
        partition(ledger, tmp_path / "in", partitions=2)


def test_files_whose_rows_break_a_rule_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    synthetic.write(tmp_path / "files", customers=5, months=3)
    path = tmp_path / "files" / "payments.parquet"
    table = pq.read_table(path)
    nobody = pa.nulls(table.num_rows, pa.date32())
    pq.write_table(
        table.set_column(table.schema.get_field_index("paid_on"), "paid_on", nobody), path
    )
    with pytest.raises(ValueError, match=r"missing_required: paid_on .* with `sources.read` first"):
        partition(tmp_path / "files", tmp_path / "in", partitions=2)
    assert [p.name for p in tmp_path.iterdir()] == ["files"]


def test_every_column_of_a_bucket_is_kept(ledger: Ledger, partitioned: Path) -> None:
    parts = [buckets.read(folder).tables() for folder in buckets.folders(partitioned)]
    for name in TABLES:
        rows = pa.concat_tables(part[name] for part in parts)
        order = [(column, "ascending") for column in rows.column_names]
        assert rows.sort_by(order).equals(ledger.tables()[name].sort_by(order)), name
