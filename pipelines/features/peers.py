"""Peers: how late similar customers pay, for those of whom little is known."""

from pipelines.as_of import Node, given
from pipelines.features.feature import family
from pipelines.features.peer_table import EVERYBODY, HORIZONS_DAYS, SHRINKAGE, stream_name
from pipelines.stream import Stream
from pipelines.streams import PEER_GROUPS

feature = family("peers", cause="peers")

NAMES = {
    "country": ("dello stesso paese", "in the same country"),
    "segment": ("dello stesso segmento", "in the same segment"),
    "terms": ("con gli stessi termini", "on the same terms"),
    "company": ("della stessa società", "of the same company"),
}


def rate(kind: str, horizon_days: int) -> Node:
    """A group's share of late invoices, drawn to everybody's by so many invoices of theirs."""
    group, everybody = (
        Stream(stream_name(kind), owner=kind),
        Stream(stream_name(EVERYBODY), owner=EVERYBODY),
    )
    late, matured = f"late_{horizon_days}", f"matured_{horizon_days}"
    prior = everybody.last(late) / everybody.last(matured)
    shrunk = (group.last(late).fill(0) + SHRINKAGE * prior) / (
        group.last(matured).fill(0) + SHRINKAGE
    )
    return shrunk * given(f"in_{kind}")  # 1, or missing where the group is not known


PEERS = tuple(
    feature(
        f"peer_late{horizon}_{kind}",
        rate(kind, horizon),
        "share",
        (0.1, 0.6) if horizon == 0 else (0.01, 0.15),
        it=f"i clienti {NAMES[kind][0]} pagano in ritardo di oltre {horizon} giorni il {{value}} "
        "delle fatture (di solito {usual})"
        if horizon
        else f"i clienti {NAMES[kind][0]} pagano in ritardo il {{value}} delle fatture "
        "(di solito {usual})",
        en=f"customers {NAMES[kind][1]} pay {{value}} of invoices more than {horizon} days late "
        "(usually {usual})"
        if horizon
        else f"customers {NAMES[kind][1]} pay {{value}} of invoices late (usually {{usual}})",
    )
    for horizon in HORIZONS_DAYS
    for kind in PEER_GROUPS
)
