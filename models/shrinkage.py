"""Shrinkage: estimates pulled to the catalogue's priors, all cells at once, by what each knows.

Normal with normal in matrix form (Lindley and Smith, J. R. Statist. Soc. B 34, 1972). A prior may
be wrong together with the others: a company whose customers react weakly reacts weakly to
everything, and an action that disappoints does so for every cause. So what the log says of one cell
moves the others, and many vague estimates together tell what none tells alone. The estimates' own
errors go together too, where they share the cases that waited: by customer, as they were made.

The priors' spread is judged by the estimates (empirical Bayes: Morris, JASA 1983): where the log
keeps contradicting them they are widened alike, never narrowed, so that wrong priors give way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import clustered
from models.action import Effect
from models.effects import Estimate, Source

Floats = npt.NDArray[np.float64]
Priors = Mapping[str, Mapping[tuple[str, str], Effect]]  # by outcome, then action and stratum

COMPANY_SPREAD = 0.3  # of an effect: what companies differ by in all their effects together ...
COMPANY_MOST = 0.5  # ... at most this share of a prior's variance
OF_ACTION = 0.5  # of what is left, the share that an action's strata have in common
_SURE = 1e-9  # a prior narrower than this is not a belief but an order
_NORMAL = 1.6448536269514722  # standard deviations to each side of a normal 90 %


@dataclass(frozen=True)
class Belief:
    """What is now believed of one action in one stratum, and where the belief comes from."""

    action: str
    outcome: str
    stratum: str
    effect: Effect  # with its 90 % interval
    source: Source  # prior where the log does not identify it: then only other cells moved it
    weight: float  # the share of the prior's variance that the log took away
    estimate: Estimate


def shrink(estimates: Sequence[Estimate], priors: Priors) -> list[Belief]:
    """The estimates of all outcomes pulled to the priors together.

    The lowest and highest of a prior are taken as the ends of its 90 % interval.
    """
    if not estimates:
        return []
    prior = [priors[e.outcome][e.action, e.stratum] for e in estimates]
    mean = np.array([p.expected for p in prior])
    wide = np.array([_deviation(p) for p in prior])
    wide *= np.sqrt([_widened(estimates, priors, e.outcome) for e in estimates])
    before = _together(estimates, mean, wide)
    told = [e for e in estimates if e.is_identified]
    known = np.flatnonzero([e.is_identified for e in estimates])
    said = np.array([e.effect for e in told])
    noise = errors(told)
    gain = before[:, known] @ np.linalg.pinv(before[np.ix_(known, known)] + noise, hermitian=True)
    after = mean + gain @ (said - mean[known])
    variance = np.maximum(np.diag(before) - (gain * before[:, known]).sum(axis=1), 0.0)
    return [
        _belief(e, p, float(now), float(left), float(was))
        for e, p, now, left, was in zip(
            estimates, prior, after, variance, np.diag(before), strict=True
        )
    ]


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


def errors(estimates: Sequence[Estimate]) -> Floats:
    """The covariance of the estimates' errors: what the same customers did to several of them."""
    size = np.array([_error(e) for e in estimates])
    if not len(size) or not all(len(e.influence) for e in estimates):
        return np.diag(size**2)
    influence = np.stack([e.influence for e in estimates])
    norm = np.sqrt((influence**2).sum(axis=1))
    influence = influence / np.where(norm > 0, norm, 1.0)[:, None]
    correlation = influence @ influence.T
    np.fill_diagonal(correlation, 1.0)
    covariance: Floats = correlation * np.outer(size, size)
    return covariance


def _together(estimates: Sequence[Estimate], mean: Floats, wide: Floats) -> Floats:
    """The priors' covariance: a factor of the company, one of each action, and each cell's own."""
    company = np.minimum(COMPANY_SPREAD * np.abs(mean), np.sqrt(COMPANY_MOST) * wide)
    company *= np.sign(mean)
    rest = wide**2 - company**2
    action = np.sqrt(OF_ACTION * rest)
    names = np.array([f"{e.outcome} {e.action}" for e in estimates])
    shared = np.outer(company, company) + np.outer(action, action) * (names[:, None] == names)
    together: Floats = shared + np.diag((1 - OF_ACTION) * rest)
    return together


def _widened(estimates: Sequence[Estimate], priors: Priors, outcome: str) -> float:
    return spread([e for e in estimates if e.outcome == outcome], priors[outcome])


def _belief(e: Estimate, prior: Effect, expected: float, left: float, was: float) -> Belief:
    weight = 1 - left / was if was > _SURE**2 else 0.0
    if not e.is_identified and weight <= _SURE:  # nothing was said of it, nor of its like
        return Belief(e.action, e.outcome, e.stratum, prior, "prior", 0.0, e)
    reach = _NORMAL * np.sqrt(left)
    effect = Effect(expected, expected - float(reach), expected + float(reach))
    source: Source = e.source if e.is_identified else "prior"
    return Belief(e.action, e.outcome, e.stratum, effect, source, weight, e)


def _deviation(prior: Effect) -> float:
    return (prior.highest - prior.lowest) / (2 * _NORMAL)


def _error(e: Estimate) -> float:
    """The error as if of a normal: few customers make it longer."""
    return e.error * clustered.reach(e.groups) / _NORMAL
