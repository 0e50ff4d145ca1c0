"""Whether correcting the drift of the base rate would have helped, judged paired by origin.

At each origin the correction is learned from what had matured by then of an earlier origin's
predictions: the shift of all log-odds after which these would have been right on average. Then this
origin's predictions are judged as they were said, and shifted.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models import base_rate, drift
from models.horizons import HORIZONS_DAYS, column
from models.metrics import surprise
from pipelines import matured_window
from pipelines.job import EPOCH
from pipelines.judged import Judged
from pipelines.ledger import Ledger, days, rows_of

Told = dict[str, Any]
Floats = npt.NDArray[np.float64]

LEAST_ROWS = 200  # matured ones under which no shift is learned
LEAST_ORIGINS = 3  # with a shift, under which nothing is decided
SURE_ERRORS = 2.0  # standard errors over origins that make a gain more than luck


def figures(rows: Judged, predictions: pa.Table, ledger: Ledger) -> Told:
    """The correction at each origin, test and horizon, and where it wins over all origins."""
    found = list(_corrections(rows, predictions, ledger))
    cells = sorted({(row["test"], row["horizon"]) for row in found})
    verdicts = [
        _verdict([row for row in found if (row["test"], row["horizon"]) == cell]) for cell in cells
    ]
    return {"corrections": found, "verdicts": verdicts}


def _corrections(rows: Judged, predictions: pa.Table, ledger: Ledger) -> Iterator[Told]:
    said = np.column_stack([predictions[column(h)].to_numpy() for h in HORIZONS_DAYS])
    cut = days(predictions["cut"].combine_chunks())
    for origin in np.unique(cut).tolist():
        came = _known_by(predictions, ledger, origin)
        for test in np.unique(rows.test).tolist():
            for h, horizon in enumerate(HORIZONS_DAYS):
                known = (rows.test == test) & (cut < origin) & ~np.isnan(came[:, h])
                here = (rows.test == test) & (cut == origin) & ~np.isnan(rows.came[:, h])
                learned = _latest(cut, known)
                if learned is None or here.sum() < LEAST_ROWS:
                    continue
                by = base_rate.shift(came[learned, h], said[learned, h])
                y, p = rows.came[here, h], said[here, h]
                gain = surprise(y, p) - surprise(y, base_rate.shifted(p, by))
                seen = drift.mean(gain, rows.customer[here])
                yield {
                    "origin": str(np.datetime64(origin, "D")),
                    "test": test,
                    "horizon": horizon,
                    "learned_from": str(np.datetime64(int(cut[learned][0]), "D")),
                    "labels": int(learned.sum()),
                    "shift": round(by, 4),
                    "log_loss": round(float(surprise(y, p).mean()), 6),
                    "gain": {
                        name: round(getattr(seen, name), 6) for name in ("value", "low", "high")
                    },
                }


def _known_by(predictions: pa.Table, ledger: Ledger, origin: int) -> Floats:
    """What had come by the origin of each predicted row; NaN for the rows of later ones."""
    earlier = pc.less(predictions["cut"].cast(pa.int32()), origin)
    came = np.full((predictions.num_rows, len(HORIZONS_DAYS)), np.nan)
    at = np.flatnonzero(earlier.to_numpy())
    known = ledger.known_before(origin)
    # an origin's new invoices were issued after it: some are not known yet on the next one
    there = rows_of(predictions["invoice_id"], among=known.invoices["invoice_id"]) >= 0
    asked = at[there[at]]
    if len(asked):
        some = predictions.take(pa.array(asked))
        day = EPOCH + timedelta(days=origin)
        came[asked] = matured_window.outcomes(known, some, cut_off=day)
    return came


def _latest(
    cut: npt.NDArray[np.int32], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_] | None:
    """The rows of the latest origin of which enough has matured."""
    for origin in np.unique(cut[known])[::-1]:
        rows: npt.NDArray[np.bool_] = known & (cut == origin)
        if rows.sum() >= LEAST_ROWS:
            return rows
    return None


def _verdict(cells: Sequence[Told]) -> Told:
    gains = np.array([cell["gain"]["value"] for cell in cells])
    mean = float(gains.mean())
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None
    wins = len(gains) >= LEAST_ORIGINS and error is not None and mean > SURE_ERRORS * error
    return {
        "test": cells[0]["test"],
        "horizon": cells[0]["horizon"],
        "origins": len(gains),
        "mean_gain": round(mean, 6),
        "standard_error": None if error is None else round(error, 6),
        "better_at": int((gains > 0).sum()),
        "wins": bool(wins),
    }
