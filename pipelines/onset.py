"""Onset: since when a warning has stood, found by looking at the past as it was then.

The day is told to the week: a signal began in the week before the first of the unbroken row of
weekly looks that show it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models import signals
from models.signals import Signal
from pipelines import features
from pipelines.asked import Asked

STEP_DAYS = 7
WEEKS = 26  # nobody needs to know more than that it is half a year old


def date(asked: Asked, found: Sequence[Sequence[Signal]]) -> list[list[Signal]]:
    """The signals, each with the day it began."""
    wanted = np.array(
        [i for i, row in enumerate(found) if any(s.since is None for s in row)], np.int64
    )
    if not len(wanted):
        return [list(row) for row in found]
    weeks = _weeks_unbroken(asked, wanted, found)
    dated = [list(row) for row in found]
    for place, i in enumerate(wanted.tolist()):
        dated[i] = [
            s if s.since is not None else s._replace(since=_since(asked, weeks[place], s.code))
            for s in found[i]
        ]
    return dated


def _since(asked: Asked, weeks: dict[str, int], code: str) -> int:
    return asked.as_of - STEP_DAYS * weeks.get(code, 0)


def _weeks_unbroken(
    asked: Asked, wanted: npt.NDArray[np.int64], found: Sequence[Sequence[Signal]]
) -> list[dict[str, int]]:
    """For each wanted row and signal, how many weekly looks back it already stood."""
    back = np.arange(1, WEEKS + 1) * STEP_DAYS
    invoice = np.repeat(asked.invoice[wanted], WEEKS)
    day = (asked.as_of - np.tile(back, len(wanted))).astype(np.int32)
    values = features.compute(asked.prepared.streams, invoice, day, asked.peers)
    columns = {name: values[:, at] for at, name in enumerate(features.BOOK)}
    past = signals.detect(columns, as_of=day)

    unbroken: list[dict[str, int]] = []
    for place, i in enumerate(wanted.tolist()):
        weeks = {s.code: 0 for s in found[i]}
        standing = set(weeks)
        for week in range(1, WEEKS + 1):
            standing &= {s.code for s in past[place * WEEKS + week - 1]}
            if not standing:
                break
            weeks.update(dict.fromkeys(standing, week))
        unbroken.append(weeks)
    return unbroken
