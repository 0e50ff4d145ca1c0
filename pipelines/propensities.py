"""Propensities: what a log of actions says of the chance that each action had."""

from collections.abc import Iterable, Iterator

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
    overruled: Flags,  # a person did something else than was recommended
    propensity: Floats,
    held_out: Flags,
    customer: npt.NDArray[np.uint64],
    kept: Floats | None = None,  # (n, codes): as the policy kept them, NaN where it did not
) -> Floats:
    """The probability of each of `codes` in each decision (n, codes), NaN where it is not told.

    What the policy kept of every option is taken as it is. Elsewhere the log tells the chance of
    what was done. Neither stands where a person overruled the recommendation: then nobody knows
    it. `recommended` is what was known before the toss (`before_the_toss`). Under one policy and
    recommendation, what was never done had no chance. Where the policy itself does not toss, being
    held out is the toss.
    """
    place = {code: at for at, code in enumerate(codes)}
    done = np.array([place[code] for code in action.tolist()], np.int64)
    known = np.zeros(len(done), np.bool_) if kept is None else ~np.isnan(kept).any(axis=1)
    known = known & ~overruled
    told = ~np.isnan(propensity) & ~overruled & ~known
    chances = np.full((len(done), len(codes)), np.nan)
    chances[told, done[told]] = propensity[told]

    share = _held_out_shares(policy, customer, held_out & told)
    for rows in _cells(policy, recommended, told):
        cell = chances[rows], done[rows], held_out[rows], share[rows]
        tossed_after = recommended[rows[0]] != ""
        chances[rows] = _of_a_recommendation(*cell) if tossed_after else _of_a_policy(*cell)
    if kept is not None:
        chances[known] = kept[known]
    return chances


def before_the_toss(*, action: Words, recommended: Words, policy: Words, by_person: Flags) -> Words:
    """What was recommended, where it was known before the toss, else nothing.

    A policy whose recommendation is never departed from, save by people, tossed before it spoke:
    the recommendation then tells what was done, not in which case.
    """
    departs = (action != recommended) & ~by_person & (recommended != "")
    return np.where(np.isin(policy, np.unique(policy[departs])), recommended, "")


def _of_a_recommendation(chances: Floats, done: Places, held_out: Flags, share: Floats) -> Floats:
    """The chances under one policy that recommended one thing and then tossed."""
    chances = _told_of_all(chances, done)
    aside = _logged_aside(chances, held_out)
    if len(np.unique(done)) != 2 or not aside.any() or aside.all():
        return chances
    usual = chances[~aside]
    if np.ptp(usual[:, 0]) > _ALIKE:
        return chances  # those held out stay out of every comparison: the others toss anyway
    chances[aside] = usual[0]
    return _with_hold_out(chances, share)


def _of_a_policy(chances: Floats, done: Places, held_out: Flags, share: Floats) -> Floats:
    """The chances under one policy whose recommendations are the outcome of its toss.

    What would have been done with those held out is not told: theirs is left to be estimated.
    """
    chances = _told_of_all(chances, done)
    aside = _logged_aside(chances, held_out)
    if aside.any():
        chances = _with_hold_out(chances, share)
        chances[aside] = np.nan
    return chances


def _told_of_all(chances: Floats, done: Places) -> Floats:
    """What was never done has no chance, and of two the other has the rest."""
    possible = np.unique(done)
    told = chances.copy()
    if len(possible) > 1:
        told[:, np.setdiff1d(np.arange(told.shape[1]), possible)] = 0.0
    if len(possible) == 2:
        first, second = (chances[:, at] for at in possible)
        told[:, possible[0]] = np.where(np.isnan(first), 1 - second, first)
        told[:, possible[1]] = np.where(np.isnan(second), 1 - first, second)
    return told


def _logged_aside(chances: Floats, held_out: Flags) -> Flags:
    """Who was held out, and logged without the toss of the hold-out."""
    return np.asarray(held_out & (chances[:, 0] >= _SURE))


def _with_hold_out(chances: Floats, share: Floats) -> Floats:
    """The chances before it is known who is held out."""
    mixed = (1 - share[:, None]) * chances
    mixed[:, 0] += share
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


def codes_of(action: Words, recommended: Words, possible: Iterable[str] = ()) -> tuple[str, ...]:
    """Every action done, recommended or possible, `wait` first."""
    return (WAIT, *sorted({*action.tolist(), *recommended.tolist(), *possible} - {WAIT, ""}))
