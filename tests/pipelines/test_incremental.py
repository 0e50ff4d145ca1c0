"""A later run keeps what still stands of an earlier one, with the bits of working it out anew."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import BASE, Rows, ledger_rows, to_ledger
from thorough import examples

from pipelines import incremental, partitions, synthetic
from pipelines.features import BOOK
from pipelines.incremental import READ, Earlier, Facts
from pipelines.ledger import Ledger
from pipelines.partitions import Differs, Questions, Run, compute, partition, read

MONDAY = 20_500  # 2026-02-16
TUESDAY = MONDAY + 1


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return synthetic.generate(customers=60, months=12)[0]


@pytest.fixture(scope="module")
def on_monday(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("monday")
    split = partition(ledger.known_before(MONDAY), folder / "in", partitions=2)
    return compute(
        split, folder / "out", questions=Questions.on_issue(as_of=MONDAY), for_later=True
    )


def later(ledger: Ledger, earlier: Run, folder: Path, *, as_of: int = TUESDAY) -> Run:
    """The run on a later day's ledger; its check works everything out again and compares."""
    split = partition(ledger.known_before(as_of), folder / "in", partitions=2)
    questions = Questions.on_issue(as_of=as_of)
    return compute(split, folder / "out", questions=questions, earlier=earlier.folder, check=True)


def with_first(table: pa.Table, column: str, value: Any, *, where: pa.Array) -> pa.Table:
    """The table with another value in the first row that is so."""
    row = int(np.flatnonzero(where.to_numpy(zero_copy_only=False))[0])
    values = table[column].to_pylist()
    values[row] = value
    field = table.schema.field(column)
    return table.set_column(
        table.schema.get_field_index(column), field, pa.array(values, field.type)
    )


def test_the_next_day_only_new_invoices_are_worked_out(
    ledger: Ledger, on_monday: Run, tmp_path: Path
) -> None:
    run = later(ledger, on_monday, tmp_path)
    assert run.rows > on_monday.rows
    assert run.kept == on_monday.rows


def test_a_restated_payment_has_its_customer_worked_out_again_and_no_other(
    ledger: Ledger, on_monday: Run, tmp_path: Path
) -> None:
    payments = ledger.payments
    early = pc.less(payments["paid_on"].cast(pa.int32()), MONDAY - 100)
    linked = pc.and_(early, payments["invoice_id"].is_valid()).combine_chunks()
    restated = with_first(payments, "amount_cents", 1, where=linked)
    run = later(Ledger.of(**{**ledger.tables(), "payments": restated}), on_monday, tmp_path)

    invoice = payments.filter(linked)["invoice_id"][0]
    at = pc.index(ledger.invoices["invoice_id"], invoice).as_py()
    customer = ledger.invoices["customer_id"][at]
    known = ledger.known_before(MONDAY).invoices["customer_id"]
    assert on_monday.rows - run.kept == pc.sum(pc.equal(known, customer)).as_py()


def test_a_customer_who_moves_to_another_country_is_worked_out_again(
    ledger: Ledger, on_monday: Run, tmp_path: Path
) -> None:
    everyone = pa.array(np.ones(ledger.customers.num_rows, bool))
    moved = with_first(ledger.customers, "country", "SE", where=everyone)
    run = later(Ledger.of(**{**ledger.tables(), "customers": moved}), on_monday, tmp_path)
    assert 0 < run.kept < on_monday.rows


def test_what_features_do_not_read_changes_nothing(
    ledger: Ledger, on_monday: Run, tmp_path: Path
) -> None:
    everyone = pa.array(np.ones(ledger.customers.num_rows, bool))
    renamed = with_first(ledger.customers, "name", "Another S.p.A.", where=everyone)
    run = later(Ledger.of(**{**ledger.tables(), "customers": renamed}), on_monday, tmp_path)
    assert run.kept == on_monday.rows


def test_open_invoices_as_of_a_new_day_are_all_new_questions(
    ledger: Ledger, tmp_path: Path
) -> None:
    split = partition(ledger, tmp_path / "in", partitions=2)
    monday = compute(split, tmp_path / "monday", questions=Questions.on([MONDAY]), for_later=True)
    tuesday = compute(
        split, tmp_path / "tuesday", questions=Questions.on([TUESDAY]), earlier=monday.folder
    )
    assert tuesday.kept == 0
    both = compute(
        split,
        tmp_path / "both",
        questions=Questions.on([MONDAY, TUESDAY]),
        earlier=monday.folder,
        check=True,
    )
    assert both.kept == monday.rows


def test_the_check_finds_a_kept_value_that_is_wrong(
    ledger: Ledger, on_monday: Run, tmp_path: Path
) -> None:
    compute(
        on_monday.folder.parent / "in",
        tmp_path / "wrong",
        questions=on_monday.questions,
        for_later=True,
    )
    path = tmp_path / "wrong" / "bucket=0000" / "features.parquet"
    table = pq.read_table(path)
    values = table["n_invoices"].to_numpy() + 1
    place = table.schema.get_field_index("n_invoices")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(values)), path)
    with pytest.raises(Differs, match=r"rows are not what is worked out anew, in n_invoices;"):
        later(ledger, replace(on_monday, folder=tmp_path / "wrong"), tmp_path)


def test_answers_made_in_another_way_are_not_kept(
    ledger: Ledger, on_monday: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "_way", lambda: "another book")
    assert later(ledger, on_monday, tmp_path).kept == 0


def test_an_earlier_run_must_fit(ledger: Ledger, on_monday: Run, tmp_path: Path) -> None:
    split = partition(ledger, tmp_path / "in", partitions=3)
    questions = Questions.on_issue(as_of=TUESDAY)
    with pytest.raises(ValueError, match="must have as many buckets as the ledger has, 3, got: 2"):
        compute(split, tmp_path / "out", questions=questions, earlier=on_monday.folder)
    compute(split, tmp_path / "bare", questions=questions)
    with pytest.raises(ValueError, match="must be made with for_later=True"):
        compute(split, tmp_path / "out", questions=questions, earlier=tmp_path / "bare")
    with pytest.raises(ValueError, match="to must be another folder than earlier's"):
        compute(split, on_monday.folder, questions=questions, earlier=on_monday.folder)
    assert sum(table.num_rows for table in read(on_monday.folder)) == on_monday.rows


@settings(max_examples=examples(6), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=ledger_rows(),
    after=ledger_rows(),
    day=st.integers(BASE, BASE + 500),
    restated=st.booleans(),
)
def test_nasty_ledgers_are_carried_on_with_the_same_bits(
    before: Rows, after: Rows, day: int, restated: bool
) -> None:
    first, second = to_ledger(before), to_ledger(after if restated else before)
    with TemporaryDirectory() as folder:
        split = partition(first, Path(folder) / "in", partitions=2)
        earlier = compute(
            split, Path(folder) / "out", questions=Questions.on_issue(as_of=day), for_later=True
        )
        run = later(second, earlier, Path(folder) / "later", as_of=day + 20)
        assert restated or run.kept == earlier.rows


def test_the_order_of_rows_is_nothing_and_every_column_read_is_something(ledger: Ledger) -> None:
    small = synthetic.generate(customers=12, months=12)[0]
    expected = Facts.of(small).digests(known_before=MONDAY)
    back = {
        name: t.take(pa.array(np.arange(t.num_rows)[::-1])) for name, t in small.tables().items()
    }
    turned = Facts.of(Ledger.of(**back)).digests(known_before=MONDAY)
    order = [("customer_id", "ascending")]
    assert turned.sort_by(order) == expected.sort_by(order)

    for name, columns in READ.items():
        table = small.tables()[name]
        for column in columns:
            if column not in ("customer_id", "invoice_id"):
                emptied = pa.nulls(table.num_rows, table.schema.field(column).type)
                other = table.set_column(
                    table.schema.get_field_index(column), table.schema.field(column), emptied
                )
                changed = Ledger.of(**{**small.tables(), name: other})
                same = Facts.of(changed).digests(known_before=MONDAY) == expected
                assert same == (table[column].null_count == table.num_rows), (name, column)


def test_an_invoice_is_found_again_by_its_id_and_day() -> None:
    answers = pa.table({"invoice_id": ["b", "a", "a"], "as_of": pa.array([7, 7, 8], pa.date32())})
    asked = pa.chunked_array([["a", "a", "b", "c", "b"]])
    found = incremental._rows_of_pairs(asked, np.array([8, 7, 7, 7, 8], np.int32), answers)
    assert found.tolist() == [2, 1, 0, -1, -1]
    empty = Earlier(answers.slice(0, 0), pa.table({}), 0).answers
    assert incremental._rows_of_pairs(asked, np.zeros(5, np.int32), empty).tolist() == [-1] * 5


def test_the_peers_columns_are_named_as_the_book_names_them() -> None:
    assert [name for name, feature in BOOK.items() if feature.family == "peers"] == [
        feature.name for feature in incremental.PEERS
    ]
