"""What actions are believed to change: the catalogue's priors, or what a log taught instead."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from models import causes
from models.action import Action, Effect, Effects

Source = Literal["prior", "observational", "randomised"]
SOURCES: tuple[Source, ...] = get_args(Source)
ANY = ""  # of a cause or a segment: whichever
BOUNDS = ("expected", "lowest", "highest")

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int8]


class LearnedEffect(NamedTuple):
    """What a log says of one action, for a cause and a segment or for any of them.

    As in the catalogue, `days` is how many days earlier the money comes, and `unpaid` the share by
    which the probability of being unpaid at 180 days falls.
    """

    action: str
    days: Effect
    unpaid: Effect
    source: Source
    cause: str = ANY
    segment: str = ANY


class Cells(NamedTuple):
    """One action's effects: by bound, cause and segment; the last segment stands for the others."""

    days: Floats
    unpaid: Floats
    source: Places  # by cause and segment: places in SOURCES


@dataclass(frozen=True)
class EffectTable:
    """The effects learned, over the priors; the most specific one that is known holds.

    An effect for a cause goes before one for a segment, and either before one for any.
    """

    learned: tuple[LearnedEffect, ...] = ()
    # by the identity of an action, which is kept so that it stays its own
    _cells: dict[int, tuple[Action, Cells]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(cls, learned: Iterable[LearnedEffect]) -> "EffectTable":
        """The table of these effects; ValueError lists all that can't be read."""
        rows = tuple(learned)
        faults = [fault for row in rows for fault in _faults(row)]
        named = Counter((row.action, row.cause, row.segment) for row in rows)
        faults += [f"{_told(*name)}: is told twice" for name, n in named.items() if n > 1]
        if faults:
            raise ValueError("learned effects: " + "; ".join(sorted(set(faults))))
        return cls(rows)

    @classmethod
    def load(cls, path: Path) -> "EffectTable":
        """The effects in a TOML file of [[effects]]; the priors alone where there is none."""
        if not path.exists():
            return PRIORS
        rows = tomllib.loads(path.read_text("utf-8")).get("effects", ())
        measured = ({**row, **{k: Effect(*row[k]) for k in ("days", "unpaid")}} for row in rows)
        return cls.of(LearnedEffect(**row) for row in measured)

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments that have effects of their own."""
        return tuple(sorted({row.segment for row in self.learned} - {ANY}))

    def segment_places(self, names: Sequence[str | None]) -> npt.NDArray[np.int16]:
        """The place of each named segment in the cells; those without effects share the last."""
        places = {name: place for place, name in enumerate(self.segments)}
        return np.array([places.get(name or ANY, len(places)) for name in names], np.int16)

    def cells(self, action: Action) -> Cells:
        """The action's effects for every cause and segment, worked out once; not to be changed."""
        if id(action) not in self._cells:
            self._cells[id(action)] = action, self._work_out(action)
        return self._cells[id(action)][1]

    def _work_out(self, action: Action) -> Cells:
        shape = (len(causes.CODES), len(self.segments) + 1)
        days, unpaid = (_priors(of, shape) for of in (action.days, action.unpaid))
        source = np.zeros(shape, np.int8)
        mine = [row for row in self.learned if row.action == action.code]
        for row in sorted(mine, key=lambda row: (row.cause != ANY, row.segment != ANY)):
            cause = slice(None) if row.cause == ANY else causes.CODES.index(row.cause)
            segment = slice(None) if row.segment == ANY else self.segments.index(row.segment)
            for place, bound in enumerate(BOUNDS):
                days[place, cause, segment] = getattr(row.days, bound)
                unpaid[place, cause, segment] = getattr(row.unpaid, bound)
            source[cause, segment] = SOURCES.index(row.source)
        return Cells(days, unpaid, source)


PRIORS = EffectTable()


def _priors(effects: Effects, shape: tuple[int, int]) -> Floats:
    by_cause = [effects.get(code, effects["unknown"]) for code in causes.CODES]
    table = np.array([[getattr(effect, bound) for effect in by_cause] for bound in BOUNDS])
    return np.broadcast_to(table[:, :, None], (len(BOUNDS), *shape)).copy()


def _told(*name: str) -> str:
    return " ".join(filter(None, name))


def _faults(row: LearnedEffect) -> list[str]:
    found, where = [], _told(row.action, row.cause, row.segment)
    if row.cause not in (ANY, *causes.CODES):
        found.append(f"{where}: cause must be one of {', '.join(causes.CODES)}")
    if row.source not in SOURCES:
        found.append(f"{where}: source must be one of {', '.join(SOURCES)}")
    for name, effect in (("days", row.days), ("unpaid", row.unpaid)):
        if not effect.lowest <= effect.expected <= effect.highest:
            found.append(f"{where}: {name} must be lowest <= expected <= highest")
    return found
