import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from models import bundle
from models.bundle import OWN, SHARED_PRIOR, BundleRefused
from models.fitting import NotEnoughHistory
from models.late_payment import LatePaymentModel
from pipelines import (
    buckets,
    invented_sample,
    monitoring,
    night,
    night_report,
    night_scores,
    prior,
    prior_making,
    promotion,
    reading,
    retraining,
    synthetic,
    tenants,
)
from pipelines.job import Job
from pipelines.ledger import Ledger
from pipelines.records import ledger_rows
from pipelines.records.row_check import check
from pipelines.settings import Settings
from pipelines.sources import IntakeRefused
from pipelines.store import ScoreStore
from tests import small_company
from tests.small_company import AS_OF

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)
NAMING = ("customer_id", "invoice_id", "name", "vat_id", "segment", "company_code", "group_id")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An installation with a prior that was made of the small company's model."""
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("home"))
    synthetic.write(settings.home / "sample", customers=20, months=12)  # a smaller one will do
    own = bundle.load(small_company.trained_bundle())
    folder = settings.home / "prior"
    prior_making.make(own.model, cut_off="2026-07-01", home=settings.home, to=folder, at=AT)
    return settings


@pytest.fixture(scope="module")
def made(settings: Settings) -> Path:
    return settings.home / "prior" / str(bundle.champion_version(settings.home / "prior"))


@pytest.fixture(scope="module")
def newcomer(settings: Settings) -> Settings:
    """A tenant that has a ledger and has never trained."""
    return tenants.add(settings, "newcomer", {"ledger": str(small_company.ledger_folder())})


def words(table: pa.Table) -> set[str]:
    """Every text in a table."""
    texts = [column for column in table.columns if pa.types.is_string(column.type)]
    return {str(value) for column in texts for value in pc.unique(column).to_pylist() if value}


def test_a_prior_holds_no_word_of_the_company_that_it_was_made_of(made: Path) -> None:
    files = [pq.read_table(path) for path in small_company.ledger_folder().iterdir()]
    named = {
        word
        for table in files
        for name in set(NAMING) & set(table.schema.names)
        for word in words(table.select([name]))
    }
    held = {word for path in made.glob("*.parquet") for word in words(pq.read_table(path))}
    texts = "".join((made / name).read_text("utf-8") for name in ("model.txt", "model.json"))

    assert len(named) > 500
    assert held == {"everybody"}
    assert not {word for word in named if len(word) > 3 and word in texts}
    files_of_it = {"cohorts.parquet", "golden.parquet", "peers.parquet", "model.json", "model.txt"}
    assert {path.name for path in made.iterdir()} == files_of_it | {bundle.MANIFEST}


def test_its_rows_are_invented_and_neither_a_least_nor_a_largest_value_is_left(
    settings: Settings, made: Path
) -> None:
    golden = pq.read_table(made / "golden.parquet")["amount"].to_pylist()
    invented = prior_making.invented(settings.home).invoices["amount_cents"].to_numpy()
    assert set(golden) <= set(invented.astype(np.float32).tolist())

    lines = (made / "model.txt").read_text().splitlines()
    (ranges,) = [line for line in lines if line.startswith("feature_infos=")]
    assert set(ranges.removeprefix("feature_infos=").split()) == {"[-inf:inf]"}
    facts = json.loads((made / "model.json").read_text())["facts"]
    assert facts.keys() <= prior.KEPT_FACTS
    assert "usual_portfolio" not in facts


def test_a_prior_may_be_trained_on_the_invented_ledger_alone(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned_from = []

    def learn(ledger: Ledger, *, cut_off: date) -> LatePaymentModel:
        learned_from.append((ledger.invoices.num_rows, cut_off))
        return bundle.load(small_company.trained_bundle()).model

    monkeypatch.setattr(promotion, "learn", learn)
    version = prior_making.of_invented(settings.home, to=tmp_path, at=AT)
    invented = prior_making.invented(settings.home).invoices
    assert learned_from == [(invented.num_rows, invented_sample.AS_OF)]
    assert bundle.load(tmp_path / version).source == SHARED_PRIOR


def test_a_companys_own_model_is_refused_as_a_prior_and_the_first_named_part_told(
    newcomer: Settings, tmp_path: Path
) -> None:
    own = newcomer.model_copy(update={"prior_models": tmp_path})
    bundle.crown(bundle.install(small_company.trained_bundle(), among=tmp_path), among=tmp_path)
    with pytest.raises(BundleRefused, match=r"manifest\.json: a company's own model"):
        prior.champion(own)


@pytest.mark.parametrize("part", ["cohorts", "peers", "tree_text", "facts"])
def test_a_prior_that_keeps_any_named_part_is_refused(made: Path, part: str) -> None:
    shared, own = bundle.load(made), bundle.load(small_company.trained_bundle()).model
    prior.require_nameless(shared)
    mixed = replace(shared, model=replace(shared.model, **{part: getattr(own, part)}))
    with pytest.raises(BundleRefused, match="a company's own model is never another's"):
        prior.require_nameless(mixed)


def test_a_night_says_that_the_prior_answers_until_the_company_has_its_own_model(
    newcomer: Settings,
) -> None:
    job = Job.of(newcomer, at=AT, as_of=AS_OF)
    first = night.run(job)
    snapshot = ScoreStore(newcomer.scores_folder).snapshot(first.snapshot)
    page = night_report.of_day(newcomer, AS_OF).read_text(encoding="utf-8")

    assert first.model_source == SHARED_PRIOR
    assert first.invoices > 20
    assert snapshot.manifest["facts"]["model_source"] == SHARED_PRIOR
    assert set(snapshot.scores()["model_version"].to_pylist()) == {first.model_version}
    assert first.model_version.startswith("prior-2026-07-01-")
    assert "Risponde il modello comune" in page

    version = small_company.crowned(newcomer)
    second = night.run(job)
    assert (second.model_source, second.model_version) == (OWN, version)
    page = night_report.of_day(newcomer, AS_OF).read_text(encoding="utf-8")
    assert "Risponde il modello comune" not in page
    (newcomer.models_folder / bundle.CHAMPION).unlink()


def test_the_prior_answers_in_partitions_too(
    newcomer: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job.of(newcomer, at=AT, as_of=AS_OF)
    intake, shared = reading.read(job), night.champion(newcomer)
    whole = night.score(job, intake, shared).scores
    monkeypatch.setattr(buckets, "A_BUCKET", 300)
    monkeypatch.setattr(night_scores, "INVOICES_AT_ONCE", 400)
    one = replace(job, settings=newcomer.model_copy(update={"feature_workers": 1}))
    assert night.score(one, intake, shared).scores.equals(whole)


def test_a_company_that_was_never_paid_is_scored_from_what_it_sent_in(settings: Settings) -> None:
    own = tenants.add(settings, "beginner", {})
    job = Job.of(own, at=AT, as_of=AS_OF)
    with pytest.raises(IntakeRefused, match="no invoice has been sent in or pulled yet"):
        night.run(job)

    invoice = {"invoice_id": "I1", "customer_id": "C1", "due_date": "2026-06-10", "amount": "10.00"}
    rows, sent_at = check("invoices", [invoice]), datetime(2026, 6, 20, tzinfo=UTC)
    with closing(tenants.open_records(own)) as database, database.writing() as connection:
        assert ledger_rows.put(connection, "invoices", rows, at=sent_at)[0].status == "accepted"
    told = night.run(job)
    assert (told.invoices, told.open_cents, told.model_source) == (1, 1000, SHARED_PRIOR)


def test_while_the_prior_answers_training_is_tried_and_too_little_history_is_no_failure(
    newcomer: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job.of(newcomer, at=AT, as_of=AS_OF)
    asked = []

    def train(job: Job, *, because: tuple[str, ...], tell: object) -> str:
        asked.append(because)
        if len(asked) == 1:
            raise NotEnoughHistory("too short")
        return "trained"

    health = monitoring.Health(AS_OF, "prior", (), (), (), retrain=False)
    monkeypatch.setattr(monitoring, "run", lambda *_, **__: health)
    monkeypatch.setattr(promotion, "run", train)
    assert retraining.run(job, trains=False).trained is None
    assert retraining.run(job).trained is None
    assert retraining.run(job).trained == "trained"
    assert asked == [(prior.ANSWERS,)] * 2

    small_company.crowned(newcomer)
    assert retraining.run(job).trained is None, "an own model is trained again when it is advised"
    (newcomer.models_folder / bundle.CHAMPION).unlink()


def test_without_a_prior_and_a_model_of_its_own_a_company_is_not_scored(
    newcomer: Settings, tmp_path: Path
) -> None:
    for folder in (None, tmp_path / "nothing"):
        own = newcomer.model_copy(update={"prior_models": folder})
        with pytest.raises(night.NoModelYet):
            night.champion(own)
