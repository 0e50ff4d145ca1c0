"""The book of features: one family a file, and the one function that works them out."""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from pipelines import as_of as window
from pipelines.as_of import Node, Table
from pipelines.events import Floats, Whole
from pipelines.features.activity import ACTIVITY
from pipelines.features.delays import DELAYS
from pipelines.features.exposure import EXPOSURE
from pipelines.features.feature import Feature
from pipelines.features.gaps import GAPS
from pipelines.features.invoice import INVOICE
from pipelines.features.peer_table import Peers
from pipelines.features.peers import PEERS
from pipelines.features.rhythm import RHYTHM
from pipelines.features.trend import TREND
from pipelines.streams import Streams

__all__ = [
    "BOOK",
    "Feature",
    "Peers",
    "compute",
    "fill",
    "fill_with",
    "fingerprint",
    "our_fingerprint",
]

FAMILIES = (ACTIVITY, DELAYS, TREND, RHYTHM, GAPS, EXPOSURE, INVOICE, PEERS)

BOOK: dict[str, Feature] = {feature.name: feature for family in FAMILIES for feature in family}
NODES = tuple(feature.node for feature in BOOK.values())

STREAMS_VERSION = 1  # to be raised when the meaning of a stream changes: expressions cannot tell


def compute(
    streams: Streams,
    invoice_rows: Whole,
    as_of: Whole,
    peers: Peers,
    *,
    names: Sequence[str] | None = None,
) -> Floats:
    """The book's values, one row for each question "this invoice, as of this day".

    `names` asks for some features only, in this order. Missing is NaN. The bits of a row do not
    depend on what else is asked, or on what else the streams hold.
    """
    rows = np.asarray(invoice_rows, np.int64)
    out = np.empty((len(rows), len(BOOK if names is None else names)), order="F")
    fill(out, streams, rows, as_of, peers, names=names)
    return out


def fill(
    out: Table,
    streams: Streams,
    invoice_rows: Whole,
    as_of: Whole,
    peers: Peers,
    *,
    names: Sequence[str] | None = None,
) -> None:
    """`compute` straight to where the values are to stay; float32 takes each rounded once."""
    nodes = NODES if names is None else [BOOK[name].node for name in names]
    fill_with(out, nodes, streams, invoice_rows, as_of, peers)


def fill_with(
    out: Table,
    nodes: Sequence[Node],
    streams: Streams,
    invoice_rows: Whole,
    as_of: Whole,
    peers: Peers,
) -> None:
    """`fill`, with any expressions over the streams: those of features yet to be."""
    rows = np.asarray(invoice_rows, np.int64)
    groups, among = streams.groups_of(rows)
    # One row is a view, which is had sooner than a copy of one.
    of_each = slice(rows.item(), rows.item() + 1) if len(rows) == 1 else rows
    window.fill(
        out,
        nodes,
        {**streams.events, **peers.events},
        owners={
            "customer": streams.customer[of_each],
            "invoice": rows,
            **peers.owners(groups, among),
        },
        as_of=np.asarray(as_of, np.int64),
        inputs={
            **{name: column[of_each] for name, column in streams.inputs.items()},
            **peers.known(groups, among),
        },
    )


def fingerprint() -> str:
    """The hash of all expressions: a model may only be asked with the book it learned from."""
    expressions = [(name, feature.node.key) for name, feature in BOOK.items()]
    return hashlib.sha256(repr((STREAMS_VERSION, expressions)).encode()).hexdigest()


@cache
def our_fingerprint() -> str:
    """`fingerprint` of the book as it is, worked out once."""
    return fingerprint()
