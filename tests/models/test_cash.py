"""The cash forecast: its mean is what the curves expect, its width what invoices have in common."""

import numpy as np
import pytest

from models import cash
from models.cash import WEEKS, PastWindow, Shocks

Floats = np.ndarray


def portfolio(invoices: int, *, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Curves at the week ends, open cents and customers, with ten invoices a customer."""
    random = np.random.default_rng(seed)
    hazard = random.uniform(0.05, 0.5, (invoices, 1))
    curve = (1 - hazard) ** np.arange(1, WEEKS + 1)
    return curve, random.integers(1_000, 500_000, invoices), np.arange(invoices) // 10


def drawn_window(share: float, *, seed: int) -> PastWindow:
    """A past day whose invoices were paid as the copula says, with this correlation."""
    from scipy.special import ndtr

    curve, amounts, customer = portfolio(3_000, seed=seed)
    random = np.random.default_rng(seed + 100)
    of_customer = random.standard_normal(300)[customer]
    score = np.sqrt(share) * of_customer + np.sqrt(1 - share) * random.standard_normal(3_000)
    week = (ndtr(score)[:, None] > 1 - curve).sum(axis=1)
    return PastWindow(curve, week, customer, amounts)


@pytest.mark.parametrize("shocks", [Shocks(), Shocks(0.5), Shocks(0.5, 0.2)])
def test_the_mean_of_the_draws_is_the_sum_of_expected_values(shocks: Shocks) -> None:
    curve, amounts, customer = portfolio(400)
    drawn = cash.simulate(curve, amounts, customer, shocks, draws=2_000, seed=3)
    expected = cash.expected(curve, amounts)
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - expected) < 4 * error).all()
    assert expected.sum() == pytest.approx(amounts @ (1 - curve[:, -1]))


def test_intervals_widen_with_what_invoices_have_in_common() -> None:
    curve, amounts, customer = portfolio(400)
    widths = []
    for shocks in (Shocks(), Shocks(0.3), Shocks(0.8), Shocks(0.8, 0.3)):
        told = cash.forecast(curve, amounts, customer, shocks, seed=1)
        widths.append((told.high_cents - told.low_cents).sum())
    assert widths == sorted(widths)
    assert widths[2] > 1.2 * widths[0]


def test_without_shocks_the_spread_is_that_of_independent_invoices() -> None:
    curve, amounts, customer = portfolio(300)
    p = -np.diff(curve, axis=1, prepend=1.0)
    plain = np.sqrt((amounts.astype(float) ** 2) @ (p * (1 - p)))
    drawn = cash.simulate(curve, amounts, customer, Shocks(), draws=4_000)
    assert drawn.std(axis=0) == pytest.approx(plain, rel=0.06)


def test_the_same_seed_gives_the_same_bits_and_another_other_draws() -> None:
    curve, amounts, customer = portfolio(50)
    one, two, other = (
        cash.simulate(curve, amounts, customer, Shocks(0.4, 0.1), draws=120, seed=seed)
        for seed in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()


def test_what_is_surely_paid_in_a_week_comes_in_it() -> None:
    curve = np.array([[1.0, 1, 0, 0, 0, 0, 0, 0]])
    told = cash.forecast(curve, np.array([500]), np.array([0]), Shocks(0.5))
    assert told.expected_cents.tolist() == [0, 0, 500, 0, 0, 0, 0, 0]
    assert told.low_cents.tolist() == told.high_cents.tolist() == [0, 0, 500, 0, 0, 0, 0, 0]


def test_nothing_open_brings_nothing() -> None:
    none = np.empty(0, np.int64)
    told = cash.forecast(np.empty((0, WEEKS)), none, none, Shocks(0.5, 0.1))
    assert told.expected_cents.tolist() == told.high_cents.tolist() == [0.0] * WEEKS


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_the_correlation_of_drawn_data_is_found_again(share: float) -> None:
    windows = [drawn_window(share, seed=seed) for seed in range(4)]
    found = cash.estimate(windows)
    # by moments of scores known by the week: the first term of the series, a little low at the top
    assert found.customer_share == pytest.approx(share, abs=0.06 + 0.1 * share)
    assert found.week_spread < 0.05


def test_weeks_that_all_were_off_are_found() -> None:
    window = drawn_window(0.0, seed=1)
    slow = PastWindow(
        window.curve, np.minimum(window.week + 1, WEEKS), window.customer, window.open_cents
    )
    assert cash.estimate([slow]).week_spread > 0.2


def test_no_past_tells_of_no_shocks() -> None:
    assert cash.estimate([]) == Shocks()


def test_the_interval_covers_drawn_weeks() -> None:
    shocks = Shocks(0.6, 0.1)
    curve, amounts, customer = portfolio(300)
    told = cash.forecast(curve, amounts, customer, shocks, seed=1)
    came = cash.simulate(curve, amounts, customer, shocks, draws=400, seed=2)
    covered = ((came >= told.low_cents) & (came <= told.high_cents)).mean()
    assert 0.77 < covered < 0.83


def test_some_customers_stand_for_many_with_the_same_mean_and_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curve, amounts, customer = portfolio(6_000)
    shocks = Shocks(0.5, 0.1)
    each = cash.simulate(curve, amounts, customer, shocks, draws=1_000)
    monkeypatch.setattr(cash, "MOST_DRAWN", 2_000)
    some = cash.simulate(curve, amounts, customer, shocks, draws=1_000)

    error = each.std(axis=0) / np.sqrt(len(each))
    assert (np.abs(each.mean(axis=0) - some.mean(axis=0)) < 6 * error).all()
    assert some.std(axis=0) == pytest.approx(each.std(axis=0), rel=0.15)


def test_a_customer_larger_than_the_room_is_drawn_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curve, amounts, _ = portfolio(3_000)
    customer = np.maximum(np.arange(3_000) - 1_500, 0) // 10  # the first has half of all
    shocks = Shocks(0.8)
    each = cash.simulate(curve, amounts, customer, shocks)
    monkeypatch.setattr(cash, "MOST_DRAWN", 600)
    some = cash.simulate(curve, amounts, customer, shocks)
    assert some.std(axis=0) == pytest.approx(each.std(axis=0), rel=0.15)


@pytest.mark.parametrize("customers", [1, 2, 3])
def test_a_few_customers_that_are_each_larger_than_the_room_are_all_in_the_interval(
    customers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve, amounts, _ = portfolio(900)
    customer = np.arange(900) % customers
    shocks = Shocks(0.3, 0.1)
    each = cash.simulate(curve, amounts, customer, shocks)
    monkeypatch.setattr(cash, "MOST_DRAWN", 200)
    some = cash.simulate(curve, amounts, customer, shocks)
    error = each.std(axis=0) / np.sqrt(len(each))
    assert (np.abs(each.mean(axis=0) - some.mean(axis=0)) < 6 * error).all()
    assert some.std(axis=0) == pytest.approx(each.std(axis=0), rel=0.3)
