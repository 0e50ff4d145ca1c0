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
    """By customer: what is done instead of the plan (-1: the plan), and how probable that was."""

    place: Places
    propensity: Floats


def explore(
    trial: Trial,
    *,
    day: int,
    customer: Keys,
    planned: Places,
    admissible: Flags,
    scarce: Sequence[tuple[Flags, int]],
) -> Tried:
    """Draws what the explorers do and the exact propensity of what everybody does.

    `admissible` is by customer and option, to wait included. `scarce` holds for each limited
    channel its options and how many explorers it has room for whatever they draw. A fixed number
    of customers explores each day, in an order drawn anew; the first in it may draw what is scarce.
    So the chance of each rank is the same for everybody, and the propensity is a sum over ranks.
    """
    customers = len(customer)
    explorers = int(trial.exploration_share * customers)
    rank = np.empty(customers, np.int64)
    order = np.argsort(draws.salted(customer, f"{trial.salt}/rank/{day}"), kind="stable")
    rank[order] = np.arange(customers)

    rooms = sorted({min(room, explorers) for _, room in scarce} | {0, explorers})
    pick = draws.toss(customer, f"{trial.salt}/pick/{day}")
    place = np.full(customers, -1, np.int64)
    done = planned.copy()
    groups = []
    for first, last in zip(rooms[:-1], rooms[1:], strict=True):
        open_to = admissible.copy()
        for options, room in scarce:
            if room < last:
                open_to[:, options] = False
        open_to[np.arange(customers), planned] = True  # there is room for what was planned
        groups.append((last - first, open_to))
        here = (rank >= first) & (rank < last)
        drawn = _drawn(open_to[here], pick[here])
        place[here] = drawn
        done[here] = drawn

    propensity = np.where(done == planned, 1 - explorers / max(customers, 1), 0.0)
    for ranks, open_to in groups:
        chance = open_to[np.arange(customers), done] / open_to.sum(axis=1)
        propensity += ranks / customers * chance
    return Tried(place, propensity)


def _drawn(open_to: Flags, pick: Floats) -> Places:
    """One of each row's open options, each as likely."""
    among = open_to.cumsum(axis=1)
    nth = (pick * among[:, -1]).astype(np.int64) + 1
    found: Places = (among >= nth[:, None]).argmax(axis=1)
    return found
