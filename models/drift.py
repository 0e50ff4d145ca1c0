"""Drift: how far today lies from what was seen in training, with the luck of the customers told.

Rows of one customer are not independent: every interval is a bootstrap over customers. It assumes
that customers are independent of each other; where a few of them make up most of the rows, the
intervals are too narrow.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import metrics

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

DRAWS = 200
BINS = 10
_LEAST_SHARE = 1e-3  # an empty bin must not make the index infinite
_TAIL = 0.025  # left out on either side: intervals of 95 %


@dataclass(frozen=True)
class Interval:
    """A figure, and the 95 % interval that other customers of the same kind would put it in."""

    value: float
    low: float
    high: float

    def covers(self, other: float) -> bool:
        return self.low <= other <= self.high


def draws(customer: npt.ArrayLike, *, count: int = DRAWS, seed: int = 0) -> tuple[Codes, Floats]:
    """Each row's customer as a number, and how often each draw takes each customer."""
    _, code = np.unique(np.asarray(customer), return_inverse=True)
    customers = int(code.max(initial=-1)) + 1
    dice = np.random.default_rng(seed)
    taken = dice.multinomial(customers, np.full(customers, 1 / max(customers, 1)), size=count)
    return code.astype(np.int64), taken.astype(np.float64)


def mean(values: Floats, customer: npt.ArrayLike, *, seed: int = 0) -> Interval:
    """The mean of the rows' values."""
    code, taken = draws(customer, seed=seed)
    customers = taken.shape[1]
    sums = np.bincount(code, weights=values, minlength=customers)
    sizes = np.bincount(code, minlength=customers).astype(np.float64)
    means = (taken @ sums) / np.maximum(taken @ sizes, 1.0)
    low, high = np.quantile(means, [_TAIL, 1 - _TAIL])
    return Interval(float(np.mean(values)), float(low), float(high))


def auc(y: Floats, p: Floats, customer: npt.ArrayLike, *, seed: int = 0) -> Interval:
    """The share of (late, not late) pairs in the right order; NaN where one side is empty."""
    code, taken = draws(customer, seed=seed)
    _, place = np.unique(p, return_inverse=True)
    places = int(place.max(initial=-1)) + 1

    def ranked(times: Floats) -> float:
        """The AUC with each row counted so many times, ties half."""
        late = np.bincount(place, weights=y * times, minlength=places)
        paid = np.bincount(place, weights=(1 - y) * times, minlength=places)
        pairs = late.sum() * paid.sum()
        below = np.cumsum(paid) - paid / 2
        return float(late @ below / pairs) if pairs > 0 else float("nan")

    drawn = np.array([ranked(times[code]) for times in taken])
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return Interval(metrics.auc(y, p), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return Interval(metrics.auc(y, p), float(low), float(high))


@dataclass(frozen=True)
class Reference:
    """How a feature was spread: the edges between its bins, and each bin's share, missing last."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, values: Floats, *, bins: int = BINS) -> "Reference":
        """About equally filled bins; values that many rows share keep a bin of their own."""
        known = values[~np.isnan(values)]
        inner = np.quantile(known, np.arange(1, bins) / bins) if len(known) else np.empty(0)
        edges = tuple(float(edge) for edge in np.unique(inner))
        return cls(edges, tuple(_shares(_bin(values, edges), len(edges) + 2).tolist()))

    def bins(self, values: Floats) -> Codes:
        """Each value's bin."""
        return _bin(values, self.edges)

    def as_facts(self) -> dict[str, list[float]]:
        return {"edges": list(self.edges), "shares": [round(share, 6) for share in self.shares]}

    @classmethod
    def from_facts(cls, facts: Mapping[str, list[float]]) -> "Reference":
        return cls(tuple(facts["edges"]), tuple(facts["shares"]))


def stability(reference: Reference, values: Floats) -> float:
    """The population stability index: 0 for the same spread, above .25 a different one."""
    shares = _shares(reference.bins(values), len(reference.shares))
    return float(_index(np.array(reference.shares), shares[None, :])[0])


def stability_interval(
    reference: Reference, values: Floats, customer: npt.ArrayLike, *, seed: int = 0
) -> Interval:
    """The index with its interval, mirrored: an index of few rows is too high by its own luck.

    Draws of a sample lie above it as the sample lies above the truth, so that luck is taken off.
    """
    code, taken = draws(customer, seed=seed)
    counts = np.zeros((taken.shape[1], len(reference.shares)))
    np.add.at(counts, (code, reference.bins(values)), 1.0)
    drawn = taken @ counts
    shares = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1.0)
    value = stability(reference, values)
    low, high = np.quantile(_index(np.array(reference.shares), shares), [_TAIL, 1 - _TAIL])
    return Interval(value, max(2 * value - float(high), 0.0), max(2 * value - float(low), 0.0))


def _bin(values: Floats, edges: tuple[float, ...]) -> Codes:
    at = np.searchsorted(np.array(edges), values, side="left")
    return np.where(np.isnan(values), len(edges) + 1, at).astype(np.int64)


def _shares(bins: Codes, places: int) -> Floats:
    return np.bincount(bins, minlength=places) / max(len(bins), 1)


def _index(reference: Floats, shares: Floats) -> Floats:
    before, now = np.maximum(reference, _LEAST_SHARE), np.maximum(shares, _LEAST_SHARE)
    return np.asarray(((now - before) * np.log(now / before)).sum(axis=1))
