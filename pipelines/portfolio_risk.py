"""Portfolio risk: what makes a night's risk, by reason, by likely cause and by warning.

Every figure is a sum over the night's own rows: nothing is scored again.
"""

from contextlib import closing, suppress
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.reasons import EVERYTHING_ELSE
from models.risk_causes import RiskCause, in_order
from pipelines.snapshot import SnapshotDamaged
from pipelines.store import ScoreStore

Rows = npt.NDArray[np.int64]
Risk = dict[str, Any]  # what `risk_of` gives, as it stands in the night's manifest


def risk_of(scores: pa.Table) -> Risk:
    """What is open, what of it is expected late, and what makes it so.

    `late_cents` is what is open times the probability that the reasons explain (30 days late, or
    the next horizon still ahead): `base_cents` and the cents of `causes` add up to it. The value at
    risk of a cause is that of the invoices which it raises most.
    """
    open_cents, at_risk = (
        scores[name].to_numpy().astype(np.int64) for name in ("open_cents", "value_at_risk_cents")
    )
    base = float((open_cents * scores["base_probability"].to_numpy()).sum())
    causes = _causes(scores, open_cents, at_risk)
    hint = pc.struct_field(scores["cause_hint"], "code")
    carried = scores["signals"].combine_chunks()
    return {
        "invoices": scores.num_rows,
        "open_cents": int(open_cents.sum()),
        "base_cents": round(base),
        "late_cents": round(base) + sum(cause["cents"] for cause in causes),
        "value_at_risk_cents": int(at_risk.sum()),
        "causes": causes,
        "cause_hints": by_code(hint, np.arange(scores.num_rows), open_cents, at_risk),
        "signals": by_code(
            pc.struct_field(pc.list_flatten(carried), "code"),
            pc.list_parent_indices(carried).to_numpy(),
            open_cents,
            at_risk,
        ),
    }


def night_before(
    store: ScoreStore, as_of: date, *, is_invented: bool = False
) -> dict[str, Any] | None:
    """The risk of the last night before a day, None where there is none that noted it.

    A night of the sample has such nights before it, and a company's own has its own.
    """
    for name in reversed([name for name in store.names() if name < as_of.isoformat()]):
        with suppress(SnapshotDamaged, OSError), closing(store.snapshot(name)) as before:
            if "risk" in before.manifest["facts"] and before.is_invented == is_invented:
                return {
                    "as_of": before.as_of.isoformat(),
                    "model_version": before.model_version,
                    "risk": before.manifest["facts"]["risk"],
                }
    return None


def _causes(scores: pa.Table, open_cents: Rows, at_risk: Rows) -> list[dict[str, Any]]:
    told = scores["reasons"].combine_chunks()
    row = pc.list_parent_indices(told).to_numpy()
    reasons = pc.list_flatten(told)
    points = pc.struct_field(reasons, "points").to_numpy(zero_copy_only=False)
    names, code = _codes(pc.struct_field(reasons, "feature_group"))
    cents = np.bincount(code, weights=open_cents[row] * points, minlength=len(names))

    raises = np.flatnonzero((points > 0) & (np.array(names)[code] != EVERYTHING_ELSE))
    raised, first = np.unique(row[raises], return_index=True)  # reasons come largest first
    of_first = dict.fromkeys(names, 0)
    for name, value in zip(
        names, _sums(code[raises[first]], at_risk[raised], len(names)), strict=True
    ):
        of_first[name] = value
    rest = int(at_risk.sum()) - sum(of_first.values())
    of_first[EVERYTHING_ELSE] = of_first.get(EVERYTHING_ELSE, 0) + rest

    found: list[RiskCause] = in_order(
        dict(zip(names, cents.tolist(), strict=True)), int(open_cents.sum())
    )
    return [
        {**cause._asdict(), "value_at_risk_cents": of_first[cause.feature_group]} for cause in found
    ]


def by_code(
    codes: pa.ChunkedArray | pa.Array, row: Rows, open_cents: Rows, at_risk: Rows
) -> list[dict[str, Any]]:
    """Sums over the rows that carry each code, the largest value at risk first."""
    names, code = _codes(codes)
    found = [
        {"code": name, "invoices": rows, "open_cents": cents, "value_at_risk_cents": risk}
        for name, rows, cents, risk in zip(
            names,
            np.bincount(code, minlength=len(names)).tolist(),
            _sums(code, open_cents[row], len(names)),
            _sums(code, at_risk[row], len(names)),
            strict=True,
        )
    ]
    return sorted(found, key=lambda of: (-of["value_at_risk_cents"], of["code"]))


def _codes(values: pa.ChunkedArray | pa.Array) -> tuple[list[str], Rows]:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    encoded = values.dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _sums(code: Rows, cents: Rows, count: int) -> list[int]:
    """Whole sums by code: cents stay exact."""
    total = np.zeros(count, np.int64)
    np.add.at(total, code, cents)
    return [int(cents) for cents in total]
