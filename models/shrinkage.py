"""Shrinkage: estimates pulled to the catalogue's priors, each by how little it knows.

Prior and estimate are weighed by their precisions (normal with normal). The priors' own spread is
judged by the estimates (empirical Bayes: Morris, JASA 1983): where the log keeps contradicting
them they are widened alike, never narrowed, so that wrong priors give way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models import clustered
from models.action import Effect
from models.effects import Estimate, Source

_SURE = 1e-9  # a prior narrower than this is not a belief but an order


@dataclass(frozen=True)
class Belief:
    """What is now believed of one action in one stratum, and where the belief comes from."""

    action: str
    outcome: str
    stratum: str
    effect: Effect  # with its 90 % interval
    source: Source  # prior where the log does not identify it
    weight: float  # of the log's word, the prior's being the rest
    estimate: Estimate


def shrink(estimates: Sequence[Estimate], priors: Mapping[tuple[str, str], Effect]) -> list[Belief]:
    """The estimates of one outcome pulled to the priors by (action, stratum).

    The lowest and highest of a prior are taken as the ends of its 90 % interval.
    """
    widened = spread(estimates, priors)
    return [_pull(e, priors[e.action, e.stratum], widened) for e in estimates]


def spread(estimates: Sequence[Estimate], priors: Mapping[tuple[str, str], Effect]) -> float:
    """How many times wider the priors' variances must be for the estimates to agree with them.

    A moment estimate over actions and strata together, at least 1; precise ones count most.
    """
    above = total = 0.0
    for e in estimates:
        prior = priors[e.action, e.stratum]
        variance = _deviation(prior) ** 2
        if e.is_identified and variance > _SURE**2:
            noise = _error(e) ** 2
            weight = (variance / (variance + noise)) ** 2
            above += weight * ((e.effect - prior.expected) ** 2 - noise) / variance
            total += weight
    return max(above / total, 1.0) if total else 1.0


def _pull(e: Estimate, prior: Effect, widened: float) -> Belief:
    deviation = _deviation(prior) * np.sqrt(widened)
    if not e.is_identified:
        return Belief(e.action, e.outcome, e.stratum, prior, "prior", 0.0, e)
    noise, belief = _error(e) ** 2, deviation**2
    weight = belief / (belief + noise) if belief + noise > 0 else 0.0
    expected = weight * e.effect + (1 - weight) * prior.expected
    reach = _NORMAL * np.sqrt(weight * noise)  # the variance of the two together
    effect = Effect(float(expected), float(expected - reach), float(expected + reach))
    return Belief(e.action, e.outcome, e.stratum, effect, e.source, float(weight), e)


_NORMAL = 1.6448536269514722  # standard deviations to each side of a normal 90 %


def _deviation(prior: Effect) -> float:
    return (prior.highest - prior.lowest) / (2 * _NORMAL)


def _error(e: Estimate) -> float:
    """The error as if of a normal: few customers make it longer."""
    return e.error * clustered.reach(e.groups) / _NORMAL
