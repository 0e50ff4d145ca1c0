"""The champion at an origin: itself or its recipe, and never what it learned from the window."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from models.bundle import Bundle
from pipelines import backtest, rematch
from pipelines.features import BOOK
from pipelines.job import day_number
from pipelines.learning import Learning
from pipelines.rematch import Recipe
from tests.trained import Trained

ORIGIN = date(2026, 2, 1)
NARROW = tuple(name for name in BOOK if "delay" in name or "gap" in name)


def changed(champion: Bundle, **facts: object) -> Bundle:
    """The champion, made by another recipe."""
    model = champion.model
    return replace(champion, model=replace(model, facts={**model.facts, **facts}))


def test_the_usual_recipe_is_the_challengers_own(trained: Trained) -> None:
    met = rematch.at_origin(trained.ledger, trained.bundle, origin=ORIGIN)

    assert (met.model, met.is_recipe) == (None, True)
    assert Recipe.of(trained.model) == Recipe({}, tuple(BOOK))


def test_parameters_of_another_day_stay_with_the_recipe(trained: Trained) -> None:
    own = {**trained.model.facts["parameters"], "num_leaves": 4}
    recipe = Recipe.of(changed(trained.bundle, parameters=own).model)

    assert recipe.tuned == {"num_leaves": 4}


@pytest.fixture(scope="module")
def tuned_champion(trained: Trained) -> Bundle:
    tuned = {"num_leaves": 3, "num_iterations": 12}
    own = {**trained.model.facts["parameters"], **tuned}
    narrow = replace(trained.model, feature_names=NARROW)
    return changed(replace(trained.bundle, model=narrow), parameters=own, tuned=tuned)


def test_another_recipe_is_fitted_anew_on_what_was_known_at_the_origin(
    trained: Trained, tuned_champion: Bundle
) -> None:
    met = rematch.at_origin(trained.ledger, tuned_champion, origin=ORIGIN)
    past = trained.ledger.known_before(day_number(ORIGIN))
    again = rematch.at_origin(past, tuned_champion, origin=ORIGIN)

    assert met.model is not None
    assert again.model is not None
    assert met.model.tree_text == again.model.tree_text
    assert met.model.tree_text.count("\nTree=") == 12
    assert met.model.feature_names == NARROW
    assert met.model.facts["cut_off"] == "2026-02-01"
    assert "fitted anew on that day" in met.note
    told = backtest.predict(trained.ledger, met.model, origin=day_number(ORIGIN))
    assert told.num_rows > 20
    assert np.isfinite(told["p_late_0"].to_numpy()).all()


def test_a_champion_of_a_sample_is_another_recipe_and_is_fitted_on_as_large_a_one(
    trained: Trained,
) -> None:
    sampled = changed(trained.bundle, sample={"share": 0.9})
    met = rematch.at_origin(trained.ledger, sampled, origin=ORIGIN)
    of_the_same = rematch.at_origin(
        trained.ledger, sampled, origin=ORIGIN, learning=Learning(share=0.9)
    )

    assert met.model is not None
    assert met.model.facts["sample"]["share"] == 0.9
    assert of_the_same.model is None


def test_a_champion_whose_features_are_gone_is_met_by_those_that_are_left(trained: Trained) -> None:
    model = trained.model
    renamed = replace(model, feature_names=("of_another_time", *model.feature_names[1:]))
    old = replace(trained.bundle, model=renamed)
    facts = {**old.manifest.facts, "cut_off": "2025-12-31"}
    met = rematch.at_origin(
        trained.ledger,
        replace(old, manifest=replace(old.manifest, facts=facts)),
        origin=ORIGIN,
    )

    assert "no longer has (of_another_time)" in met.note
    assert met.model is not None
    assert met.model.feature_names == tuple(BOOK)[1:]
