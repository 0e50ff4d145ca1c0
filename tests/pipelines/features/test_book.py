import gc
import re
import subprocess
import sys
import time
import weakref

import numpy as np
import pyarrow as pa
import pytest
from ledgers import BASE
from plain import without_numba

from models import unknown, wording
from models.reasons import CAUSES
from pipelines import features, streams, synthetic
from pipelines.events import Floats
from pipelines.features import BOOK, Feature, Peers
from pipelines.features.peers import rate
from pipelines.ledger import Ledger
from pipelines.settlement import settle

NAMES = """
n_invoices n_invoices_90 tenure_days days_since_last_invoice n_settled n_open delay_mean
delay_mean_90 delay_mean_180 delay_mean_365 delay_std delay_std_90 delay_std_180 delay_std_365
delay_max delay_max_90 delay_max_180 delay_max_365 delay_median_365 delay_last delay_last_2
delay_last_3 delay_ewm_fast delay_ewm_slow delay_drift delay_shift delay_trend_n10 delay_trend_365
late0_share late0_share_90 late0_share_365 late30_share late30_share_365 delay_mean_weighted_365
days_since_payment gap_mean_365 gap_std_365 gap_cv_365 gap_median_365 burstiness n_paydays_365
silence_ratio periodicity_break modal_weekday_share month_end_share run_share days_to_next_payday
outstanding overdue n_overdue oldest_overdue_age overdue_share paid_ratio_90 paid_ratio_365
paid_vs_invoiced_gap short_share n_partial_365 unallocated credit_note_share_365 amount ln_amount
amount_z amount_ratio terms_days terms_diff days_to_due due_dow due_dom due_month due_month_end
due_rolled_days paid_share disputed promise_pending n_reminders peer_late0_country
peer_late0_segment peer_late0_terms peer_late0_company peer_late30_country peer_late30_segment
peer_late30_terms peer_late30_company
""".split()


def test_the_book_has_the_features_that_signals_reasons_and_models_name() -> None:
    assert set(NAMES) <= BOOK.keys()


@pytest.mark.parametrize("feature", BOOK.values(), ids=lambda feature: feature.name)
def test_every_feature_can_be_said_in_both_languages(feature: Feature) -> None:
    assert feature.cause in CAUSES
    low, high = feature.usual
    assert low <= high
    for language, template in (("it", feature.it), ("en", feature.en)):
        assert len(re.findall(r"\{value(?::[^{}]+/[^{}]+)?\}", template)) == 1
        value, usual = (wording.quantity(v, feature.unit, language) for v in feature.usual)
        said = wording.fill(template, value=value, usual=usual)
        assert "{" not in said
        missing = unknown.sentence(feature.cause, "X", feature.name, language)
        assert not set("{}_") & set(missing)
        assert usual not in wording.fill(template, value="x", usual=None) or usual == "x"


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return synthetic.generate(customers=40, months=18, seed=11)[0]


def of_all_invoices(ledger: Ledger, peers: Peers) -> dict[str, Floats]:
    """Each invoice's features ten days after its issue, by its id."""
    settlement = settle(ledger)
    rows = np.arange(ledger.invoices.num_rows)
    values = features.compute(
        streams.build(ledger, settlement), rows, settlement.issue_day + 10, peers
    )
    return dict(zip(ledger.invoices["invoice_id"].to_pylist(), values, strict=True))


def test_one_customer_alone_gets_the_same_bits_as_in_the_portfolio(ledger: Ledger) -> None:
    peers = Peers.build(ledger, settle(ledger))
    everybody = of_all_invoices(ledger, peers)
    bundled = Peers.from_columns(peers.as_columns())
    for customer in ledger.customers["customer_id"].to_pylist()[:8]:
        own = ledger.of_customers(pa.array([customer]))
        for invoice, values in of_all_invoices(own, bundled).items():
            assert values.tobytes() == everybody[invoice].tobytes()


def test_without_numba_the_whole_book_has_the_same_bits(ledger: Ledger) -> None:
    peers = Peers.build(ledger, settle(ledger))
    compiled = of_all_invoices(ledger, peers)
    with without_numba():
        plain = of_all_invoices(ledger, peers)
    assert all(plain[invoice].tobytes() == compiled[invoice].tobytes() for invoice in compiled)


def test_peers_stop_at_what_the_model_knew(ledger: Ledger) -> None:
    settlement = settle(ledger)
    until = int(np.median(settlement.due_day))
    early, late = (Peers.build(ledger, settlement, known_until=t) for t in (until, 1 << 20))
    assert early.table["known_day"].to_numpy().max() < until
    rows = np.array([0, 1, 2])
    built = streams.build(ledger, settlement)
    column = list(BOOK).index("peer_late0_company")
    asked = [(early, until), (late, until), (early, until + 300)]
    same = [features.compute(built, rows, np.full(3, t), p)[:, column] for p, t in asked]
    assert same[0].tobytes() == same[1].tobytes() == same[2].tobytes()


def test_without_peers_their_rates_are_missing(ledger: Ledger) -> None:
    values = of_all_invoices(ledger, Peers.empty())
    peer = [at for at, name in enumerate(BOOK) if name.startswith("peer_")]
    assert all(np.isnan(row[peer]).all() for row in values.values())


def test_peers_of_other_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="peers must have columns"):
        Peers.from_columns(pa.table({"kind": ["country"]}))


def test_the_fingerprint_changes_with_an_expression(monkeypatch: pytest.MonkeyPatch) -> None:
    before = features.fingerprint()
    assert before == features.fingerprint()
    changed = BOOK["n_invoices"].__class__(**{**vars(BOOK["n_invoices"]), "node": rate("terms", 0)})
    monkeypatch.setitem(BOOK, "n_invoices", changed)
    assert features.fingerprint() != before


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    program = "from pipelines import features; print(features.fingerprint())"
    said = subprocess.run(  # hashes of text differ from process to process: the book's must not
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == features.fingerprint()


def one_customer(invoices: int) -> Ledger:
    day = BASE + np.sort(np.random.default_rng(3).integers(0, 700, invoices)).astype(np.int32)
    ids = [f"I{i}" for i in range(invoices)]
    return Ledger.of(
        customers={"customer_id": ["C"]},
        invoices={
            "invoice_id": ids,
            "customer_id": ["C"] * invoices,
            "issue_date": day,
            "due_date": day + 30,
            "amount_cents": np.full(invoices, 100_00),
        },
        payments={
            "invoice_id": ids,
            "paid_on": day + np.arange(invoices, dtype=np.int32) % 75,
            "amount_cents": np.full(invoices, 100_00),
        },
    )


def cpu_seconds(invoices: int) -> float:
    ledger = one_customer(invoices)
    began = time.process_time()
    of_all_invoices(ledger, Peers.empty())
    return time.process_time() - began


def test_ten_times_the_invoices_of_one_customer_take_about_ten_times_as_long() -> None:
    cpu_seconds(500)  # compiles
    assert cpu_seconds(100_000) < 20 * cpu_seconds(10_000) + 0.5


def test_the_peers_of_one_table_are_made_once_and_kept_no_longer_than_it(ledger: Ledger) -> None:
    columns = Peers.build(ledger, settle(ledger)).as_columns().slice(0)
    made = weakref.ref(Peers.from_columns(columns))
    assert Peers.from_columns(columns) is made()
    del columns
    gc.collect()
    assert made() is None
