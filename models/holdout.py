"""Who is left alone and who is tried out: stable draws that make the log of actions an experiment.

A held-out customer waits whatever would pay, for as long as the salt stays. Exploration draws, day
by day, among what may be done. Both are logged with the probability of what was done, so that the
value of any other policy can be told from the log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import draws
from models.draws import Keys

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trial:
    """Which shares of the customers are held out and tried out, and the salt of the draws."""

    holdout_share: float = 0.0
    exploration_share: float = 0.0
    salt: str = "puntuale"

    def __post_init__(self) -> None:
        shares = {"holdout_share": self.holdout_share, "exploration_share": self.exploration_share}
        wrong = [
            f"{name} must be from 0 to 1, got: {s}" for name, s in shares.items() if not 0 <= s <= 1
        ]
        if wrong:
            raise ValueError("; ".join(wrong))

    def held_out(self, customer: Keys) -> Flags:
        """Whether each customer is held out: the same on every day and in every company of cases.

        A larger share holds out the same customers and some more.
        """
        return draws.toss(customer, f"{self.salt}/holdout") < self.holdout_share


@dataclass(frozen=True)
class Tried:
    """By customer: what is done instead of the plan (-1: the plan), and how probable that was.

    `chances` is by customer and option, before the draw; for who is held out, as if it were not.
    """

    place: Places
    propensity: Floats
    chances: Floats


def explore(
    trial: Trial,
    *,
    day: int,
    customer: Keys,
    planned: Places,
    admissible: Flags,
    scarce: Sequence[tuple[Flags, int]],
    held_out: Flags | None = None,
) -> Tried:
    """Draws what the explorers do and the exact propensity of what everybody does.

    `admissible` is by customer and option, to wait included. `scarce` holds for each limited
    channel its options and how many explorers it has room for whatever they draw. A fixed number
    of customers explores each day, in an order drawn anew; the first in it may draw what is scarce.
    So the chance of each rank is the same for everybody, and the propensity is a sum over ranks.
    Those held out have no rank.
    """
    row = np.arange(len(customer))
    taking_part = row if held_out is None else np.flatnonzero(~held_out)
    explorers = int(trial.exploration_share * len(taking_part))
    rank = np.full(len(customer), len(customer))
    salted = draws.salted(customer[taking_part], f"{trial.salt}/rank/{day}")
    rank[taking_part[np.argsort(salted, kind="stable")]] = np.arange(len(taking_part))

    rooms = sorted({min(room, explorers) for _, room in scarce} | {0, explorers})
    pick = draws.toss(customer, f"{trial.salt}/pick/{day}")
    place = np.full(len(customer), -1, np.int64)
    chances = np.zeros(admissible.shape)
    chances[row, planned] = 1 - explorers / max(len(taking_part), 1)
    for first, last in zip(rooms[:-1], rooms[1:], strict=True):
        open_to = admissible.copy()
        for options, room in scarce:
            if room < last:
                open_to[:, options] = False
        open_to[row, planned] = True  # there is room for what was planned
        chances += (last - first) / len(taking_part) * open_to / open_to.sum(axis=1, keepdims=True)
        here = (rank >= first) & (rank < last)
        place[here] = _drawn(open_to[here], pick[here])

    done = np.where(place >= 0, place, planned)
    return Tried(place, chances[row, done], chances)


def _drawn(open_to: Flags, pick: Floats) -> Places:
    """One of each row's open options, each as likely."""
    among = open_to.cumsum(axis=1)
    nth = (pick * among[:, -1]).astype(np.int64) + 1
    found: Places = (among >= nth[:, None]).argmax(axis=1)
    return found
