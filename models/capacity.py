"""Who gets what a day can hold: the choice of options that is worth most within each pool's limit.

A multiple-choice knapsack: every customer takes one option, waiting included, and an option takes a
fixed weight from at most one pool (minutes on the telephone, letters). Its linear relaxation is
solved by prices: a pool's price is the worth by weight of the first step that no longer fits, up
the hull of each customer's options (Sinha and Zoltners, Operations Research 27, 1979). Rounding
then loses at most the largest single item for each full pool; no plan exceeds `bound_cents`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Cents = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Pools = npt.NDArray[np.int64]

NOT_FREE = np.iinfo(np.int64).min  # the value of an option that may not be taken
NO_POOL = -1
ROUNDS = 60  # of prices; one pool needs one, three hardly ten
MOVES = 512  # steps looked at once the prices stand ...
PASSES = 4  # ... so many times
HAIR = 0.01  # of a cent in all: ties go to the smaller row, without changing what is best


@dataclass(frozen=True)
class Allotment:
    """The option of each row, what a unit of each pool is worth, and a bound on the value."""

    place: Places
    prices: Floats
    used: Floats
    bound_cents: float


def allot(values: Cents, *, weight: Floats, pool: Pools, limit: Floats) -> Allotment:
    """The options worth most in all: `values` by row and option, the first to wait, worth 0.

    `weight` and `pool` are the options' (NO_POOL: no limit), `limit` the pools'. Ties go to the
    smaller row, and within a row to the option that weighs less, then to the earlier one.
    """
    pool = np.where(weight > 0, pool, NO_POOL)
    fits = (pool == NO_POOL) | (weight <= np.append(limit, np.inf)[pool])
    open_rows = np.flatnonzero(((values > 0) & fits).any(axis=1))
    by_weight = np.lexsort((np.arange(len(weight)), np.where(pool == NO_POOL, 0, weight)))
    worth = values[open_rows][:, by_weight].astype(np.float64)
    worth[:, ~fits[by_weight]] = -np.inf
    worth[worth <= 0] = -np.inf
    worth[:, by_weight == 0] = 0.0

    market = _Market(worth, weight[by_weight], pool[by_weight], limit)
    prices = market.prices()
    taken = market.improved(market.repaired(market.demand(prices), prices), prices)
    place = np.zeros(len(values), np.int64)
    place[open_rows] = by_weight[taken]
    return Allotment(place, prices, market.used(taken), market.bound(prices))


def wanted(values: Cents, prices: Floats, *, weight: Floats, pool: Pools, limit: Floats) -> Places:
    """What rows that took no part in an allotment would have taken at its prices."""
    pool = np.where(weight > 0, pool, NO_POOL)
    fits = (pool == NO_POOL) | (weight <= np.append(limit, np.inf)[pool])
    net = values - np.append(prices, 0.0)[pool] * weight
    net = np.where((values > 0) & fits, net, -np.inf)
    net[:, 0] = 0.0
    by_weight = np.lexsort((np.arange(len(weight)), np.where(pool == NO_POOL, 0, weight)))
    best: Places = by_weight[net[:, by_weight].argmax(axis=1)]
    return best


class _Market:
    """Rows that have something to gain, their options in order of weight, and the pools."""

    def __init__(self, worth: Floats, weight: Floats, pool: Pools, limit: Floats) -> None:
        self.worth, self.weight, self.pool, self.limit = worth, weight, pool, limit
        self.row = np.arange(len(worth))
        self.freed = np.where(pool[:, None] == np.arange(len(limit)), weight[:, None], 0.0)
        hair = HAIR * (len(worth) - self.row) / max(len(worth), 1) ** 2
        self.split = np.where(worth > 0, worth + hair[:, None], worth)  # the worth without ties

    def net(self, worth: Floats, prices: Floats) -> Floats:
        return worth - np.append(prices, 0.0)[self.pool] * self.weight

    def demand(self, prices: Floats) -> Places:
        """What each row would take at these prices."""
        best: Places = self.net(self.split, prices).argmax(axis=1)
        return best

    def used(self, taken: Places) -> Floats:
        pool, weight = self.pool[taken], self.weight[taken]
        return np.array([weight[pool == k].sum() for k in range(len(self.limit))], np.float64)

    def bound(self, prices: Floats) -> float:
        """A value that no choice within the limits exceeds, whatever the prices."""
        best = self.net(self.worth, prices).max(axis=1, initial=0.0)
        return float(best.sum() + (prices * np.where(prices > 0, self.limit, 0.0)).sum())

    def prices(self) -> Floats:
        """The prices at which no pool is asked for more than it has.

        They only rise: a dearer pool sends rows to the others, never away from them.
        """
        prices = np.zeros(len(self.limit))
        for _ in range(ROUNDS):
            before = prices.copy()
            for k in range(len(prices)):
                prices[k] = max(prices[k], self._price(k, prices))
            if (prices == before).all():
                break
        return prices

    def _price(self, k: int, prices: Floats) -> float:
        """The worth by weight of the first step for which pool k has no room."""
        mine = np.flatnonzero(self.pool == k)
        if not len(mine):
            return 0.0
        others = np.flatnonzero(self.pool != k)
        outside = self.net(self.split, prices)[:, others].max(axis=1, initial=0.0)
        slopes, steps = _hull(self.split[:, mine], self.weight[mine], outside)
        order = np.argsort(-slopes, kind="stable")
        full = np.flatnonzero(np.cumsum(steps[order]) > self.limit[k] * (1 + 1e-12))
        return float(slopes[order[full[0]]]) if len(full) else 0.0

    def repaired(self, taken: Places, prices: Floats) -> Places:
        """The choice with the least wanted options given up where a pool overflows by a hair."""
        taken = taken.copy()
        roomy = np.flatnonzero(self.pool == NO_POOL)
        net = self.net(self.split, prices)
        instead = roomy[self.split[:, roomy].argmax(axis=1)]
        for k, used in enumerate(self.used(taken)):
            if used <= self.limit[k]:
                continue
            rows = np.flatnonzero(self.pool[taken] == k)
            gained = net[rows, taken[rows]] - self.split[rows, instead[rows]]
            rows = rows[np.argsort(gained / self.weight[taken[rows]], kind="stable")]
            left = used - np.cumsum(self.weight[taken[rows]])
            given_up = rows[: int(np.argmax(left <= self.limit[k])) + 1]
            taken[given_up] = instead[given_up]
        return taken

    def improved(self, taken: Places, prices: Floats) -> Places:
        """The choice after every step that gains: into the room left, or in another row's place.

        Looked at are the steps that lose least at the prices; a row that makes room takes its next
        best. Prices leave rows that want either of two options equally, and this settles them.
        """
        taken, room = taken.copy(), self.limit - self.used(taken)
        for _ in range(PASSES):
            before = taken.copy()
            for row, option in self._steps(taken, prices):
                if self.split[row, option] > self.split[row, taken[row]]:
                    self._step(taken, room, row, option)
            if (taken == before).all():
                break
        return taken

    def _steps(self, taken: Places, prices: Floats) -> list[tuple[int, int]]:
        """The steps up that lose least at the prices, those that gain most first."""
        net = self.net(self.split, prices)
        now = self.split[self.row, taken]
        loss = net[self.row, taken][:, None] - net
        loss[self.split <= now[:, None]] = np.inf
        flat = loss.ravel()
        few = np.argpartition(flat, MOVES)[:MOVES] if len(flat) > MOVES else np.arange(len(flat))
        few = few[np.isfinite(flat[few])]
        rows, options = np.divmod(few, loss.shape[1])
        gain = self.split[rows, options] - now[rows]
        order = np.lexsort((few, -gain))
        return list(zip(rows[order].tolist(), options[order].tolist(), strict=True))

    def _step(self, taken: Places, room: Floats, row: int, option: int) -> None:
        """Takes one step if there is room, or if another row had better make room for it."""
        after = room + self.freed[taken[row]] - self.freed[option]
        if (after >= 0).all():
            taken[row], room[:] = option, after
            return
        gain = self.split[row, option] - self.split[row, taken[row]]
        others = np.flatnonzero((self.pool[taken] == self.pool[option]) & (self.row != row))
        left = after[None, :] + self.freed[taken[others]]
        fits = (left[:, None, :] - self.freed[None, :, :] >= 0).all(axis=2)
        worth = np.where(fits, self.split[others], -np.inf)
        if not len(others) or not np.isfinite(worth).any():
            return
        change = worth.max(axis=1) - self.split[others, taken[others]]
        best = int(change.argmax())
        if change[best] + gain > 0:
            other, instead = others[best], int(worth[best].argmax())
            room[:] = left[best] - self.freed[instead]
            taken[row], taken[other] = option, instead


def _hull(worth: Floats, weight: Floats, outside: Floats) -> tuple[Floats, Floats]:
    """The steps up each row's hull from its worth outside the pool: worth by weight, and weight."""
    at_worth, at_weight = outside.copy(), np.zeros(len(outside))
    slopes, steps = [np.zeros(0)], [np.zeros(0)]
    rows = np.arange(len(outside))
    while len(rows):
        further = weight[None, ::-1] - at_weight[rows, None]  # the heaviest first: ties go far
        rise = worth[rows, ::-1] - at_worth[rows, None]
        slope = np.where(further > 0, rise / np.where(further > 0, further, 1.0), -np.inf)
        best = slope.argmax(axis=1)
        climbs = slope[np.arange(len(rows)), best] > 0
        rows, best, slope, further = rows[climbs], best[climbs], slope[climbs], further[climbs]
        here = np.arange(len(rows))
        slopes.append(slope[here, best])
        steps.append(further[here, best])
        at_worth[rows] = worth[rows, len(weight) - 1 - best]
        at_weight[rows] = weight[len(weight) - 1 - best]
    return np.concatenate(slopes), np.concatenate(steps)
