"""Propensities: what a log of actions says of the chance that each action had."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from models.decision_log import WAIT

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.str_]

_SURE = 1 - 1e-9
_ALIKE = 1e-6  # chances that differ by less are the same


def recorded(
    codes: tuple[str, ...],
    *,
    action: Words,
    recommended: Words,
    policy: Words,
    by_person: Flags,
    propensity: Floats,
    held_out: Flags,
    customer: npt.NDArray[np.uint64],
) -> Floats:
    """The probability of each of `codes` in each decision (n, codes), NaN where it is not told.

    The log tells the chance of what was done. It is taken as such unless a person did something
    else than was recommended: then nobody knows it. Under one policy and recommendation, what was
    never done had no chance. Where the policy itself does not toss, being held out is the toss.
    """
    place = {code: at for at, code in enumerate(codes)}
    done = np.array([place[code] for code in action.tolist()], np.int64)
    told = ~np.isnan(propensity) & ~(by_person & (action != recommended))
    chances = np.full((len(done), len(codes)), np.nan)
    chances[told, done[told]] = propensity[told]

    share = _held_out_shares(policy, customer, held_out & told)
    for rows in _cells(policy, recommended, told):
        chances[rows] = _of_a_cell(chances[rows], done[rows], held_out[rows], share[rows])
    return chances


def _of_a_cell(chances: Floats, done: Places, held_out: Flags, share: Floats) -> Floats:
    """The chances under one policy that recommended one thing."""
    possible = np.unique(done)
    if len(possible) > 1:
        chances = chances.copy()
        gaps = np.isnan(chances)
        gaps[:, possible] = False
        chances[gaps] = 0.0
    if len(possible) == 2:
        chances[:, possible[0]], chances[:, possible[1]] = (
            np.where(np.isnan(mine), 1 - other, mine)
            for mine, other in (
                (chances[:, a], chances[:, b]) for a, b in (possible, possible[::-1])
            )
        )
    wait = 0
    aside = held_out & (chances[:, wait] >= _SURE)  # logged without the toss of the hold-out
    if len(possible) != 2 or not aside.any() or aside.all():
        return chances
    usual = chances[~aside]
    if np.ptp(usual[:, wait]) > _ALIKE:
        return chances  # those held out stay out of every comparison: the others toss anyway
    chances[aside] = usual[0]
    held = np.eye(chances.shape[1])[wait]
    mixed: Floats = share[:, None] * held + (1 - share[:, None]) * chances
    return mixed


def _held_out_shares(policy: Words, customer: npt.NDArray[np.uint64], held_out: Flags) -> Floats:
    """For each decision the share of its policy's customers that are held out."""
    share = np.zeros(len(policy))
    for version in np.unique(policy):
        mine = policy == version
        everyone = len(np.unique(customer[mine]))
        share[mine] = len(np.unique(customer[mine & held_out])) / everyone
    return share


def _cells(policy: Words, recommended: Words, told: Flags) -> Iterator[Places]:
    """The rows of each policy's each recommendation, of those whose chance is told."""
    rows = np.flatnonzero(told)
    pairs = np.char.add(np.char.add(policy[rows], "\0"), recommended[rows])
    for pair in np.unique(pairs):
        yield rows[pairs == pair]


def codes_of(action: Words, recommended: Words) -> tuple[str, ...]:
    """Every action done or recommended, `wait` first."""
    return (WAIT, *sorted({*action.tolist(), *recommended.tolist()} - {WAIT, ""}))
