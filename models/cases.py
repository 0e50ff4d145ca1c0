"""The cases to decide on: open invoices with what is believed and known about each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from models import causes
from models.draws import Hashes, mix, salted
from models.legal import Debtor

Floats = npt.NDArray[np.float64]
Cents = npt.NDArray[np.int64]
Days = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

NO_DAY = -(1 << 20)  # the day of what never happened


@dataclass(frozen=True)
class Cases:
    """The invoices to decide on, one array for each column; build it with `Cases.of`."""

    open_cents: Cents
    due_day: Days  # the due business date
    p_late_0: Floats
    p_late_30: Floats
    p_late_60: Floats
    p_late_90: Floats
    p_unpaid_180: Floats
    expected_days_late: Floats
    cause: npt.NDArray[np.int8]  # places in causes.CODES
    debtor: npt.NDArray[np.int8]  # legal.Debtor
    do_not_contact: Flags
    disputed_cents: Cents
    unallocated_cents: Cents  # cash of the customer that is on no invoice
    promise_day: Days  # of the open promise
    last_contact_day: Days  # with the customer, about anything
    recent_contacts: Floats  # with the customer: each is one on its day and fades from then on
    has_contract: Flags
    has_delivery_proof: Flags
    has_address: Flags
    worst_signal: Floats  # 0 none, 1 low, 2 medium, 3 high
    n_settled: Floats
    late30_share: Floats
    customer: npt.NDArray[np.int64]  # a number that stays the customer's; each its own if not told
    segment: npt.NDArray[np.int16]  # place among the segments of the table of effects
    done_day: Mapping[str, Days] = field(default_factory=dict)  # by action: the last time

    @classmethod
    def of(
        cls,
        *,
        cause: Sequence[str] | npt.NDArray[np.int8] | None = None,
        done_day: Mapping[str, npt.ArrayLike] | None = None,
        **columns: npt.ArrayLike,
    ) -> "Cases":
        """Cases of these columns; `cause` by code or place; what is absent is as if it never were.

        open_cents, due_day, the probabilities and expected_days_late are required.
        """
        wrong = [f"{name} is missing" for name in sorted(REQUIRED - columns.keys())]
        wrong += [f"{name} is not known" for name in sorted(columns.keys() - COLUMNS.keys())]
        if wrong:
            raise ValueError(f"columns of the cases: {'; '.join(wrong)}")
        shape = np.shape(columns["open_cents"])
        arrays: dict[str, npt.NDArray[Any]] = {
            name: _shaped(np.asarray(columns.get(name, absent), kind), shape)
            for name, (kind, absent) in COLUMNS.items()
        }
        if "customer" not in columns:
            arrays["customer"] = np.arange(np.prod(shape, dtype=np.int64))
        arrays["cause"] = _shaped(_places(cause), shape)
        done = {code: np.asarray(day, np.int32) for code, day in (done_day or {}).items()}
        return cls(**arrays, done_day=done)

    @classmethod
    def join(cls, parts: Sequence["Cases"]) -> "Cases":
        """The cases of all parts, one after the other; none of no parts."""
        empty: dict[str, Any] = {name: np.zeros(0, kind) for name, (kind, _) in COLUMNS.items()}
        parts = [cls(**empty, cause=np.zeros(0, np.int8)), *parts]
        names = [f.name for f in fields(cls) if f.name != "done_day"]
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        codes = sorted({code for part in parts for code in part.done_day})
        done = {code: np.concatenate([part.done(code) for part in parts]) for code in codes}
        return cls(**columns, done_day=done)

    def take(self, rows: npt.NDArray[np.int64]) -> "Cases":
        """The cases of these rows, in their order."""
        names = (f.name for f in fields(self) if f.name != "done_day")
        taken = {name: getattr(self, name)[rows] for name in names}
        return Cases(**taken, done_day={code: day[rows] for code, day in self.done_day.items()})

    def features_hash(self) -> Hashes:
        """A number for each case that changes with anything that is believed or known of it.

        Whose it is, is not: the same facts under another customer's number are the same.
        """
        mixed = np.zeros(self.due_day.shape, np.uint64)
        for name in _hashed():
            column = getattr(self, name)
            kind = np.float64 if column.dtype.kind == "f" else np.int64
            mixed = mix(mixed ^ np.ascontiguousarray(column, kind).view(np.uint64))
        for code, day in sorted(self.done_day.items()):  # what was never done leaves no trace
            mixed = np.where(day == NO_DAY, mixed, mix(mixed ^ salted(day.astype(np.int64), code)))
        return mixed

    def history_factor(self, by_level: Mapping[str, float]) -> Floats:
        """A factor for each case by how much history its customer has; 1 where nothing is told."""
        level = np.digitize(np.nan_to_num(self.n_settled), HISTORY_FROM)
        factors = np.array([by_level.get(name, 1.0) for name in HISTORY_LEVELS])
        return np.where(np.isnan(self.n_settled), 1.0, factors[level])

    def done(self, code: str) -> Days:
        day = self.done_day.get(code)
        return self._never if day is None else day

    @cached_property
    def _never(self) -> Days:
        return np.full(self.due_day.shape, NO_DAY, np.int32)

    def claimable(self, days_past_due: npt.NDArray[np.int64]) -> dict[str, Floats]:
        """The columns that a catalogue's `needs` may speak of."""
        columns = {name: getattr(self, name).astype(np.float64) for name in CLAIMABLE}
        columns["days_past_due"] = days_past_due.astype(np.float64)
        for place, code in enumerate(causes.CODES):
            columns[f"cause_{code}"] = (self.cause == place).astype(np.float64)
        return columns


@cache
def _hashed() -> tuple[str, ...]:
    return tuple(f.name for f in fields(Cases) if f.name not in ("customer", "done_day"))


def _shaped(column: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    return column if column.shape == shape else np.broadcast_to(column, shape)


def _places(cause: Sequence[str] | npt.NDArray[np.int8] | None) -> npt.NDArray[np.int8]:
    """The places in causes.CODES; they may be given as such."""
    if cause is None:
        return np.array(UNKNOWN_CAUSE, np.int8)
    if isinstance(cause, np.ndarray) and cause.dtype.kind == "i":
        return cause
    place = {code: at for at, code in enumerate(causes.CODES)}
    return np.array([place[code] for code in cause], np.int8)


# The columns that a catalogue's `needs` may speak of, beside days_past_due and cause_<code>.
CLAIMABLE = (
    "open_cents",
    "disputed_cents",
    "unallocated_cents",
    "expected_days_late",
    "p_late_0",
    "p_late_30",
    "p_late_60",
    "p_late_90",
    "p_unpaid_180",
    "worst_signal",
    "n_settled",
    "late30_share",
)
HISTORY_LEVELS = ("none", "thin", "rich")
HISTORY_FROM = (1, 10)  # settled invoices from which a history is thin, and rich
UNKNOWN_CAUSE = causes.CODES.index("unknown")
REQUIRED = frozenset(
    {
        "open_cents",
        "due_day",
        "p_late_0",
        "p_late_30",
        "p_late_60",
        "p_late_90",
        "p_unpaid_180",
        "expected_days_late",
    }
)
# Each column's type, and what it holds where nothing is told.
COLUMNS: Mapping[str, tuple[type, object]] = {
    **dict.fromkeys(sorted(REQUIRED), (np.float64, np.nan)),
    "open_cents": (np.int64, 0),
    "due_day": (np.int32, 0),
    "debtor": (np.int8, Debtor.BUSINESS),
    "do_not_contact": (np.bool_, False),
    "disputed_cents": (np.int64, 0),
    "unallocated_cents": (np.int64, 0),
    "promise_day": (np.int32, NO_DAY),
    "last_contact_day": (np.int32, NO_DAY),
    "recent_contacts": (np.float64, 0.0),
    "has_contract": (np.bool_, False),
    "has_delivery_proof": (np.bool_, False),
    "has_address": (np.bool_, True),
    "worst_signal": (np.float64, 0.0),
    "n_settled": (np.float64, np.nan),
    "late30_share": (np.float64, np.nan),
    "customer": (np.int64, 0),
    "segment": (np.int16, -1),  # the last: the segments without effects of their own
}
