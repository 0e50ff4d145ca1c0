"""The training set: matured labels only, drawn without a look at how an invoice ends."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from ledgers import drawn, to_ledger

from models.fitting import NotEnoughHistory, TrainingRows
from models.horizons import ALL_HORIZONS_DAYS
from pipelines import dataset, labels, landmarks, synthetic
from pipelines.dataset import Dataset
from pipelines.job import day_number
from pipelines.ledger import Ledger, days
from pipelines.settlement import settle

CUT_OFF = day_number(date(2026, 3, 1))
Pairs = set[tuple[str, int]]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return synthetic.generate(customers=12, months=18, seed=4)[0]


@pytest.fixture(scope="module")
def built(ledger: Ledger) -> Dataset:
    return dataset.build(ledger, cut_off=CUT_OFF)


def pairs(ledger: Ledger, *, seed: int = 0) -> Pairs:
    """The (invoice id, day) drawn from what was known before the cut-off."""
    prepared = landmarks.prepare(ledger.known_before(CUT_OFF))
    invoice, day = dataset.draw(prepared, cut_off=CUT_OFF, seed=seed)
    ids = prepared.ledger.invoices["invoice_id"].to_pylist()
    return {(ids[i], int(d)) for i, d in zip(invoice, day, strict=True)}


def with_table(ledger: Ledger, **tables: pa.Table) -> Ledger:
    return Ledger(**{**ledger.tables(), **tables})


def same(a: TrainingRows, b: TrainingRows) -> bool:
    return all(
        x.tobytes() == y.tobytes()
        for x, y in [
            (a.snapshots.features, b.snapshots.features),
            (a.snapshots.as_of, b.snapshots.as_of),
            (a.snapshots.due_day, b.snapshots.due_day),
            (a.row, b.row),
            (a.days_ahead, b.days_ahead),
            (a.still_open, b.still_open),
        ]
    )


def test_no_label_is_of_the_cut_off_or_a_later_day(built: Dataset) -> None:
    assert built.rows.target_day.max() < CUT_OFF
    assert built.rows.days_ahead.min() >= 0
    assert built.rows.snapshots.as_of.max() < CUT_OFF


def test_open_invoices_have_labels_too(ledger: Ledger, built: Dataset) -> None:
    known = settle(ledger.known_before(CUT_OFF))
    still_open = labels.is_labelled(known) & (known.settled_day >= CUT_OFF)
    assert still_open.sum() > 20
    assert built.rows.still_open[built.rows.target_day == CUT_OFF - 1].any()


def test_every_matured_horizon_of_every_snapshot_is_there(built: Dataset) -> None:
    rows = built.rows
    taken = rows.snapshots
    asked = set(zip(rows.row.tolist(), rows.target_day.tolist(), strict=True))
    for horizon in ALL_HORIZONS_DAYS:
        target = taken.due_day + horizon
        for row in np.flatnonzero((target >= taken.as_of) & (target < CUT_OFF))[::17]:
            assert (row, target[row]) in asked


def test_labels_say_what_the_ledger_says(ledger: Ledger, built: Dataset) -> None:
    known = ledger.known_before(CUT_OFF)
    prepared = landmarks.prepare(known)
    invoice, _ = dataset.draw(prepared, cut_off=CUT_OFF, seed=0)
    rows = built.rows
    settled = prepared.settlement.settled_day[invoice[rows.row]]
    assert (rows.still_open == (settled > rows.target_day)).all()


def test_days_are_drawn_without_a_look_at_how_the_invoice_ends(ledger: Ledger) -> None:
    """Paid later, an invoice keeps its days and gains those on which it is now open."""
    before = pairs(ledger)
    payments = ledger.payments
    # not the first ones: the ledger is watched from the first payment on
    later = payments.filter(pa.array(days(payments["paid_on"]) > CUT_OFF - 300))
    chosen = pa.array(np.unique(later["invoice_id"].drop_null().to_pylist())[::3])
    put_off = pa.array(days(payments["paid_on"]) + 25, pa.int32()).cast(pa.date32())
    moved = pa.compute.if_else(
        pa.compute.is_in(payments["invoice_id"], value_set=chosen), put_off, payments["paid_on"]
    )
    at = payments.schema.get_field_index("paid_on")
    after = pairs(with_table(ledger, payments=payments.set_column(at, "paid_on", moved)))
    assert before < after
    assert {name for name, _ in after - before} <= set(chosen.to_pylist())


def test_every_day_drawn_is_one_on_which_the_invoice_was_open(ledger: Ledger) -> None:
    prepared = landmarks.prepare(ledger.known_before(CUT_OFF))
    invoice, day = dataset.draw(prepared, cut_off=CUT_OFF, seed=0)
    of = prepared.settlement
    assert (of.issue_day[invoice] <= day).all()
    assert (of.settled_known_day[invoice] >= day).all()
    assert labels.is_labelled(of)[invoice].all()


def test_an_invoices_draw_depends_on_its_id_and_the_seed_alone(ledger: Ledger) -> None:
    everybody = pairs(ledger)
    some = ledger.customers["customer_id"].combine_chunks()[::2]
    first = int(settle(ledger).movements.known_day.min())
    fewer = pairs(ledger.of_customers(some))
    later = max(first, int(settle(ledger.of_customers(some)).movements.known_day.min()))
    # the first weeks are left out, and they begin with the first payment of the ledger
    assert {p for p in fewer if p[1] >= later + dataset.WARM_UP_DAYS} <= everybody
    assert pairs(ledger) == everybody
    assert pairs(ledger, seed=1) != everybody


def test_nothing_that_comes_on_the_cut_off_or_later_matters(ledger: Ledger, built: Dataset) -> None:
    past = dataset.build(ledger.known_before(CUT_OFF), cut_off=CUT_OFF)
    assert same(past.rows, built.rows)
    assert past.cohorts.hazards.tobytes() == built.cohorts.hazards.tobytes()
    assert past.peers.as_columns().equals(built.peers.as_columns())


def test_the_order_of_the_rows_does_not_matter(ledger: Ledger) -> None:
    random = np.random.default_rng(0)
    shuffled = {
        name: table.take(pa.array(random.permutation(table.num_rows)))
        for name, table in ledger.tables().items()
    }
    assert pairs(Ledger(**shuffled)) == pairs(ledger)


def test_the_ledgers_first_weeks_are_left_out(built: Dataset, ledger: Ledger) -> None:
    begin = int(settle(ledger.known_before(CUT_OFF)).movements.known_day.min())
    assert built.rows.snapshots.as_of.min() >= begin + dataset.WARM_UP_DAYS
    assert built.cohorts.observed_from == begin


def test_the_peers_end_with_the_cut_off(built: Dataset) -> None:
    assert built.peers.as_columns()["known_day"].to_numpy().max() < CUT_OFF


def test_large_ledgers_are_sampled_by_invoice(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = pairs(ledger)
    monkeypatch.setattr(dataset, "MOST_SNAPSHOTS", len(everything) // 3)
    fewer = pairs(ledger)
    kept = {name for name, _ in fewer}
    assert 0.1 < len(fewer) / len(everything) < 0.6
    assert fewer == {pair for pair in everything if pair[0] in kept}


def test_a_ledger_without_payments_is_refused_saying_so() -> None:
    text = """
    invoices  invoice_id  customer_id  issue_date  due_date  amount
              F1          A            0           31        100.00
    """
    with pytest.raises(NotEnoughHistory, match="needs payments"):
        dataset.build(to_ledger(drawn(text)), cut_off=CUT_OFF)


def test_uniform_numbers_are_uniform_and_streams_differ() -> None:
    seeds = dataset._seeds([f"F{i}" for i in range(20_000)], 0)
    u, v = dataset._uniform(seeds, 1), dataset._uniform(seeds, 2)
    assert abs(u.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(u, v)[0, 1]) < 0.03
    assert abs(np.histogram(u, 10, (0, 1))[0] / 20_000 - 0.1).max() < 0.01
    normal = dataset._normal(seeds)
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03
