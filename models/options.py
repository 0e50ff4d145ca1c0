"""What may be done with each customer on a day: every action about all the invoices it concerns.

A customer hears of all open invoices at once, so an action's worth for a customer is what it gains
on each invoice that it is about, less what it costs once.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.action import Action
from models.cases import Cents, Flags, Floats
from models.weighing import BLOCKS, Bits, Weighing

Places = npt.NDArray[np.int8]
Rows = npt.NDArray[np.int64]

NOT_FREE = np.iinfo(np.int64).min  # the worth of what may not be done


@dataclass(frozen=True)
class Grouped:
    """The cases side by side by customer: rows are in the order of the customers' numbers."""

    customer: npt.NDArray[np.int64]  # each once, ascending
    start: Rows  # where each begins
    of_row: Rows  # the place of each row's customer

    @classmethod
    def of(cls, customer_in_order: npt.NDArray[np.int64]) -> "Grouped":
        first = np.ones(len(customer_in_order), np.bool_)
        first[1:] = customer_in_order[1:] != customer_in_order[:-1]
        start = np.flatnonzero(first)
        return cls(customer_in_order[start], start, np.cumsum(first) - 1)

    def total(self, values: Cents) -> Cents:
        sums: Cents = np.add.reduceat(values, self.start)
        return sums

    def any(self, flags: Flags) -> Flags:
        found: Flags = np.logical_or.reduceat(flags, self.start)
        return found

    def largest(self, values: Floats, where: Flags) -> Floats:
        largest: Floats = np.maximum.reduceat(np.where(where, values, 0.0), self.start)
        return largest

    def bits(self, bits: Bits) -> Bits:
        found: Bits = np.bitwise_or.reduceat(bits, self.start)
        return found


@dataclass(frozen=True)
class Options:
    """By customer and option (place 0: to wait): the worth free of blocks, and with them away."""

    free: Cents  # NOT_FREE where it may not be done
    unblocked: Cents  # the same if nothing stood in the way; NOT_FREE where nothing does
    blocks: Bits
    about: npt.NDArray[np.uint64]  # by row: a bit for each option that is about it
    lower_step: dict[int, Places]  # by option: the lower step that is due for a row, 0 for none

    def concerned(self, place: npt.NDArray[np.int64]) -> Flags:
        """Whether each row is one that the option of its customer (by row) is about."""
        return (self.about >> place.astype(np.uint64) & np.uint64(1)).astype(np.bool_) & (place > 0)

    def reordered(self, rows: Rows) -> "Options":
        """The same with the rows in another order."""
        lower_step = {option: lower[rows] for option, lower in self.lower_step.items()}
        return replace(self, about=self.about[rows], lower_step=lower_step)

    def effective(self, place: npt.NDArray[np.int64]) -> Places:
        """By row the option whose effect is expected: its customer's, a lower step's, or none."""
        effective = np.where(self.concerned(place), place, 0).astype(np.int8)
        for option, lower in self.lower_step.items():
            reminded = (effective == option) & (lower > 0)
            effective[reminded] = lower[reminded]
        return effective


def weigh(weighing: Weighing, actions: tuple[Action, ...], grouped: Grouped) -> Options:
    """Every option of every customer, for rows in the order of the customers."""
    rows, customers = len(grouped.of_row), len(grouped.customer)
    free = np.full((customers, len(actions) + 1), NOT_FREE, np.int64)
    free[:, 0] = 0
    unblocked = np.full_like(free, NOT_FREE)
    blocks = np.zeros(free.shape, np.int32)
    about = np.zeros(rows, np.uint64)
    lower_step: dict[int, Places] = {}
    ladder = _Ladder(rows)

    for place, action in sorted(enumerate(actions, start=1), key=lambda a: (a[1].step, a[0])):
        fits = weighing.fits(action)
        if not fits.any():
            continue
        gain, bits = weighing.gain_cents(action), weighing.blocks(action)
        fits &= gain >= 0
        own, stopped = fits & (bits == 0), fits & (bits != 0)
        may = grouped.any(own)
        concerned = own
        if action.step:
            lower_step[place], concerned, gain = ladder.carried(own, gain, may[grouped.of_row])
            ladder.climb(place, own, gain)

        def worth(rows: Flags, gain: Cents = gain, action: Action = action) -> Cents:
            largest = grouped.largest(weighing.p_late_30, rows)
            return grouped.total(np.where(rows, gain, 0)) - weighing.cost_cents(action, largest)

        free[:, place] = np.where(may, worth(concerned), NOT_FREE)
        about |= concerned.astype(np.uint64) << np.uint64(place)
        if stopped.any():
            blocked = grouped.any(stopped)
            unblocked[:, place] = np.where(blocked, worth(concerned | stopped), NOT_FREE)
            blocks[:, place] = grouped.bits(np.where(stopped, bits, 0).astype(np.int32))
    return Options(free, unblocked, blocks, about, lower_step)


class _Ladder:
    """The best lower step due for each row, as the steps are climbed."""

    def __init__(self, rows: int) -> None:
        self.place = np.zeros(rows, np.int8)
        self.gain = np.zeros(rows, np.int64)

    def carried(self, own: Flags, gain: Cents, may: Flags) -> tuple[Places, Flags, Cents]:
        """The lower step by row, the rows that a contact of this step is about, and their gains."""
        lower = may & ~own & (self.place > 0)
        place = np.where(lower, self.place, 0).astype(np.int8)
        return place, own | lower, np.where(lower, self.gain, gain)

    def climb(self, place: int, own: Flags, gain: Cents) -> None:
        higher = own & ((self.place == 0) | (gain > self.gain))
        self.place[higher] = place
        self.gain[higher] = gain[higher]


def block_names(bits: int) -> list[str]:
    return [code for place, code in enumerate(BLOCKS) if bits >> place & 1]
