"""The contest: every policy lives the same year of the same company, and doing nothing too."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from models.action import Effect
from models.catalogue import Catalogue
from models.effect_table import EffectTable, LearnedEffect
from models.legal import ReferenceRates
from pipelines import learned_effects
from pipelines.simulation import company as companies
from pipelines.simulation import reactions as truths
from pipelines.simulation import rivals, year
from pipelines.simulation.company import YEAR_DAYS, Company
from pipelines.simulation.day import DoNothing, Policy
from pipelines.simulation.ours import HintedOracle, Oracle, Ours
from pipelines.simulation.reactions import Reactions
from pipelines.simulation.trial import TrialYear
from pipelines.simulation.year import Outcome

CUSTOMERS = 600
# A small team: what a day holds for everybody alike.
TEAM = """[capacity]
phone = [120, "minutes"]
letter = [10, "pieces"]
pec = [10, "pieces"]
[economics]
attention_eur = 16
"""
LOSS_SHARE = 0.5  # of what is open after 180 days; the catalogue says 0.35 to 0.7 as time goes by
LEARNED, PRIORS, MEANS, ORACLE = "ours_learned", "ours_priors", "true_means", "oracle"
HINTED = "hinted_oracle"
OURS = (PRIORS, LEARNED, MEANS, HINTED, ORACLE)


@dataclass(frozen=True)
class Score:
    """What a policy's year was worth against doing nothing, and how it came about."""

    policy: str
    net_eur: float
    sooner_eur: float
    avoided_eur: float
    cost_eur: float
    relationship_eur: float
    given_up_eur: float
    contacts_per_customer: float


@dataclass(frozen=True)
class Contest:
    """One seed's scores by policy."""

    seed: int
    customers: int
    invoices: int
    decisions_by_lot: int
    trial_share: float  # of the year's worth under priors, what the year of trial was worth
    scores: Mapping[str, Score]

    def share_of_oracle(self, policy: str, oracle: str = ORACLE) -> float:
        return self.scores[policy].net_eur / self.scores[oracle].net_eur

    @property
    def best_rule(self) -> str:
        return max(rivals.RULES, key=lambda name: self.scores[name].net_eur)


def run(
    seed: int,
    *,
    customers: int = CUSTOMERS,
    days: int = YEAR_DAYS,
    learn: bool = True,
    tell: Callable[[str], None] = lambda _: None,
) -> Contest:
    """Everybody's second year; the first makes the log that `ours_learned` learns from."""
    catalogue, rates = Catalogue.parse(TEAM), ReferenceRates.load()
    company = companies.found(seed, customers=customers)
    truth = truths.draw(company, catalogue)
    policies: dict[str, Policy] = {
        name: rivals.Rule(catalogue, wish) for name, wish in rivals.RULES.items()
    }
    policies[PRIORS] = Ours(catalogue, rates)
    decisions, trial_share = 0, float("nan")
    if learn:
        tell("a year of trial")
        effects, decisions, trial_share = _learned(seed, customers, days, catalogue, rates, truth)
        policies[LEARNED] = Ours(catalogue, rates, effects)
    policies[MEANS] = Ours(catalogue, rates, true_means(truth, catalogue))
    policies[HINTED] = HintedOracle(catalogue, rates, truth)
    policies[ORACLE] = Oracle(catalogue, rates, truth)

    nothing = year.run(company, truth, catalogue, DoNothing(), days=days)
    scores = {}
    for name, policy in policies.items():
        tell(name)
        lived = year.run(company, truth, catalogue, policy, days=days)
        scores[name] = score(name, company, catalogue, lived, nothing)
    return Contest(seed, customers, len(company.customer), decisions, trial_share, scores)


def true_means(truth: Reactions, catalogue: Catalogue) -> EffectTable:
    """The most that effects by cause can hold: each one's true mean."""
    rows = []
    for place, action in enumerate(catalogue.enabled, start=1):
        for kind, cause in enumerate(companies.CAUSES):
            days, unpaid = (float(of[place, kind]) for of in (truth.days, truth.unpaid))
            exact = (Effect(days, days, days), Effect(unpaid, unpaid, unpaid))
            rows.append(LearnedEffect(action.code, *exact, "randomised", cause))
    return EffectTable.of(rows)


def score(
    policy: str, company: Company, catalogue: Catalogue, lived: Outcome, nothing: Outcome
) -> Score:
    """The worth of a year against doing nothing with the same luck."""
    open_eur = company.open_cents / 100
    daily = catalogue.economics.rate_per_year / 365
    sooner = float((open_eur * daily * (nothing.settled_age - lived.settled_age)).sum())
    saved = nothing.lost.astype(np.float64) - lived.lost
    avoided = LOSS_SHARE * float((open_eur * saved).sum())
    net = sooner + avoided - lived.cost_eur - lived.relationship_eur - lived.given_up_eur
    return Score(
        policy=policy,
        net_eur=net,
        sooner_eur=sooner,
        avoided_eur=avoided,
        cost_eur=lived.cost_eur,
        relationship_eur=lived.relationship_eur,
        given_up_eur=lived.given_up_eur,
        contacts_per_customer=lived.contacts / company.customers,
    )


def _learned(
    seed: int,
    customers: int,
    days: int,
    catalogue: Catalogue,
    rates: ReferenceRates,
    truth: Reactions,
) -> tuple[EffectTable, int, float]:
    """What the log of the first year teaches, from how many decisions, and what the year kept."""
    first = companies.found(seed, year=1, customers=customers)
    trial = TrialYear(catalogue, rates, first)
    lived = year.run(first, truth, catalogue, trial, days=days)
    log = trial.log(lived, as_of=days)
    as_of = date(2025, 1, 1) + timedelta(days=days)
    learned = learned_effects.learn(log, catalogue, as_of=as_of)
    nothing = year.run(first, truth, catalogue, DoNothing(), days=days)
    usual = year.run(first, truth, catalogue, Ours(catalogue, rates), days=days)
    kept, full = (score("", first, catalogue, of, nothing).net_eur for of in (lived, usual))
    return learned.table(), len(log), kept / full
