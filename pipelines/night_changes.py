"""What a night says otherwise than the night before it."""

from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.outlook import BANDS
from pipelines.snapshot import SCORES, Snapshot, SnapshotDamaged
from pipelines.store import ScoreStore

_COMPARED = ["invoice_id", "customer_id", "open_cents", "value_at_risk_cents", "risk_band"]


@dataclass(frozen=True)
class Changes:
    """Two nights side by side; amounts in cents."""

    before: date
    model_before: str
    new_invoices: int
    new_cents: int
    gone_invoices: int  # paid, credited, or no longer in the ledger
    gone_cents: int
    open_change_cents: int
    value_at_risk_change_cents: int
    worse_invoices: int  # open on both nights, in a higher band now
    better_invoices: int
    other_contacts: int  # customers on both plans for whom something else is advised now

    def facts(self) -> dict[str, Any]:
        """The same for a manifest: dates as text."""
        return asdict(self) | {"before": self.before.isoformat()}


def since_last(
    store: ScoreStore,
    as_of: date,
    scores: pa.Table,
    plan: pa.Table | None,
    *,
    is_invented: bool = False,
) -> Changes | None:
    """What is otherwise than on the last night before a day that can be read; None without one.

    A night of the sample is compared with such nights, and a company's own with its own.
    """
    for name in reversed([n for n in store.names() if n < as_of.isoformat()]):
        with suppress(SnapshotDamaged, OSError), closing(store.snapshot(name)) as before:
            if before.is_invented == is_invented:
                return between(before, scores, plan)
    return None


def between(before: Snapshot, scores: pa.Table, plan: pa.Table | None) -> Changes:
    """What these scores and this plan change of a night that was published before."""
    then = pq.read_table(before.folder / SCORES, columns=_COMPARED)
    now = scores.select(_COMPARED)
    is_new = pc.invert(pc.is_in(now["invoice_id"], value_set=then["invoice_id"]))
    is_gone = pc.invert(pc.is_in(then["invoice_id"], value_set=now["invoice_id"]))
    worse, better = _moved(then, now)
    return Changes(
        before=before.as_of,
        model_before=before.model_version,
        new_invoices=_sum(is_new),
        new_cents=_sum(now["open_cents"].filter(is_new)),
        gone_invoices=_sum(is_gone),
        gone_cents=_sum(then["open_cents"].filter(is_gone)),
        open_change_cents=_sum(now["open_cents"]) - _sum(then["open_cents"]),
        value_at_risk_change_cents=_sum(now["value_at_risk_cents"])
        - _sum(then["value_at_risk_cents"]),
        worse_invoices=worse,
        better_invoices=better,
        other_contacts=_other_contacts(before.plan_table(), plan),
    )


def _moved(then: pa.Table, now: pa.Table) -> tuple[int, int]:
    """How many invoices of both nights went up a band, and how many down."""
    both = now.select(["invoice_id", "risk_band"]).join(
        then.select(["invoice_id", "risk_band"]),
        "invoice_id",
        join_type="inner",
        right_suffix="_before",
    )
    order = pa.array(BANDS)
    place, was = (
        pc.index_in(both[name], value_set=order) for name in ("risk_band", "risk_band_before")
    )
    return _sum(pc.greater(place, was)), _sum(pc.less(place, was))


def _other_contacts(then: pa.Table | None, now: pa.Table | None) -> int:
    if then is None or now is None:
        return 0
    kept = ["customer_id", "code"]
    both = now.select(kept).join(
        then.select(kept), "customer_id", join_type="inner", right_suffix="_before"
    )
    return _sum(pc.not_equal(both["code"], both["code_before"]))


def _sum(values: pa.ChunkedArray) -> int:
    return int(pc.sum(values).as_py() or 0)
