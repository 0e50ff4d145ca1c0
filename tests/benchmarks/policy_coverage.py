"""How often intervals of effects and of policy values hold the truth of drawn logs.

`figures()` makes 200 runs of each, in about five minutes of one core:
    python tests/benchmarks/policy_coverage.py
"""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import drawn_logs as world

from models import effects, nuisance, shrinkage
from models.decision_log import DecisionLog
from models.policy_value import Evaluation

RUNS = 200
Counts = Counter[str]


def figures(runs: int = RUNS) -> dict[str, float]:
    """The share of intervals (nominal: 90 %) that hold the truth, and how often none is given."""
    held: Counts = Counter()
    asked: Counts = Counter()
    for seed in range(runs):
        for part in PARTS:
            for name, holds in part(seed):
                asked[name] += 1
                held[name] += holds
    shares = {name: held[name] / asked[name] for name in sorted(asked)}
    return {
        "ope_coverage": _pooled(held, asked, "ope."),
        "effect_coverage": _pooled(held, asked, "effect."),
        **shares,
    }


def policy_values(seed: int) -> list[tuple[str, bool]]:
    """Both estimators of two policies, from tossed decisions."""
    drawn = world.draw(seed)
    evaluation = Evaluation.of(drawn.log, drawn.reward)
    answers = []
    for name, policy in (("careful", world.careful), ("tossing", world.tossing)):
        truth, target = world.true_value(name), policy(drawn.cases)
        for how, value in (
            ("snips", evaluation.snips(target)),
            ("doubly_robust", evaluation.doubly_robust(target)),
        ):
            answers.append((f"ope.{how}.{name}", value.lowest <= truth <= value.highest))
    return answers


def tossed_effects(seed: int) -> list[tuple[str, bool]]:
    """The log's own intervals, with recorded propensities."""
    drawn = world.draw(seed)
    return _estimates("effect.randomised", drawn.log)


def watched_effects(seed: int) -> list[tuple[str, bool]]:
    """The same with propensities that must be estimated."""
    log = world.draw(seed, tossed=False).log
    guessed = replace(log, propensities=nuisance.propensities(log))  # once for both outcomes
    return _estimates("effect.observational", guessed)


def learned_effects(seed: int) -> list[tuple[str, bool]]:
    """Effects shrunk to priors that are right on average: truths are drawn from them."""
    truth = world.drawn_truth(seed, world.PRIOR_GAINS)
    drawn = world.draw(seed, gains=truth)
    learned = shrinkage.shrink(effects.estimate(drawn.log, "days"), {"days": world.PRIOR_GAINS})
    return [
        (
            "effect.learned.days",
            e.effect.lowest <= truth[e.action, e.stratum] <= e.effect.highest,
        )
        for e in learned
    ]


def no_overlap(seed: int) -> list[tuple[str, bool]]:
    """Whether nothing is said where the slow are always called, and the others never."""
    of = world.cases(np.random.default_rng(seed), 400, 5)
    chance = np.eye(3)[np.where(of.slow > 0.2, 2, 0)]
    answers = []
    for tossed in (True, False):
        drawn = world.draw(seed, chance=chance, tossed=tossed)
        estimates = effects.estimate(drawn.log, "days", folds=2)
        answers.append(("silent.effects", not effects.identified(estimates)))
        evaluation = Evaluation.of(drawn.log, drawn.reward, folds=2)
        target = world.careful(drawn.cases)
        answers.append(("silent.snips", not evaluation.snips(target).is_identified))
        answers.append(("silent.dr", not evaluation.doubly_robust(target).is_identified))
    return answers


PARTS = (policy_values, tossed_effects, watched_effects, learned_effects, no_overlap)


def _estimates(name: str, log: DecisionLog) -> list[tuple[str, bool]]:
    answers = []
    for outcome, measure, truth in (
        ("days", "fall", world.GAINS),
        ("unpaid", "share", world.RESCUES),
    ):
        for e in effects.estimate(log, outcome, measure=measure):
            low, high = e.interval
            answers.append((f"{name}.{outcome}", low <= truth[e.action, e.stratum] <= high))
    return answers


def _pooled(held: Counts, asked: Counts, prefix: str) -> float:
    names = [name for name in asked if name.startswith(prefix)]
    return sum(held[name] for name in names) / sum(asked[name] for name in names)


if __name__ == "__main__":
    for name, figure in figures(*map(int, sys.argv[1:])).items():
        print(f"{name:40} {figure:.3f}")
