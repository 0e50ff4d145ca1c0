"""Peers of a ledger in buckets: each bucket's counts added up, whole numbers, hence exact."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.events import Counts, Flags, firsts
from pipelines.features.peer_table import COUNTS, SCHEMA, Peers
from pipelines.ordering import order


def added(parts: Sequence[pa.Table]) -> Peers:
    """The peers of all customers from those of each part of them; the order does not matter."""
    table = pa.concat_tables([_changes(part) for part in parts] or [SCHEMA.empty_table()])
    by_group = [("kind", "ascending"), ("value", "ascending"), ("known_day", "ascending")]
    grouped = table.group_by(["kind", "value", "known_day"], use_threads=False)
    summed = grouped.aggregate([(name, "sum") for name in COUNTS]).sort_by(by_group)
    first = firsts(_group(summed))
    columns = {
        name: summed[name]
        if name in summed.column_names
        else _running(summed[f"{name}_sum"], first)
        for name in SCHEMA.names
    }
    return Peers(pa.table(columns, schema=SCHEMA))


def _changes(counted: pa.Table) -> pa.Table:
    """Running counts as what each day added to them."""
    group = _group(counted)
    rows = order(group, counted["known_day"].to_numpy())
    ordered = counted.take(pa.array(rows))
    first = firsts(group[rows])
    for name in COUNTS:
        count = ordered[name].to_numpy()
        before = np.where(first, 0, np.append(0, count[:-1])[: len(count)])
        place = ordered.schema.get_field_index(name)
        ordered = ordered.set_column(place, ordered.schema.field(name), pa.array(count - before))
    return ordered


def _group(table: pa.Table) -> Counts:
    """A number for each row's group; rows of one group in a row stay so."""
    named = pc.binary_join_element_wise(table["kind"], table["value"], "=")
    group: Counts = pc.rank(named, tiebreaker="dense").to_numpy().astype(np.int64)
    return group


def _running(changes: pa.ChunkedArray, first: Flags) -> Counts:
    change: Counts = changes.to_numpy()
    total = np.cumsum(change)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(change)))
    return total - np.repeat((total - change)[starts], lengths)
