"""Our policy in the simulation: the product's own plan, with what it believes or with the truth."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from models import causes
from models.action import Action
from models.cases import Cases
from models.catalogue import Catalogue
from models.effect_table import BOUNDS, PRIORS, SOURCES, Cells, EffectTable
from models.legal import ReferenceRates
from models.plan import plan
from pipelines.simulation.company import CAUSES
from pipelines.simulation.day import FIRST_DAY, Day, Orders
from pipelines.simulation.reactions import MOST_FREED, Reactions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Ours:
    """The day's plan of the product, with effects learned from a log or with the priors."""

    catalogue: Catalogue
    rates: ReferenceRates
    effects: EffectTable = PRIORS

    def orders(self, day: Day) -> Orders:
        return planned(day, self.catalogue, self.rates, self.effects)


@dataclass(frozen=True)
class Oracle:
    """The same plan, told the true effect of every action on every invoice of the day.

    It knows each customer's own reaction and fatigue, the cause behind a wrong hint, and the true
    chances of each invoice; not which invoices are stuck, nor the future.
    """

    catalogue: Catalogue
    rates: ReferenceRates
    reactions: Reactions

    def orders(self, day: Day) -> Orders:
        told = true_effects(day, self.reactions)
        return planned(day, _untiring(self.catalogue), self.rates, told)


@dataclass(frozen=True)
class HintedOracle(Oracle):
    """The same with no better sight than ours: what it knows of an invoice is the cause hint."""

    def orders(self, day: Day) -> Orders:
        told = hinted_effects(day, self.reactions)
        return planned(day, _untiring(self.catalogue), self.rates, told)


def _untiring(catalogue: Catalogue) -> Catalogue:
    """The catalogue for effects in which fatigue is already counted."""
    return replace(catalogue, economics=replace(catalogue.economics, heard_less=0.0))


def planned(day: Day, catalogue: Catalogue, rates: ReferenceRates, effects: EffectTable) -> Orders:
    """The plan's word for each customer and row."""
    cases = day.cases
    if isinstance(effects, TrueEffects):
        cases = effects.addressed(cases)
    told = plan(cases, catalogue, rates, as_of=FIRST_DAY + day.number, effects=effects)
    action = np.zeros(day.company.customers, np.int64)
    action[told.customer] = told.place
    return Orders(action, told.effective)


@dataclass(frozen=True)
class TrueEffects(EffectTable):
    """Effects of each row of a day: its place stands for the segment."""

    days: Mapping[str, Floats] = field(default_factory=dict)
    unpaid: Mapping[str, Floats] = field(default_factory=dict)

    def addressed(self, cases: Cases) -> Cases:
        """The cases, each in a segment of its own."""
        return replace(cases, segment=np.arange(len(cases.due_day), dtype=np.int16))

    def cells(self, action: Action) -> Cells:
        days, unpaid = self.days[action.code], self.unpaid[action.code]
        shape = (len(BOUNDS), len(causes.CODES), len(days))
        known = np.full(shape[1:], SOURCES.index("randomised"), np.int8)
        return Cells(np.broadcast_to(days, shape), np.broadcast_to(unpaid, shape), known)


def hinted_effects(day: Day, reactions: Reactions) -> TrueEffects:
    """The true mean of each action for the hinted cause, times the customer's own true share."""
    named = np.array([CAUSES.index(c) if c in CAUSES else 0 for c in causes.CODES])
    hinted = named[day.company.hint[day.rows]]
    heard = reactions.heard(day.fatigue)
    days, unpaid = {}, {}
    for place, code in enumerate(reactions.codes):
        strength = reactions.liking[day.customer, place] * heard
        days[code] = reactions.days[place, hinted] * strength
        unpaid[code] = np.minimum(reactions.unpaid[place, hinted] * strength, MOST_FREED)
    return TrueEffects(days=days, unpaid=unpaid)


def true_effects(day: Day, reactions: Reactions) -> TrueEffects:
    """What each action would truly change for each invoice of a day, no other action following."""
    kind = day.company.kind[day.customer]
    days, unpaid = {}, {}
    for place, code in enumerate(reactions.codes):
        if place:
            strength = reactions.liking[day.customer, place] * reactions.heard(day.fatigue)
            boost, freed = reactions.of(np.full(len(kind), place), kind, strength)
            days[code], unpaid[code] = day.outlook.changed(boost, freed)
    return TrueEffects(days=days, unpaid=unpaid)
