"""Cash: how much of what is open comes in each week, with an interval.

The expected cash follows from the curves alone. Its interval needs to know how invoices go
together: a customer that pays one invoice late pays the others late too. Each invoice's place on
its own curve is a normal score (a Gaussian copula) made of its customer's shock and one of its
own; and whole weeks bring more or less than expected, for all customers alike. It assumes that
shocks are as they were in the months before; customers that fail one after the other would be
further apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Cents = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int64]

WEEKS = 8
WEEK_ENDS = tuple(range(6, 7 * WEEKS, 7))  # the last day of each week, in days ahead
DRAWS = 1000
MOST_DRAWN = 20_000  # invoices drawn one by one; of more, the small customers' are drawn by lot
LEVELS = (0.1, 0.9)  # an interval of 80 %
MOST_SHARED = 0.95  # something of each invoice's score stays its own
_TOGETHER = 50  # draws at a time: memory follows it, and so do the bits
_DENSITY = 1 / np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class Shocks:
    """What invoices have in common: their customer's part of each normal score, and the weeks'."""

    customer_share: float = 0.0  # correlation of two invoices of one customer
    week_spread: float = 0.0  # standard deviation of a week's cash over what is expected of it


@dataclass(frozen=True)
class CashForecast:
    """By week, in cents: what is expected, and between which sums it lies 8 times in 10."""

    expected_cents: Floats
    low_cents: Floats
    high_cents: Floats


def expected(curve: Floats, open_cents: Cents | Floats) -> Floats:
    """The expected cash of each week from `curve`, P(still open) at the WEEK_ENDS: (weeks,)."""
    by_week: Floats = open_cents @ -np.diff(curve, axis=1, prepend=1.0)
    return by_week


def forecast(
    curve: Floats,
    open_cents: Cents,
    customer: Rows,
    shocks: Shocks,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> CashForecast:
    """The cash of each week, its interval by simulation; `curve` is (n, weeks)."""
    by_week = simulate(curve, open_cents, customer, shocks, draws=draws, seed=seed)
    low, high = np.quantile(by_week, LEVELS, axis=0)
    return CashForecast(expected(curve, open_cents), low, high)


def simulate(
    curve: Floats,
    open_cents: Cents,
    customer: Rows,
    shocks: Shocks,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Floats:
    """Drawn sums of each week in cents: (draws, weeks).

    Above MOST_DRAWN invoices the largest customers are drawn each, and of the others some stand
    for all: a sum over thousands of independent ones is normal, and only its spread is needed.
    """
    random = np.random.default_rng(seed)
    _, owner = np.unique(customer, return_inverse=True)
    amounts = open_cents.astype(np.float64)
    each, some, times = _drawn_ones(amounts, owner)
    stand_in = expected(curve[some], amounts[some])
    of_others: Floats = expected(curve, amounts) - expected(curve[each], amounts[each])
    rest: Floats = of_others - stand_in * times

    received = []
    for begin in range(0, draws, _TOGETHER):
        count = min(_TOGETHER, draws - begin)
        by_week = _sums(random, curve[each], amounts[each], owner[each], shocks, count)
        if len(some):
            drawn = _sums(random, curve[some], amounts[some], owner[some], shocks, count)
            by_week = np.maximum(by_week + rest + times * drawn, 0.0)
        received.append(by_week * _factors(random, by_week.shape, shocks.week_spread))
    return np.concatenate(received)


def _drawn_ones(amounts: Floats, owner: Rows) -> tuple[Rows, Rows, float]:
    """The invoices drawn for themselves, those for others too, and how much wider others make it.

    Customers by what they owe, the largest first, until half of the room is taken; of those after
    them every so many-th. The spread of a sum of independent customers grows with the root of the
    sum of their squares: so do the drawn ones' deviations stand for all.
    """
    if len(owner) <= MOST_DRAWN:
        return np.arange(len(owner)), np.zeros(0, np.int64), 1.0
    owed, invoices = np.bincount(owner, weights=amounts), np.bincount(owner)
    by_size = np.argsort(-owed, kind="stable")
    held = np.cumsum(invoices[by_size])
    large = 1 + int(np.searchsorted(held, MOST_DRAWN // 2))
    others = by_size[large:]
    if not len(others):
        return np.arange(len(owner)), np.zeros(0, np.int64), 1.0
    apart = min(-(-2 * int(invoices[others].sum()) // MOST_DRAWN), len(others))
    chosen = others[apart // 2 :: apart]
    times = float(np.sqrt(np.square(owed[others]).sum() / np.square(owed[chosen]).sum()))
    is_large, is_chosen = np.zeros((2, len(owed)), bool)
    is_large[by_size[:large]], is_chosen[chosen] = True, True
    return np.flatnonzero(is_large[owner]), np.flatnonzero(is_chosen[owner]), times


def _sums(
    random: np.random.Generator,
    curve: Floats,
    amounts: Floats,
    owner: Rows,
    shocks: Shocks,
    count: int,
) -> Floats:
    """Drawn sums of these invoices, before what whole weeks bring more or less: (count, weeks)."""
    until = ndtri(1.0 - curve)  # the score under which an invoice is paid by the week's end
    _, owner = np.unique(owner, return_inverse=True)
    owners = int(owner.max(initial=-1)) + 1
    of_customer = random.standard_normal((owners, count))[owner]
    scores = np.sqrt(1 - shocks.customer_share) * random.standard_normal((len(curve), count))
    scores += np.sqrt(shocks.customer_share) * of_customer
    by_end = [amounts @ (scores <= until[:, [week]]) for week in range(curve.shape[1])]
    return np.diff(np.stack(by_end, axis=1), axis=1, prepend=0.0)


def _factors(random: np.random.Generator, shape: tuple[int, ...], spread: float) -> Floats:
    """Log-normal, of mean 1: a week may bring twice what was expected, never less than nothing."""
    log_variance = np.log1p(spread**2)
    factors: Floats = np.exp(
        np.sqrt(log_variance) * random.standard_normal(shape) - log_variance / 2
    )
    return factors


@dataclass(frozen=True)
class PastWindow:
    """A past day's open invoices: what their curves said at the WEEK_ENDS, and when they paid."""

    curve: Floats  # (n, weeks)
    week: Rows  # in which each was paid; as many as there are weeks: not by their end
    customer: Rows
    open_cents: Cents


def estimate(windows: Sequence[PastWindow], *, seed: int = 0) -> Shocks:
    """The shocks of past windows, by moments: first the customers', then what weeks had besides."""
    share = customer_share(windows)
    return Shocks(share, _week_spread(windows, share, seed=seed))


def customer_share(windows: Sequence[PastWindow]) -> float:
    """The correlation of two invoices of one customer.

    An invoice's score is known as far as its week: its mean given that. The products of two
    invoices' means, over what they would be if the scores were the same, are their correlation.
    Pairs count by their amounts, because sums are what is asked for.
    """
    products, most = 0.0, 0.0
    for window in windows:
        score, spread = _scores(window.curve, window.week)
        amounts = window.open_cents.astype(np.float64)
        products += _pairs(amounts * score, window.customer)
        most += _pairs(amounts * spread, window.customer)
    return min(max(products / most, 0.0), MOST_SHARED) if most > 0 else 0.0


def _week_spread(windows: Sequence[PastWindow], share: float, *, seed: int) -> float:
    """How far whole weeks were off, beyond what the customers' shocks explain."""
    beyond, weight = 0.0, 0.0
    for window in windows:
        due = expected(window.curve, window.open_cents)
        weeks = len(due)
        came = np.bincount(window.week, weights=window.open_cents, minlength=weeks + 1)[:weeks]
        explained = simulate(
            window.curve, window.open_cents, window.customer, Shocks(share), draws=200, seed=seed
        ).var(axis=0)
        some = due > 0
        beyond += float((((came - due) ** 2 - explained)[some] / due[some]).sum())
        weight += float(due.sum())
    return float(np.sqrt(max(beyond / weight, 0.0))) if weight > 0 else 0.0


def _scores(curve: Floats, week: Rows) -> tuple[Floats, Floats]:
    """Each invoice's mean score given its week, and the variance that this mean has."""
    ends = np.concatenate([np.zeros((len(curve), 1)), 1 - curve, np.ones((len(curve), 1))], axis=1)
    density = _DENSITY * np.exp(-0.5 * np.square(np.clip(ndtri(ends), -40, 40)))
    share = np.diff(ends, axis=1)
    moment = -np.diff(density, axis=1)
    mean = np.divide(moment, share, out=np.zeros_like(share), where=share > 1e-12)
    return mean[np.arange(len(curve)), week], (mean * moment).sum(axis=1)


def _pairs(values: Floats, group: Rows) -> float:
    """The sum over all ordered pairs within groups of the product of their values."""
    _, place = np.unique(group, return_inverse=True)
    sums = np.bincount(place, weights=values)
    return float(np.square(sums).sum() - np.square(values).sum())
