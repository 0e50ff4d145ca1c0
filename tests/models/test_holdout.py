"""Who is left alone and who is tried out: stable, even, and logged with the true probability."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import draws
from models.holdout import Trial, Tried, explore

CUSTOMERS = np.arange(20_000, dtype=np.int64) * 7919 - 5_000_000
shares = st.floats(0, 1)


@settings(deadline=None, max_examples=25)
@given(shares, shares, st.text(max_size=8))
def test_a_larger_share_holds_out_the_same_customers_and_more(
    one: float, other: float, salt: str
) -> None:
    small, large = sorted((one, other))
    few = Trial(holdout_share=small, salt=salt).held_out(CUSTOMERS)
    many = Trial(holdout_share=large, salt=salt).held_out(CUSTOMERS)
    assert not (few & ~many).any()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_the_share_is_kept(share: float) -> None:
    held = Trial(holdout_share=share).held_out(CUSTOMERS)
    assert abs(held.mean() - share) <= 4 * np.sqrt(share * (1 - share) / len(CUSTOMERS))


def test_a_customer_stays_held_out_whoever_else_is_there_and_another_salt_draws_anew() -> None:
    trial = Trial(holdout_share=0.3)
    assert (
        trial.held_out(CUSTOMERS[500:900]).tolist() == trial.held_out(CUSTOMERS)[500:900].tolist()
    )
    other = Trial(holdout_share=0.3, salt="2027").held_out(CUSTOMERS)
    both = (other & trial.held_out(CUSTOMERS)).mean()
    assert abs(both - 0.09) < 0.01  # independent: 0.3 x 0.3


def test_draws_are_those_of_every_machine() -> None:
    keys = np.array([0, 1, -1, 2**62], np.int64)
    found = draws.toss(keys, "puntuale/holdout")
    assert found.tolist() == draws.toss(keys, "puntuale/holdout").tolist()
    assert ((found >= 0) & (found < 1)).all()
    assert [f"{x:016x}" for x in draws.mix(np.array([0, 1], np.uint64)).tolist()] == [
        "e220a8397b1dcdaf",  # SplitMix64 from the states 0 and 1
        "910a2dec89025cc1",
    ]


def test_shares_outside_zero_and_one_are_refused_together() -> None:
    with pytest.raises(
        ValueError, match=r"holdout_share .* got: 1.2; exploration_share .* got: -1"
    ):
        Trial(holdout_share=1.2, exploration_share=-1)


def tried(day: int, *, share: float, rooms: tuple[int, int]) -> tuple[Tried, npt.NDArray[np.bool_]]:
    """Forty customers with five options, of which two channels of one each are scarce."""
    rng = np.random.default_rng(3)
    admissible = rng.random((40, 5)) < 0.7
    admissible[:, 0] = True
    planned = np.array([rng.choice(np.flatnonzero(row)) for row in admissible])
    scarce = [(np.eye(5, dtype=bool)[3], rooms[0]), (np.eye(5, dtype=bool)[4], rooms[1])]
    found = explore(
        Trial(exploration_share=share),
        day=day,
        customer=CUSTOMERS[:40],
        planned=planned,
        admissible=admissible,
        scarce=scarce,
    )
    done = np.where(found.place >= 0, found.place, planned)
    assert admissible[np.arange(40), done].all()
    return Tried(done, found.propensity, found.chances), admissible


def test_propensities_are_the_shares_in_which_options_come_up() -> None:
    days, share = 2_000, 0.4
    counts, said = np.zeros((40, 5)), np.full((40, 5), np.nan)
    for day in range(days):
        found, _ = tried(day, share=share, rooms=(9, 3))
        row = np.arange(40)
        counts[row, found.place] += 1
        before = said[row, found.place]
        assert np.allclose(before[~np.isnan(before)], found.propensity[~np.isnan(before)])
        said[row, found.place] = found.propensity
        assert np.allclose(found.chances.sum(axis=1), 1)
        assert (found.chances[row, found.place] == found.propensity).all()
    assert np.allclose(np.where(np.isnan(said), found.chances, said), found.chances)
    seen = ~np.isnan(said)
    assert np.allclose(np.where(seen, said, 0).sum(axis=1), 1)  # every option has come up
    error = np.sqrt(said * (1 - said) / days)
    assert (np.abs(counts / days - said)[seen] <= 4.5 * error[seen]).all()


def test_scarce_options_are_drawn_no_more_often_than_there_is_room() -> None:
    for day in range(300):
        nobody, _ = tried(day, share=0.0, rooms=(9, 3))
        found, _ = tried(day, share=1.0, rooms=(9, 3))
        assert (nobody.propensity == 1).all()
        for option, room in ((3, 9), (4, 3)):
            drawn = (found.place == option) & (nobody.place != option)
            assert drawn.sum() <= room
