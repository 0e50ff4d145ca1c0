"""The peers' table: of each group of customers, how many invoices had matured and were late.

An invoice counts in `late_h` from the day after its due day + h, paid or not. What is learned later
(a payment booked late, a cancellation) corrects the count on the day it is learned. The model's
bundle carries the table, so one customer's request reads the same rates as the whole portfolio.
"""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import streams
from pipelines.events import Counts, Days, Events, Floats, Owners, Rows, firsts
from pipelines.ledger import NEVER, Ledger
from pipelines.ordering import order
from pipelines.settlement import Settlement

HORIZONS_DAYS = (0, 30)
SHRINKAGE = 20.0  # a group needs about so many invoices to be believed rather than everybody
EVERYBODY = "everybody"
KINDS = (*streams.PEER_GROUPS, EVERYBODY)
COUNTS = tuple(f"{what}_{h}" for h in HORIZONS_DAYS for what in ("matured", "late"))

_MADE: dict[int, "Peers"] = {}  # by the identity of the table they were made from


class _Changes(NamedTuple):
    invoice: Rows
    day: Days
    change: Mapping[str, Counts]


def stream_name(kind: str) -> str:
    return f"peers_{kind}"


@dataclass(frozen=True)
class Peers:
    """Running counts of each group after each day on which they changed."""

    table: pa.Table  # kind, value, known_day, matured_0, late_0, matured_30, late_30

    @classmethod
    def build(
        cls, ledger: Ledger, settlement: Settlement, *, known_until: int = int(NEVER)
    ) -> "Peers":
        """The counts of a ledger's invoices, from what was known before `known_until`."""
        changes = _changes(settlement, known_until)
        everybody = pa.array(np.full(len(settlement.customer), ""), pa.string())
        groups = {**streams.groups(ledger, settlement), EVERYBODY: everybody}
        return cls(pa.concat_tables([_counted(kind, groups[kind], changes) for kind in KINDS]))

    @classmethod
    def empty(cls) -> "Peers":
        """Peers of whom nothing is known: every rate is missing."""
        return cls(SCHEMA.empty_table())

    def as_columns(self) -> pa.Table:
        """The table as a bundle keeps it."""
        return self.table

    @classmethod
    def from_columns(cls, columns: pa.Table) -> "Peers":
        """Peers from a bundle's table; ValueError unless it has exactly the columns expected."""
        if columns.schema.names != SCHEMA.names:
            raise ValueError(f"peers must have columns {SCHEMA.names}, got: {columns.schema.names}")
        # A server asks for the same table at every request: its streams are made once, and kept
        # for as long as the table itself.
        made = _MADE.get(id(columns))
        if made is None:
            made = _MADE[id(columns)] = cls(columns.cast(SCHEMA))
            weakref.finalize(columns, _MADE.pop, id(columns), None)
        return made

    @cached_property
    def _values(self) -> dict[str, pa.Array]:
        """Each kind's group values; their place is the owner's number in its stream."""
        kinds = self.table["kind"]
        return {
            kind: pc.unique(self.table["value"].filter(pc.equal(kinds, kind))) for kind in KINDS
        }

    @cached_property
    def events(self) -> dict[str, Events]:
        """The counts as streams, one for each kind; the last owner stands for unknown groups."""
        streams_by_kind = {}
        for kind, values in self._values.items():
            part = self.table.filter(pc.equal(self.table["kind"], kind))
            owner = pc.index_in(part["value"], value_set=values).to_numpy()
            streams_by_kind[stream_name(kind)] = Events(
                owner,
                part["known_day"].to_numpy(),
                len(values) + 1,
                **{name: part[name].to_numpy() for name in COUNTS},
            )
        return streams_by_kind

    @cached_property
    def _numbers(self) -> dict[str, dict[str, int]]:
        """Each group's number in its kind's stream."""
        return {
            kind: {value: number for number, value in enumerate(values.to_pylist())}
            for kind, values in self._values.items()
        }

    def owners(self, groups: Mapping[str, pa.Array], rows: Rows) -> dict[str, Owners]:
        """For each query's invoice, its group's number in each kind's stream."""
        numbered = {EVERYBODY: np.zeros(len(rows), np.int32)}
        for kind in streams.PEER_GROUPS:
            unknown = len(self._values[kind])
            if len(rows) == 1:
                value = groups[kind][rows.item()].as_py()
                numbered[kind] = np.array([self._numbers[kind].get(value, unknown)], np.int32)
                continue
            encoded = groups[kind].dictionary_encode()  # few groups: each is looked up once
            found = pc.index_in(encoded.dictionary, value_set=self._values[kind])
            numbers = np.append(found.fill_null(unknown).to_numpy(), unknown).astype(np.int32)
            numbered[kind] = numbers[encoded.indices.fill_null(len(found)).to_numpy()[rows]]
        return numbered

    def known(self, groups: Mapping[str, pa.Array], rows: Rows) -> dict[str, Floats]:
        """1 for each query whose group is known, missing where it is not."""
        if len(rows) == 1:
            row = rows.item()
            return {
                f"in_{kind}": np.array([1.0 if groups[kind][row].is_valid else np.nan])
                for kind in streams.PEER_GROUPS
            }
        return {
            f"in_{kind}": np.where(
                groups[kind].is_valid().to_numpy(zero_copy_only=False)[rows], 1.0, np.nan
            )
            for kind in streams.PEER_GROUPS
        }


SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("value", pa.string()),
        ("known_day", pa.int32()),
        *((name, pa.int64()) for name in COUNTS),
    ]
)


def _changes(settlement: Settlement, known_until: int) -> _Changes:
    """What each day taught about each invoice: matured, late after all, on time after all."""
    parts = [_changes_at(settlement, h) for h in HORIZONS_DAYS]
    invoice = np.concatenate([part.invoice for part in parts])
    day = np.concatenate([part.day for part in parts])
    change = {
        name: np.concatenate(
            [part.change.get(name, np.zeros(len(part.day), np.int64)) for part in parts]
        )
        for name in COUNTS
    }

    # What credit notes cancelled is taken out again, all of it, on the day that was known.
    cancelled_day = _cancelled_day(settlement)[invoice]
    taken = np.flatnonzero(cancelled_day < NEVER)
    invoice = np.append(invoice, invoice[taken])
    day = np.append(day, np.maximum(day, cancelled_day)[taken])
    change = {name: np.append(values, -values[taken]) for name, values in change.items()}

    seen = np.flatnonzero(day < known_until)
    return _Changes(invoice[seen], day[seen], {n: values[seen] for n, values in change.items()})


def _changes_at(settlement: Settlement, horizon_days: int) -> _Changes:
    move = settlement.movements
    real = np.flatnonzero(~settlement.never_open)
    last_day = settlement.due_day + horizon_days
    matures = np.maximum(last_day, settlement.known_day)

    # Settled by the horizon, or reopened by it: the sign of each turn tells the state in the end.
    turned = (move.settles | move.reopens) & ~settlement.never_open[move.invoice]
    turn = np.flatnonzero(turned & (move.reached_day <= last_day[move.invoice]))
    turn_invoice = move.invoice[turn]
    late = np.append(
        np.ones(len(real), np.int64), np.where(move.settles[turn], -1, 1).astype(np.int64)
    )
    return _Changes(
        np.append(real, turn_invoice),
        np.append(matures[real], np.maximum(matures[turn_invoice], move.known_day[turn])),
        {
            f"matured_{horizon_days}": np.repeat([1, 0], [len(real), len(turn)]),
            f"late_{horizon_days}": late,
        },
    )


def _cancelled_day(settlement: Settlement) -> Days:
    """The day on which each invoice was known to be cancelled in full; NEVER where it was not."""
    move = settlement.movements
    cancels = np.flatnonzero(move.cancels)
    invoice = move.invoice[cancels]
    day = np.full(len(settlement.customer), NEVER, np.int32)
    np.minimum.at(day, invoice, np.maximum(move.known_day[cancels], settlement.known_day[invoice]))
    return day


def _counted(kind: str, groups: pa.Array, changes: _Changes) -> pa.Table:
    """The changes of a kind's groups added up, one row for each group and day."""
    encoded = groups.dictionary_encode()
    code = encoded.indices.fill_null(-1).to_numpy()[changes.invoice]
    mine = np.flatnonzero(code >= 0)
    rows = mine[order(code[mine], changes.day[mine])]
    owner, day = code[rows], changes.day[rows]
    last = np.append(firsts(owner)[1:] | firsts(day)[1:], True)[: len(rows)]

    counts = {}
    for name in COUNTS:
        total = np.cumsum(changes.change[name][rows])
        before = (total - changes.change[name][rows])[firsts(owner)]
        lengths = np.diff(np.append(np.flatnonzero(firsts(owner)), len(rows)))
        counts[name] = (total - np.repeat(before, lengths))[last]
    return pa.table(
        {
            "kind": pa.repeat(kind, int(last.sum())),
            "value": encoded.dictionary.take(pa.array(owner[last])),
            "known_day": day[last].astype(np.int32),
            **counts,
        },
        schema=SCHEMA,
    )
