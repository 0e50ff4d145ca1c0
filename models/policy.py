"""A policy: everything that decides what is advised, under one short name."""

from dataclasses import dataclass, field
from functools import cache, cached_property

from models import plan
from models.catalogue import Catalogue
from models.effect_table import PRIORS, EffectTable
from models.holdout import Trial
from models.legal import ReferenceRates


@dataclass(frozen=True)
class Policy:
    """A catalogue, reference rates, believed effects, and who is held out or tried out."""

    catalogue: Catalogue = field(default_factory=Catalogue.load)
    rates: ReferenceRates = field(default_factory=ReferenceRates.load)
    effects: EffectTable = PRIORS
    trial: Trial = plan.NO_TRIAL

    @cached_property
    def version(self) -> str:
        """A short name that changes with anything that may change a decision."""
        return plan.version(self.catalogue, self.rates, self.effects, self.trial)


@cache
def default_policy() -> Policy:
    """The shipped catalogue and rates, the priors, nobody held out."""
    return Policy()
