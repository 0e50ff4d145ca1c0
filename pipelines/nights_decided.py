"""What was decided on each night: what a plan advised, joined with what was then done, or not done.

A night speaks for the days until the next one. What was done in them about an invoice is what was
decided; where nothing was, it was decided to wait. What people did against the advice keeps no
chances: nobody knows how likely it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.decision_log import WAIT
from pipelines import labels
from pipelines.landmarks import Prepared
from pipelines.ledger import days, rows_of

Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

CHANCES = pa.list_(pa.struct([("code", pa.string()), ("chance", pa.float64())]))
NONE = -1
SAID = ("features_hash", "p_late_30", "p_unpaid_180", "cause")
_KINDS = {"p_late_30": pa.float64(), "p_unpaid_180": pa.float64()}
PERSON = "human"


@dataclass(frozen=True)
class Decided:
    """Decisions on invoices: some by actions that were recorded, some by doing nothing."""

    action: Rows  # in the ledger's actions, NONE where nothing was done
    invoice: Rows
    day: Days  # on which it was decided: that of the night, else that of the action
    night: Rows  # in what was advised, NONE where no night advised on it
    advised: pa.Table

    @property
    def said(self) -> Mapping[str, pa.Array]:
        """What the night had said of the invoice."""
        return {name: self._of_night(name) for name in SAID}

    def decided(self, actions: pa.Table) -> dict[str, pa.Array]:
        """What was done and how likely it was; `actions` are those of the rows, null for none."""
        of_night = self.night >= 0
        done = _filled(actions["action_code"], WAIT)
        followed = of_night & _alike(done, self._of_night("action"))
        overruled, is_night = pa.array(of_night & ~followed), pa.array(of_night)
        effective = self._of_night("effective")

        def told(night: str, action: str) -> pa.Array:
            """The night's word where it was followed, none where not, else the action's own."""
            word, own = self._of_night(night), _whole(actions[action])
            word = pc.if_else(overruled, pa.scalar(None, word.type), word)
            return pc.if_else(is_night, word, own)

        as_done = np.datetime64(0, "D") + self.day.astype(np.int64)
        return {
            "action_code": pc.if_else(pa.array(followed), effective, done),
            "recommended_action": pc.if_else(
                is_night, effective, _whole(actions["recommended_action"])
            ),
            "policy_version": pc.if_else(
                is_night, self._of_night("policy_version"), _whole(actions["policy_version"])
            ),
            "holdout": pc.if_else(is_night, self._of_night("held_out"), _whole(actions["holdout"])),
            "performed_on": pc.coalesce(_whole(actions["performed_on"]), pa.array(as_done)),
            "actor": pc.if_else(overruled, PERSON, _whole(actions["actor"])),
            "propensity": told("propensity", "propensity"),
            "chances": pc.if_else(overruled, pa.scalar(None, CHANCES), self._of_night("chances")),
        }

    def _of_night(self, name: str) -> pa.Array:
        return _whole(self.advised[name]).take(pa.array(self.night, mask=self.night < 0))


def join(
    prepared: Prepared,
    action: Rows,
    invoice: Rows,
    performed: Days,
    *,
    advised: pa.Table | None,
    as_of: int,
) -> Decided:
    """The recorded actions on invoices, each with its night, and the waiting of all other nights.

    Nights whose days are not over by `as_of` count only where something was done already.
    """
    nothing = np.full(len(action), NONE)
    if advised is None or not advised.num_rows:
        return Decided(
            action, invoice, performed, nothing, _no_advice() if advised is None else advised
        )
    settlement = prepared.settlement
    of_invoice = rows_of(advised["invoice_id"], among=prepared.ledger.invoices["invoice_id"])
    night_day = days(advised["as_of"]).astype(np.int64)
    nights = np.unique(night_day)
    counts = (of_invoice >= 0) & (night_day < as_of)
    counts[counts] &= labels.is_labelled(settlement)[of_invoice[counts]]

    # each action's night: the last one until its day
    place = np.searchsorted(nights, performed, side="right") - 1
    day = np.where(place >= 0, nights[np.maximum(place, 0)], NONE)
    rows = np.flatnonzero(counts)
    found = _lookup(of_invoice[rows], night_day[rows], invoice, day)
    night = np.where((found >= 0) & (day >= 0), np.append(rows, NONE)[found], NONE)

    # nothing was done, and what was advised would have been done by now
    until = np.append(nights, as_of)[np.searchsorted(nights, night_day, side="right")]
    until = np.minimum(until, as_of)
    waited = counts & (days(advised["on"]) < until)
    waited[night[night >= 0]] = False
    waits = np.flatnonzero(waited)
    return Decided(
        np.concatenate([action, np.full(len(waits), NONE)]),
        np.concatenate([invoice, of_invoice[waits]]),
        np.concatenate([np.where(night >= 0, day, performed), night_day[waits]]).astype(np.int32),
        np.concatenate([night, waits]),
        advised,
    )


def _lookup(invoice: Rows, day: Rows, asked: Rows, asked_day: Rows) -> Rows:
    """The place of each asked pair of an invoice and a day among those there are, else NONE."""
    keys, wanted = invoice * (1 << 21) + day, asked * (1 << 21) + asked_day
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], wanted)
    at = np.minimum(at, max(len(keys) - 1, 0))
    if not len(keys):
        return np.full(len(asked), NONE)
    return np.where(keys[order][at] == wanted, order[at], NONE)


def _no_advice() -> pa.Table:
    kinds = {
        **dict.fromkeys(("action", "effective", "policy_version", *SAID), pa.string()),
        **_KINDS,
    }
    kinds |= {"propensity": pa.float64(), "held_out": pa.bool_(), "chances": CHANCES}
    return pa.schema(list(kinds.items())).empty_table()


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _filled(column: pa.ChunkedArray, value: str) -> pa.Array:
    return pc.fill_null(_whole(column), value)


def _alike(done: pa.Array, advised: pa.Array) -> npt.NDArray[np.bool_]:
    alike: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(done, advised), False).to_numpy(
        zero_copy_only=False
    )
    return alike
