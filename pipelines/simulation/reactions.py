"""Reactions: what each action truly does to each invoice, drawn around the catalogue's priors.

An action multiplies the daily chance of payment for some days, and may set a stuck invoice free.
Both are set so that the mean effect on customers of a cause is a truth that is drawn for the seed:
the catalogue's prior with its own spread, times what this company's customers make of any contact.
Customers then differ from each other. Who is contacted often hears less of each contact.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.action import Action, Effect
from models.catalogue import Catalogue
from pipelines.simulation.company import CAUSES, LAST_AGE, TEMPERAMENTS, Company, trait
from pipelines.simulation.paying import Flow, Outlook

Floats = npt.NDArray[np.float64]

NORMAL = 1.6448536  # a prior's lowest and highest are the ends of its 90 %
WEAKER = 0.9  # actions do a little less than the catalogue believes, on average over companies ...
COMPANY_SPREAD = 0.25  # ... which differ by this (of the logarithm)
CHANNEL_SPREAD = 0.4  # a customer's own liking of a channel, beside that of being contacted at all
LEAST_BOOST, MOST_BOOST, MOST_FREED = 0.05, 25.0, 0.95
FATIGUE_SPREAD = 0.3  # companies differ by this (of the logarithm) in how fast customers tire
FATIGUE_EUR = 1.5  # what a contact costs with the customer besides, for each recent one
_ROUNDS, _HALVINGS = 4, 22


@dataclass(frozen=True)
class Reactions:
    """The truth: by action (place 0: to wait) and cause, and each customer's own share of it."""

    codes: tuple[str, ...]
    boost: Floats  # (actions, causes)
    freed: Floats
    days: Floats  # the mean effects that they stand for
    unpaid: Floats
    liking: Floats  # (customers, actions): factor on both, 1 on average
    fatigue: float  # each recent contact takes this (of the logarithm) from the next one's effect

    def heard(self, recent_contacts: Floats) -> Floats:
        """The share of a contact's effect that is left after recent ones."""
        return np.exp(-self.fatigue * recent_contacts)

    def of(
        self, place: npt.NDArray[np.int64], kind: npt.NDArray[np.int64], strength: Floats
    ) -> tuple[Floats, Floats]:
        """The factor on the daily chance and the chance to come free, by row."""
        boost = 1 + (self.boost[place, kind] - 1) * strength
        freed = np.clip(self.freed[place, kind] * strength, 0, MOST_FREED)
        return np.clip(boost, LEAST_BOOST, MOST_BOOST), freed


def draw(company: Company, catalogue: Catalogue) -> Reactions:
    """The truth of a company: one for its seed, whatever the year."""
    random = np.random.default_rng([company.seed, 99])
    company_wide = WEAKER * random.lognormal(-(COMPANY_SPREAD**2) / 2, COMPANY_SPREAD)
    actions = catalogue.enabled
    shape = (len(actions) + 1, len(CAUSES))
    boost, freed, days, unpaid = np.ones(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for place, action in enumerate(actions, start=1):
        if (action.from_day or 0) >= LAST_AGE:
            continue  # comes after the end of this world
        luck = random.normal(size=2)  # what an action is worth here ...
        for kind, cause in enumerate(CAUSES):
            own = 0.8 * luck + 0.6 * random.normal(size=2)  # ... and with one cause: of variance 1
            wanted = tuple(
                company_wide * _drawn(of.get(cause, of["unknown"]), z)
                for of, z in zip((action.days, action.unpaid), own, strict=True)
            )
            cell = _fitted(_reference(action, kind), *wanted)
            boost[place, kind], freed[place, kind], days[place, kind], unpaid[place, kind] = cell
    channels = sorted({action.channel for action in actions})
    own = random.lognormal(
        -(CHANNEL_SPREAD**2) / 2, CHANNEL_SPREAD, (company.customers, len(channels))
    )
    of_action = own[:, [channels.index(action.channel) for action in actions]]
    liking = np.column_stack([np.ones(company.customers), company.patience[:, None] * of_action])
    codes = ("wait", *(action.code for action in actions))
    return Reactions(codes, boost, freed, days, unpaid, liking, _fatigue(company, catalogue))


def _fatigue(company: Company, catalogue: Catalogue) -> float:
    """How fast this company's customers tire: drawn around what the catalogue believes of it."""
    random = np.random.default_rng([company.seed, 98])
    believed = -np.log1p(-catalogue.economics.heard_less)
    return float(believed * random.lognormal(-(FATIGUE_SPREAD**2) / 2, FATIGUE_SPREAD))


def _drawn(prior: Effect, z: float) -> float:
    return float(prior.expected + z * (prior.highest - prior.lowest) / (2 * NORMAL))


def _reference(action: Action, kind: int) -> Outlook:
    """Invoices of one temperament as an action finds them: by age and by their usual day."""
    temperament = TEMPERAMENTS[kind]
    first = -20 if action.from_day is None else action.from_day
    last = first + 40 if action.to_day is None else min(action.to_day, first + 40)
    spread = temperament.start_spread * np.linspace(-1.5, 1.5, 7)
    age, start = (
        x.ravel().astype(np.float64)
        for x in np.meshgrid(np.linspace(first, last, 12), temperament.start_day + spread)
    )
    rates = (np.full(len(age), trait(name)[kind]) for name in ("before", "within", "after"))
    flow = Flow(start, *rates)
    share = temperament.stuck_share
    flowing = (1 - share) * flow.open_for(np.full(len(age), -30.0), age)
    stuck = np.ones(len(age)) if action.amount == "disputed" else share / (share + flowing)
    return Outlook(flow, age, stuck)


def _fitted(of: Outlook, days: float, unpaid: float) -> tuple[float, float, float, float]:
    """The boost and the chance to free that come nearest to both means, and the means."""
    risk, boost, freed = of.open_at(LAST_AGE), 1.0, 0.0
    least = LEAST_BOOST if days < 0 else 1.0  # only what is meant to put off does

    def means(boost: float, freed: float) -> tuple[float, float]:
        n = len(of.age)
        gained, fall = of.changed(np.full(n, boost), np.full(n, freed))
        return float(gained.mean()), float((fall * risk).sum() / risk.sum())

    for _ in range(_ROUNDS):
        freed = _solve(lambda x, b=boost: means(b, x)[1], max(unpaid, 0.0), 0.0, MOST_FREED)  # type: ignore[misc]
        boost = _solve(lambda x, f=freed: means(x, f)[0], days, least, MOST_BOOST)  # type: ignore[misc]
    return boost, freed, *means(boost, freed)


def _solve(rises: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) < wanted else (low, middle)
    return (low + high) / 2
