"""The champion in the contest: as it is where the window is new to it, else its recipe fitted anew.

A champion that was trained after the window began has seen how it ended. Its recipe (parameters and
features) has not: fitted on what was known when the window began, it meets the challenger on equal
terms. It is fitted by today's code, which a change of the code itself cannot be judged by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from models.bundle import Bundle
from models.growing import parameters
from models.late_payment import LatePaymentModel
from pipelines import features
from pipelines.job import day_number
from pipelines.learning import USUAL, Learning
from pipelines.ledger import Ledger
from pipelines.verdict_words import JOINED, say


@dataclass(frozen=True)
class Recipe:
    """What a model is made by: parameters where they are not the usual ones, and its features."""

    tuned: Mapping[str, float]
    features: tuple[str, ...]  # those that today's book still has
    share: float | None = None  # of the customers that it learns from, where not all

    @classmethod
    def of(cls, model: LatePaymentModel) -> "Recipe":
        """The recipe of a model; parameters that were the usual ones of another day are kept."""
        facts = model.facts
        own, tuned = facts.get("parameters", {}), facts.get("tuned", {})
        seed, labels = facts.get("seed", 0), facts.get("labels", 0)
        usual_now = parameters(labels, seed=seed, tuned=tuned)
        changed = {name: value for name, value in own.items() if usual_now.get(name) != value}
        known = tuple(name for name in model.feature_names if name in features.BOOK)
        return cls({**tuned, **changed}, known, facts.get("sample", {}).get("share"))


@dataclass(frozen=True)
class Rematch:
    """Who stands for the champion at an origin, and which comparison that is, in a sentence."""

    model: LatePaymentModel | None  # None: the challenger's own recipe, which is there already
    note: str
    is_recipe: bool


def at_origin(
    ledger: Ledger,
    champion: Bundle,
    *,
    origin: date,
    tuned: Mapping[str, float] | None = None,
    learning: Learning = USUAL,
) -> Rematch:
    """Who stands for the champion, where the challenger is made with these tuned parameters.

    On a cluster a recipe is the one that it is here: what it makes differs within the noise.
    """
    version, begin = champion.version, str(origin)
    learned_until = date.fromisoformat(str(champion.manifest.facts["cut_off"]))
    missing = [name for name in champion.model.feature_names if name not in features.BOOK]
    if learned_until <= origin and not missing:
        note = say("as_it_is", version=version, until=str(learned_until), begin=begin)
        return Rematch(champion.model, note, False)

    why = say("later", version=version, until=str(learned_until), begin=begin)
    if missing:
        why = say("lacking", version=version, features=", ".join(missing))
    recipe = Recipe.of(champion.model)
    if recipe == Recipe(dict(tuned or {}), tuple(features.BOOK), learning.share):
        return Rematch(None, JOINED.join((say("own_recipe", why=why), say("newer_data"))), True)
    fitted = _fitted(ledger, recipe, origin, learning)
    return Rematch(fitted, say("fitted", why=why), True)


def _fitted(ledger: Ledger, recipe: Recipe, origin: date, learning: Learning) -> LatePaymentModel:
    return learning.with_share(recipe.share).train(
        ledger, cut_off=day_number(origin), tuned=recipe.tuned, looking_at=recipe.features
    )
