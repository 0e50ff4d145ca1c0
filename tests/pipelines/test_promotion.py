import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from models import bundle, looked_at
from models.fitting import NotEnoughHistory
from models.registry import CHALLENGER, CHAMPION, NoEarlierChampion, libraries
from pipelines import contest, matured_window, promotion, sources, version_history
from pipelines.contest import CHALLENGER as NEW
from pipelines.contest import CHAMPION as OLD
from pipelines.contest import CURVE, Verdict
from pipelines.job import Job
from pipelines.learning import Learning
from pipelines.ledger import Ledger
from pipelines.promotion import Trained
from pipelines.settings import Settings
from tests import small_company
from tests.pipelines import noise
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW

AT = datetime(2026, 7, 1, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return small_company.settings(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def steps() -> list[str]:
    return []


@pytest.fixture(scope="module")
def trained(settings: Settings, steps: list[str]) -> Iterator[Trained]:
    yield promotion.run(Job.of(settings, at=AT, as_of=AS_OF), tell=steps.append)
    import mlflow

    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return sources.read(small_company.ledger_folder(), today=AS_OF).ledger


def test_the_first_model_that_does_not_lose_to_the_curve_becomes_champion(
    settings: Settings, trained: Trained, steps: list[str]
) -> None:
    assert trained.promoted, trained.why
    assert trained.why[0].startswith("tells late from not late: AUC 0.")
    assert all("does not lose to the customer curve" in reason for reason in trained.why[1:])
    assert len(steps) == promotion.STEPS
    champion = bundle.champion(settings.models_folder)
    assert champion is not None
    assert champion.version == trained.version
    assert trained.version.startswith("2026-07-01-")


def test_the_champions_manifest_says_what_it_learned_from_and_how_good_it_is(
    settings: Settings, trained: Trained
) -> None:
    champion = bundle.champion(settings.models_folder)
    assert champion is not None
    facts = champion.manifest.facts

    assert facts["cut_off"] == "2026-07-01"
    assert sorted(facts["fingerprints"]) == ["code", "data", "features"]
    assert facts["metrics"] == trained.figures
    assert facts["verdict"] == list(trained.why)
    assert champion.manifest.created_at == "2026-07-01T02:00:00+00:00"


def test_mlflow_holds_the_run_with_metrics_per_horizon_figures_and_the_verdict(
    settings: Settings, trained: Trained
) -> None:
    import mlflow

    registered = promotion.registry(settings).at(CHAMPION)
    assert registered is not None
    assert registered.number == trained.number
    version = mlflow.MlflowClient().get_model_version("puntuale", trained.number)
    run = mlflow.get_run(version.run_id)

    assert version.tags["verdict"] == "promoted"
    assert {f"challenger.issue.log_loss.p_late_{h}" for h in (0, 30, 60)} <= run.data.metrics.keys()
    assert run.data.tags["fingerprint.data"]
    logged = Path(run.info.artifact_uri)
    assert sorted(p.name for p in (logged / "figures").iterdir()) == [
        "importance.png",
        "reliability.png",
        "shap_dependence.png",
        "shap_summary.png",
    ]
    assert json.loads((logged / "tables" / "verdict.json").read_text()) == list(trained.why)


def test_the_same_ledger_and_day_give_the_same_model(
    settings: Settings, trained: Trained, ledger: Ledger, tmp_path: Path
) -> None:
    promotion.learn(ledger, cut_off=AS_OF).save(tmp_path)

    assert bundle.version_of(tmp_path, cut=AS_OF.isoformat()) == trained.version


def test_a_model_that_is_not_promoted_changes_nothing_for_who_is_served(
    settings: Settings, trained: Trained
) -> None:
    ours = promotion.registry(settings)
    registered = ours.at(CHALLENGER)
    assert registered is not None
    before = bundle.champion_version(settings.models_folder)

    worse = replace(registered, version="2026-07-02-0000000000")
    promotion.promote(settings, worse, Verdict(False, ("loses to the champion",)))
    assert bundle.champion_version(settings.models_folder) == before


def test_a_champion_that_has_seen_the_window_is_compared_by_its_recipe_and_an_older_one_as_it_is(
    settings: Settings, trained: Trained, ledger: Ledger
) -> None:
    champion = bundle.champion(settings.models_folder)
    assert champion is not None
    facts = {**champion.manifest.facts, "cut_off": "2025-12-31"}
    older = replace(champion, manifest=replace(champion.manifest, facts=facts))

    seen = promotion.judge(ledger, cut_off=AS_OF, champion=champion)
    not_seen = promotion.judge(ledger, cut_off=AS_OF, champion=older)
    assert set(seen.said) == set(not_seen.said) == {NEW, CURVE, OLD}
    assert np.array_equal(seen.said[NEW], not_seen.said[NEW])
    assert np.array_equal(seen.said[NEW], seen.said[OLD])
    assert not np.array_equal(not_seen.said[NEW], not_seen.said[OLD])
    assert contest.decide(seen).why[-1] == (
        f"the champion {champion.version} has learned until 2026-07-01, and the window begins on "
        "2026-02-01: its recipe is compared instead; it is the challenger's own, which only newer "
        "data sets apart"
    )
    assert contest.decide(not_seen).why[-1] == (
        f"the champion {champion.version} is compared as it is: it has learned until 2025-12-31, "
        "and the window begins on 2026-02-01"
    )


def test_the_window_has_matured_by_the_cut_off(ledger: Ledger) -> None:
    judged = promotion.judge(ledger, cut_off=AS_OF)

    assert matured_window.begin(AS_OF) == date(2026, 2, 1)
    told = ~np.isnan(judged.y)
    for test in ("issue", "portfolio"):
        assert told[judged.tests == test].mean() > 0.4
    assert set(np.unique(judged.y[told])) == {0.0, 1.0}
    assert (judged.said[NEW] >= 0).all()


def test_there_is_no_rolling_back_before_the_second_champion(
    settings: Settings, trained: Trained
) -> None:
    with pytest.raises(NoEarlierChampion, match="no earlier champion"):
        promotion.roll_back(settings)


def test_the_summary_has_a_row_for_each_test_horizon_and_contender(trained: Trained) -> None:
    summary = trained.summary()

    assert {row["who"] for row in summary} == {"challenger", "customer curve"}
    assert all(row["rows"] and row["log_loss"] is not None for row in summary)


def test_noise_has_no_skill_that_can_be_told_from_none_and_is_not_promoted() -> None:
    ledger = noise.ledger(until=AS_OF, customers=400)  # of 120, chance alone makes an AUC of .43
    judged = promotion.judge(ledger, cut_off=AS_OF)
    verdict = contest.decide(judged)
    found = judged.skill()

    assert found is not None
    assert 0.45 <= found[1].value <= 0.55
    assert found[1].covers(0.5)
    assert not verdict.promoted
    assert verdict.why[0].startswith("no skill that can be told from none: AUC 0.")
    assert "the trees' weights are 0 and 0: the customer's curve answers" in verdict.why[0]


def test_too_little_history_says_how_much_is_missing(ledger: Ledger) -> None:
    early = date(2025, 7, 15)
    with pytest.raises(NotEnoughHistory) as refused:
        promotion.judge(ledger, cut_off=early)

    told = str(refused.value)
    assert "are missing" in told
    assert "A model is judged on invoices from 2025-02-15 on" in told
    assert "more days of history are needed: train again as of 2025-" in told


def test_two_runs_from_the_same_seed_leave_files_of_the_same_hashes(
    trained: Trained, settings: Settings, tmp_path: Path
) -> None:
    elsewhere = small_company.settings(tmp_path / "home")
    again = promotion.run(Job.of(elsewhere, at=AT.replace(hour=3), as_of=AS_OF))
    first, second = (
        bundle.check(of.models_folder / trained.version).files for of in (settings, elsewhere)
    )

    assert again.version == trained.version
    assert first == second
    assert bundle.CARD in first


def test_the_card_says_what_the_model_is_made_of_what_it_is_not_for_and_why_it_answers(
    settings: Settings, trained: Trained
) -> None:
    card = bundle.card(settings.models_folder / trained.version)

    assert card is not None
    assert card.startswith(f"# Model {trained.version}\n")
    for part in ("Data", "Figures", "Calibration", "Limits", "How it was promoted"):
        assert f"\n## {part}\n" in card
    assert "natural person" in card
    assert f"lightgbm {libraries()['lightgbm']}" in card
    assert "fingerprint of the features" in card
    assert all(reason in card for reason in trained.why)


def test_what_it_looks_at_is_kept_with_it_to_be_drawn(settings: Settings, trained: Trained) -> None:
    kept = bundle.looked_at(settings.models_folder / trained.version)

    assert kept is not None
    drawn = looked_at.parse(kept)
    assert len(drawn.columns) == looked_at.COLUMNS_KEPT
    assert {"p_late_0", "p_late_30"} <= drawn.reliability.keys()


def test_every_version_is_noted_beside_the_models_with_its_verdict(
    settings: Settings, trained: Trained
) -> None:
    noted = version_history.read(settings.models_folder)
    registered = promotion.registry(settings).versions()

    assert trained.version in {version["version"] for version in noted}
    assert noted == [
        {**asdict(v), "aliases": list(v.aliases), "cut_off": v.cut_off} for v in registered
    ]


def test_before_the_first_training_no_version_is_noted(tmp_path: Path) -> None:
    assert version_history.read(tmp_path) == []


def test_a_card_alone_does_not_make_another_model(
    settings: Settings, trained: Trained, tmp_path: Path
) -> None:
    folder = settings.models_folder / trained.version
    files = tmp_path / "files"
    files.mkdir()
    for path in folder.iterdir():
        if path.name != bundle.MANIFEST:
            (files / path.name).write_bytes(path.read_bytes())
    (files / bundle.CARD).write_text("# Told otherwise\n")
    told = {"version": trained.version, "created_at": "2026-07-02"}
    bundle.export(files, to=tmp_path / "other", **told)

    assert bundle.install(tmp_path / "other", among=settings.models_folder) == trained.version
    assert bundle.card(folder) != "# Told otherwise\n"


def test_a_model_of_a_sample_is_judged_as_any_other_and_its_run_and_card_say_so(
    tmp_path: Path,
) -> None:
    import mlflow

    home = small_company.settings(tmp_path / "home")
    told = promotion.run(Job.of(home, at=AT, as_of=AS_OF), learning=Learning(share=0.8))
    registered = promotion.registry(home).at(CHALLENGER)
    assert registered is not None
    version = mlflow.MlflowClient().get_model_version("puntuale", told.number)
    parameters = mlflow.get_run(version.run_id).data.params
    card = bundle.card(promotion.registry(home).fetch(CHALLENGER, to=home.models_folder))

    assert {name.split(".")[0] for name in told.figures} == {"challenger", "customer_curve"}
    assert parameters["sample_share"] == "0.8"
    assert parameters["sample_of_customers"] == "40"
    assert f"{parameters['sample_customers']} of 40 (share 0.8), weighed by their chances" in card


def test_tuned_parameters_reach_the_trees_and_stay_with_the_champion(ledger: Ledger) -> None:
    tuned = {"num_leaves": 4, "num_iterations": 20}
    model = promotion.learn(ledger, cut_off=AS_OF, tuned=tuned)

    assert model.tree_text.count("\nTree=") == 20
    assert model.facts["parameters"]["num_leaves"] == 4
    assert model.facts["tuned"] == tuned
