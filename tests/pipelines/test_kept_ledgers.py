"""A customer's rows, as a night read them, give the night's own bits again."""

from pathlib import Path

import pytest

from pipelines import fingerprint, scoring
from pipelines.kept_ledgers import KeptLedgers, LedgerNotKept
from pipelines.ledger import Ledger
from tests import trained


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeptLedgers, str]:
    company = trained.small()
    kept = KeptLedgers(tmp_path_factory.mktemp("ledgers"))
    name = fingerprint.of_ledger(company.ledger)
    kept.keep(company.ledger, name)
    return kept, name


def test_every_customer_is_scored_with_the_bits_of_the_whole(
    kept: tuple[KeptLedgers, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    company = trained.small()
    monkeypatch.setattr("pipelines.buckets.A_BUCKET", 100)
    in_pieces = KeptLedgers(tmp_path)
    in_pieces.keep(company.ledger, "pieces")
    whole = scoring.score(company.ledger, company.as_of, company.bundle).to_pylist()
    by_customer: dict[str, list[object]] = {}
    for row in whole:
        by_customer.setdefault(row["customer_id"], []).append(row)

    assert len(by_customer) > 20
    for ledgers, name in (kept, (in_pieces, "pieces")):
        for customer, rows in by_customer.items():
            own = ledgers.of_customer(name, customer)
            assert scoring.score(own, company.as_of, company.bundle).to_pylist() == rows


def test_a_customer_without_rows_has_an_empty_ledger(kept: tuple[KeptLedgers, str]) -> None:
    ledgers, name = kept

    assert ledgers.of_customer(name, "nobody") == Ledger.of()


def test_keeping_the_same_ledger_again_writes_nothing(kept: tuple[KeptLedgers, str]) -> None:
    ledgers, name = kept
    files = {path: path.stat().st_mtime_ns for path in ledgers.root.rglob("*")}

    ledgers.keep(trained.small().ledger, name)

    assert {path: path.stat().st_mtime_ns for path in ledgers.root.rglob("*")} == files


@pytest.mark.parametrize("gone", ["payments.parquet", "customers.parquet"])
def test_a_kept_ledger_that_has_lost_rows_is_kept_anew(
    gone: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pipelines.buckets.A_BUCKET", 1000)
    ledgers, ledger = KeptLedgers(tmp_path), trained.small().ledger
    folder = ledgers.keep(ledger, "one")
    lost = next(iter(sorted(folder.glob(f"*/{gone}"))))
    content = lost.read_bytes()
    lost.unlink()

    ledgers.keep(ledger, "one")

    assert lost.read_bytes() == content


def test_what_is_gone_or_damaged_says_so(tmp_path: Path) -> None:
    company = trained.small()
    ledgers = KeptLedgers(tmp_path)
    for name in ("one", "two"):
        ledgers.keep(company.ledger, name)

    assert ledgers.thin(keep={"two"}) == ["one"]
    assert ledgers.names() == ["two"]
    with pytest.raises(LedgerNotKept, match="one"):
        ledgers.of_customer("one", "C000001")

    for path in (tmp_path / "two").rglob("invoices.parquet"):
        path.write_bytes(b"PAR1" + path.read_bytes()[8:])
    with pytest.raises(LedgerNotKept, match="two"):
        ledgers.of_customer("two", "C000001")
