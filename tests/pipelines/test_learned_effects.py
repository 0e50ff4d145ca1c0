"""Learned effects: from a log to the file that the decision reads."""

import shutil
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import drawn_logs as world
import numpy as np
from ledgers import to_ledger

from models.catalogue import Catalogue
from models.effect_table import EffectTable
from models.registry import Registry
from pipelines import learned_effects
from pipelines.learned_effects import Learned
from tests import small_company

pytestmark = small_company.QUIET_MLFLOW
AS_OF = date(2026, 7, 1)


@cache
def learned() -> Learned:
    return learned_effects.learn(world.draw(0).log, Catalogue.load(), as_of=AS_OF)


def test_what_is_learned_lies_nearer_the_truth_than_the_prior_does() -> None:
    ours, prior = [], []
    told = learned_effects.priors(Catalogue.load(), world.CAUSES, "days")
    for belief in learned().beliefs:
        cell = belief.action, belief.stratum
        if belief.outcome == "days":
            ours.append(abs(belief.effect.expected - world.GAINS[cell]))
            prior.append(abs(told[cell].expected - world.GAINS[cell]))
            assert belief.source == "randomised"
    assert np.mean(ours) < np.mean(prior)


def test_the_file_says_what_was_learned(tmp_path: Path) -> None:
    path = tmp_path / "effects.toml"
    path.write_text(learned_effects.to_toml(learned()))
    assert EffectTable.load(path) == learned().table()
    rows = {(row.action, row.cause): row for row in EffectTable.load(path).learned}
    assert set(rows) == set(world.GAINS)
    assert rows["call", "habit"].segment == ""
    assert -1 <= rows["call", "habit"].unpaid.lowest


def test_what_is_not_identified_is_said_in_the_file_and_left_to_the_prior() -> None:
    of = world.cases(np.random.default_rng(0), 100, 4)
    always = np.eye(3)[np.where(of.slow > 0.2, 2, 0)]
    log = world.draw(0, customers=100, each=4, chance=always).log
    nothing = learned_effects.learn(log, Catalogue.load(), as_of=AS_OF)
    assert nothing.table() == EffectTable()
    assert nothing.figures()["prior"] == nothing.figures()["estimates"] == 8
    text = learned_effects.to_toml(nothing)
    assert "[[effects]]" not in text
    assert text.count("[[not_identified]]") == 8


def test_actions_outside_the_catalogue_teach_nothing() -> None:
    other = Catalogue.parse("")
    fewer = Catalogue(
        tuple(a for a in other.actions if a.code != "call"),
        other.economics,
    )
    beliefs = learned_effects.learn(world.draw(0).log, fewer, as_of=AS_OF).beliefs
    assert {belief.action for belief in beliefs} == {"reminder_1"}


def test_segments_go_into_the_file_beside_the_cause() -> None:
    log = world.draw(0).log
    by_segment = replace(log, strata=("difficulty/retail", "habit/retail"))
    table = learned_effects.learn(by_segment, Catalogue.load(), as_of=AS_OF).table()
    assert table.segments == ("retail",)
    assert {row.cause for row in table.learned} == {"difficulty", "habit"}


def test_a_ledger_without_actions_teaches_nothing(tmp_path: Path) -> None:
    nothing = learned_effects.run(
        to_ledger({}), as_of=AS_OF, catalogue=Catalogue.load(), folder=tmp_path / "new"
    )
    assert nothing.figures()["decisions"] == 0
    assert EffectTable.load(tmp_path / "new" / learned_effects.FILE) == EffectTable()


def test_each_estimate_is_a_run_in_mlflow(tmp_path: Path) -> None:
    import mlflow

    shutil.copy(small_company.migrated_database(), tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    some = [b for b in learned().beliefs if (b.outcome, b.action) == ("days", "call")]
    taught = replace(learned(), beliefs=tuple(some))
    run = learned_effects.log(Registry(uri, artifact_root=str(tmp_path / "files")), taught)
    client = mlflow.MlflowClient(uri)
    parent = client.get_run(run)
    assert parent.data.metrics["randomised"] == taught.figures()["randomised"]
    below = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run}'")
    assert len(below) == taught.figures()["randomised"]
    told = {child.info.run_name: child.data.metrics for child in below}
    (belief,) = (b for b in some if b.stratum == "habit")
    assert told["days call habit"]["expected"] == belief.effect.expected
