import time
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipelines import calendars, settlement, sources, synthetic
from pipelines.invented import temperaments as tempers
from pipelines.invented.customers import BLOCK, COUNTRIES, RUNS
from pipelines.invented.paydays import paydays
from pipelines.ledger import NEVER, TABLES, Ledger, cents, days, rows_of
from pipelines.rules import violations

UNTIL = 20_634  # 2026-06-30
SAMPLE = Path(__file__).parents[2] / "data" / "sample"
FUTURE_MAY_STAND = {("invoices", "due_date"), ("promises", "promised_date")}


@pytest.fixture(scope="module")
def invented() -> tuple[Ledger, synthetic.Truth]:
    return synthetic.generate(customers=400)


@pytest.fixture(scope="module")
def ledger(invented: tuple[Ledger, synthetic.Truth]) -> Ledger:
    return invented[0]


@pytest.fixture(scope="module")
def truth(invented: tuple[Ledger, synthetic.Truth]) -> synthetic.Truth:
    return invented[1]


def late_days(truth: synthetic.Truth) -> np.ndarray:
    settled = truth.invoices["settled_day"].to_numpy()
    return settled - truth.invoices["due_business_day"].to_numpy()


def customer_rows(truth: synthetic.Truth) -> np.ndarray:
    return rows_of(truth.invoices["customer_id"], among=truth.customers["customer_id"])


def test_the_same_seed_gives_the_same_ledger_and_another_seed_another() -> None:
    (ledger, truth), (again, truth_again) = (synthetic.generate(customers=30) for _ in range(2))
    other, _ = synthetic.generate(customers=30, seed=1)
    assert ledger == again
    assert truth == truth_again
    assert ledger.invoices != other.invoices


@pytest.mark.parametrize("fewer", [1, BLOCK - 1, BLOCK, BLOCK + 50])
def test_a_customer_is_the_same_in_a_smaller_ledger(fewer: int, ledger: Ledger) -> None:
    smaller, _ = synthetic.generate(customers=fewer)
    part = ledger.of_customers(smaller.customers["customer_id"].combine_chunks())
    assert smaller.customers.num_rows == fewer
    for name, table in smaller.tables().items():
        assert table.equals(part.tables()[name].combine_chunks()), name


@pytest.mark.parametrize("partitions", [2, 3, 99])
def test_partitions_agree_with_the_whole(partitions: int, tmp_path: Path) -> None:
    asked = {"customers": 250, "months": 6, "seed": 3}
    rows = synthetic.write(tmp_path / "whole", **asked)
    parts = synthetic.write(tmp_path / "parts", **asked, partitions=partitions)
    assert parts == rows
    for name in (name for name, count in rows.items() if count):
        whole, part = (pq.read_table(tmp_path / f / f"{name}.parquet") for f in ("whole", "parts"))
        assert part.equals(whole), name


def test_files_carry_money_as_decimals_that_equal_the_cents(tmp_path: Path) -> None:
    synthetic.write(tmp_path, customers=20)
    ledger, _ = synthetic.generate(customers=20)
    written = pq.read_table(tmp_path / "invoices.parquet")
    assert written.schema.field("amount").type == pa.decimal128(18, 2)
    units = [int(amount * 100) for amount in written["amount"].to_pylist()]
    assert units == ledger.invoices["amount_cents"].to_pylist()


def test_the_committed_sample_is_what_the_generator_writes(tmp_path: Path) -> None:
    synthetic.write(tmp_path, customers=15, months=12, seed=4, format="csv")
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    committed = {file.name: file.read_text() for file in SAMPLE.glob("*.csv")}
    assert committed == written, "write it again: this test's first line with data/sample"
    assert sum(map(len, committed.values())) < 300_000


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_is_written_is_read_back_as_the_same_ledger(
    form: Literal["parquet", "csv"], tmp_path: Path
) -> None:
    synthetic.write(tmp_path, customers=60, format=form)
    ledger, _ = synthetic.generate(customers=60)
    read = sources.read(tmp_path)
    assert read.quarantine.num_rows == 0
    for name, table in read.ledger.tables().items():
        assert table.equals(ledger.tables()[name]), name


def test_an_unknown_format_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="format must be parquet or csv, got: xlsx"):
        synthetic.write(tmp_path, format="xlsx")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_obeys_the_rules_of_its_table(name: str, ledger: Ledger) -> None:
    table = ledger.tables()[name]
    assert table.num_rows > 0
    assert violations(name, table) == []
    assert table.schema == TABLES[name].schema
    if key := TABLES[name].key:
        assert pc.count_distinct(table[key]).as_py() == table.num_rows


def test_every_row_belongs_to_a_known_customer_and_invoice(ledger: Ledger) -> None:
    for name, table in ledger.tables().items():
        for key, among in (("customer_id", ledger.customers), ("invoice_id", ledger.invoices)):
            if key in table.column_names:
                given = table[key].drop_null()
                assert (rows_of(given, among=among[key]) >= 0).all(), (name, key)


def test_nothing_is_dated_after_the_ledgers_last_day(ledger: Ledger) -> None:
    for name, table in ledger.tables().items():
        for column in TABLES[name].columns:
            if column.kind == "date" and (name, column.name) not in FUTURE_MAY_STAND:
                assert days(table[column.name], missing=0).max() <= UNTIL, (name, column.name)


def test_the_ledger_ends_and_begins_when_asked() -> None:
    ledger, truth = synthetic.generate(customers=50, months=12, until=date(2025, 12, 31))
    assert days(ledger.payments["paid_on"]).max() <= days(pa.array([date(2025, 12, 31)]))[0]
    assert days(ledger.invoices["issue_date"], missing=99_999).min() >= 20_089  # 2025-01-01
    assert truth.invoices.num_rows == ledger.invoices.num_rows


def test_the_truth_agrees_with_the_ledger_once_a_settlement_is_booked(
    ledger: Ledger, truth: synthetic.Truth
) -> None:
    settled = settlement.settle(ledger)
    assert truth.invoices["invoice_id"].equals(ledger.invoices["invoice_id"])
    assert (truth.invoices["due_business_day"].to_numpy() == settled.due_day).all()
    true_day = truth.invoices["settled_day"].to_numpy()

    booked = true_day <= UNTIL - 3  # payments are booked up to three days later
    assert (settled.settled_day[booked] == true_day[booked]).all()
    cancelled = truth.invoices["cancelled"].to_numpy()
    assert (settled.cancelled[booked] == cancelled[booked]).all()
    # The few that only look settled were paid by what the bank sends back after the ledger's end.
    looks = (settled.settled_day < NEVER) & (settled.settled_day != true_day)
    assert (true_day[looks] > UNTIL).all()
    assert looks.sum() < 0.001 * len(looks)


def test_money_moves_on_business_days_only(ledger: Ledger) -> None:
    country = ledger.customers["country"].to_numpy(zero_copy_only=False)
    for table, column in (
        (ledger.payments, "paid_on"),
        (ledger.payments, "returned_on"),
        (ledger.credit_notes, "issued_on"),
    ):
        known = table.filter(table[column].is_valid())
        home = country[rows_of(known["customer_id"], among=ledger.customers["customer_id"])]
        for code in COUNTRIES:
            calendar = calendars.business_days(code)
            assert calendar.is_business[days(known[column])[home == code]].all()


def test_each_movement_of_money_is_among_the_invented_ones(ledger: Ledger) -> None:
    paid, notes = ledger.payments, ledger.credit_notes
    per_invoice = paid["invoice_id"].value_counts()
    assert paid["invoice_id"].null_count > 0, "unallocated cash"
    assert pc.count(paid["returned_on"]).as_py() > 0, "returned payments"
    assert pc.count(paid["discount_taken_cents"]).as_py() > 0, "discounts"
    assert pc.max(pc.struct_field(per_invoice, "counts")).as_py() > 1, "part payments"
    lag = days(paid["recorded_at"], missing=-1) - days(paid["paid_on"])
    assert set(lag[lag > -1000].tolist()) == {0, 1, 2, 3}, "late booking"
    assert set(notes["reason"].to_pylist()) >= {"dispute", "rebate", "cancellation"}
    of = rows_of(notes["invoice_id"], among=ledger.invoices["invoice_id"])
    in_full = cents(notes["amount_cents"]) == cents(ledger.invoices["amount_cents"])[of]
    assert 0.05 < in_full.mean() < 0.8


def test_lateness_is_what_companies_see() -> None:
    _, truth = synthetic.generate(customers=1000)
    due = truth.invoices["due_business_day"].to_numpy()
    matured = (due + 90 <= UNTIL) & ~truth.invoices["cancelled"].to_numpy()
    late_0, late_30, late_90 = ((late_days(truth)[matured] > h).mean() for h in (0, 30, 90))
    assert 0.35 < late_0 < 0.45
    assert 0.05 < late_30 < 0.08
    assert 0.015 < late_90 < 0.03


def test_who_slides_pays_ever_later_after_the_onset_and_then_no_more() -> None:
    _, truth = synthetic.generate(customers=1000)
    who = customer_rows(truth)
    onset = truth.customers["onset_day"].to_numpy()[who]
    stop = truth.customers["stop_day"].to_numpy()[who]
    since = truth.invoices["due_business_day"].to_numpy() - onset
    slides, late = onset < NEVER, np.minimum(late_days(truth), 400)
    before, soon, later = (
        late[slides & (since >= low) & (since < high)]
        for low, high in ((-400, 0), (0, 90), (90, 270))
    )
    assert np.median(before) < np.median(soon) < np.median(later)
    settled = truth.invoices["settled_day"].to_numpy()
    assert (settled[slides & (since > 0)] >= NEVER).mean() > 0.1
    assert set(truth.invoices["cause"].filter(pa.array(slides & (since > 0))).to_pylist()) >= {
        "difficulty"
    }
    after_stop = (settled > stop) & (settled < NEVER)
    assert after_stop.sum() < 0.01 * (stop < NEVER).sum(), "but for a rescue or a credit note"


def test_credit_limits_are_cut_before_most_slides_show(
    ledger: Ledger, truth: synthetic.Truth
) -> None:
    limits = ledger.credit_limits
    cut = limits.filter(pc.equal(limits["reason"], "insurer_cut"))
    row = rows_of(cut["customer_id"], among=truth.customers["customer_id"])
    onset = truth.customers["onset_day"].to_numpy()[row]
    slid = onset < NEVER
    assert slid.mean() > 0.5, "some cuts are false alarms, most are not"
    ahead = onset[slid] - days(cut["valid_from"])[slid]
    assert (ahead >= 10).mean() > 0.9


def test_payment_runs_pay_on_their_days(ledger: Ledger, truth: synthetic.Truth) -> None:
    who = rows_of(ledger.payments["customer_id"], among=truth.customers["customer_id"])
    run = np.array([RUNS.index(name) for name in truth.customers["payment_run"].to_pylist()])[who]
    home = ledger.customers["country"].to_pylist()
    country = np.array([COUNTRIES.index(code) for code in home])[who]
    paid = days(ledger.payments["paid_on"])
    calendar = paydays(start=int(paid.min()), until=UNTIL)
    on_a_run = calendar.next_day(paid, country=country, run=run) == paid
    fixed = run > 0
    assert fixed.sum() > 500
    assert on_a_run[fixed].mean() > 0.97, "but for rests of short payments and sums paid twice"
    assert on_a_run[~fixed].all()


def test_each_temperament_shows_in_its_delays() -> None:
    ledger, truth = synthetic.generate(customers=1000)
    temper = np.array(truth.customers["temperament"].to_pylist())[customer_rows(truth)]
    late = np.minimum(late_days(truth), 180)
    median = {name: np.median(late[temper == name]) for name in tempers.NAMES}
    assert median["habitual_late"] > 8 > 0 >= median["punctual"]

    disputes = rows_of(ledger.disputes["invoice_id"], among=ledger.invoices["invoice_id"])
    disputing = (temper[disputes] == "disputing").mean()
    assert disputing > 4 * (temper == "disputing").mean()

    counts = dict(zip(*np.unique(customer_rows(truth), return_counts=True), strict=True))
    new = np.flatnonzero(np.array(truth.customers["temperament"].to_pylist()) == "newcomer")
    assert max(counts[row] for row in new.tolist()) <= 15  # five documents of three instalments


def test_contacts_gain_the_days_they_declare_and_the_log_tells_how_they_were_chosen(
    ledger: Ledger, truth: synthetic.Truth
) -> None:
    effects, log = truth.effects, ledger.actions
    made = log.filter(pc.not_equal(log["action_code"], "wait"))
    assert made["action_id"].equals(effects["action_id"])
    gained = effects["days_gained"].to_numpy()
    assert (gained >= 0).all()
    assert pc.count_distinct(effects["action_code"]).as_py() == len(tempers.CONTACTS)

    calls = np.array(effects["action_code"].to_pylist()) == "call"
    temper = np.array(effects["temperament"].to_pylist())
    ordinary = gained < 10_000  # the others are rescued from never
    habitual = gained[calls & ordinary & (temper == "habitual_late")].mean()
    sliding = gained[calls & ordinary & (temper == "sliding")].mean()
    assert sliding < habitual <= tempers.true_effect_days("call", "habitual_late")

    chance = log["propensity"].to_numpy()
    assert ((chance > 0) & (chance <= 1)).all()
    held_out = log.filter(log["holdout"])
    assert set(held_out["action_code"].to_pylist()) == {"wait"}
    silent = ledger.customers.filter(ledger.customers["do_not_contact"])["customer_id"]
    assert (rows_of(made["customer_id"], among=silent) < 0).all()


def test_a_logged_propensity_is_the_share_that_was_contacted(ledger: Ledger) -> None:
    log = ledger.actions.filter(pc.invert(ledger.actions["holdout"]))
    made = np.array(log["action_code"].to_pylist()) != "wait"
    chance = np.where(made, log["propensity"].to_numpy(), 1 - log["propensity"].to_numpy())
    for low in (0.2, 0.4, 0.6, 0.8):
        near = (chance >= low) & (chance < low + 0.2)
        error = 4 * np.sqrt(0.25 / near.sum())  # four standard errors at most
        assert abs(made[near].mean() - chance[near].mean()) < error


def test_promises_are_kept_or_broken_as_the_ledger_shows(
    ledger: Ledger, truth: synthetic.Truth
) -> None:
    row = rows_of(ledger.promises["invoice_id"], among=ledger.invoices["invoice_id"])
    settled = truth.invoices["settled_day"].to_numpy()[row]
    promised = days(ledger.promises["promised_date"])
    status = np.array(ledger.promises["status"].to_pylist())
    assert (days(ledger.promises["made_on"]) <= promised).all()
    assert (settled[status == "kept"] <= promised[status == "kept"]).all()
    assert (settled[status == "broken"] > promised[status == "broken"]).all()
    assert (promised[status == "open"] >= UNTIL).all()


def test_nobody_is_real(ledger: Ledger) -> None:
    assert all(
        m is None or m.endswith(".example") for m in ledger.customers["contact_email"].to_pylist()
    )
    for vat in ledger.customers["vat_id"].drop_null().to_pylist():
        if vat[:2].isalpha():
            assert set(vat.lstrip("DEFRSX")[:2]) == {"0"}
        else:
            assert len(vat) == 11
            assert vat[7:10] == "000", "no revenue office has this number"
            odd = [int(d) for d in vat[::2]]
            even = [sum(divmod(2 * int(d), 10)) for d in vat[1::2]]
            assert sum(odd + even) % 10 == 0, "and yet the check digit is right"


def test_two_hundred_customers_are_ready_in_about_a_second() -> None:
    started = time.process_time()
    synthetic.generate(customers=200)
    assert time.process_time() - started < 3, "three times the aim, for slow machines"
