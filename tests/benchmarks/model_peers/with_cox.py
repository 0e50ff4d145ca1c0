"""lifelines' Cox regressions of the days past due: one of what is not yet due, one of the overdue.

Each snapshot is under watch from its own day (it is known to be open) and censored at the cut-off;
asked is P(open at due + h | open today) = exp(-(H(h) - H(today)) * its hazard ratio). One
regression of all, which would hold effects to be the same before and long after the due date, does
worse. Linear in its columns: missing values get the median and a column of their own.
"""

import time

import numpy as np
import pandas as pd
from handed_over import HORIZONS, Answered, Floats, Rows, main
from lifelines import CoxPHFitter
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PENALIZER = 0.1
LONG_BEFORE = 400.0  # days: keeps every time above 0
CURVES = slice(-2, None)  # the last columns of a horizon: the customer's curve and its cohort's
FAR = 4.0  # standard deviations beyond which more makes no difference
LEAST_SHARE = 0.01  # of rows that must tell a column apart


def answer(learned: Rows, asked: Rows, cut_off: int) -> Answered:
    p, cpu = np.ones(asked.ahead.shape), 0.0
    for is_due in (False, True):
        of, to = ((rows.as_of > rows.due_day) == is_due for rows in (learned, asked))
        if not to.any():
            continue
        began = time.process_time()
        regression = Regression(learned.take(np.flatnonzero(of)))
        cpu += time.process_time() - began
        p[to] = regression.still_open(asked.take(np.flatnonzero(to)))
    return Answered(p, cpu, len(learned), "two regressions")


class Regression:
    """A fitted Cox regression with the preparation of its columns."""

    def __init__(self, learned: Rows) -> None:
        filled = SimpleImputer(strategy="median", add_indicator=True)
        self.prepare = make_pipeline(filled, StandardScaler())
        X = self.prepare.fit_transform(columns(learned))
        self.kept = (np.abs(X) > 1e-9).mean(axis=0) > LEAST_SHARE
        began = days_past_due(learned)
        frame = self.frame(X).assign(
            began=began, ended=began + learned.lasted + 1, settled=learned.settled
        )
        fitter = CoxPHFitter(penalizer=PENALIZER)
        self.fitted = fitter.fit(frame, "ended", "settled", entry_col="began")

    def still_open(self, asked: Rows) -> Floats:
        """P(open at the end of each horizon's day | open today): (n, horizons)."""
        X = self.prepare.transform(columns(asked))
        ratio = self.fitted.predict_partial_hazard(self.frame(X)).to_numpy()
        today = self.cumulative(days_past_due(asked))
        ahead = [self.cumulative(LONG_BEFORE + h + 1) - today for h in HORIZONS]
        return np.exp(-np.maximum(np.column_stack(ahead), 0) * ratio[:, None])

    def cumulative(self, day: Floats | float) -> Floats:
        """The baseline's cumulative hazard up to a day."""
        told = self.fitted.baseline_cumulative_hazard_.iloc[:, 0]
        place = np.searchsorted(told.index.to_numpy(), day, "right")
        return np.append(0.0, told.to_numpy())[place]

    def frame(self, X: Floats) -> pd.DataFrame:
        return pd.DataFrame(np.clip(X[:, self.kept], -FAR, FAR)).add_prefix("x")


def columns(rows: Rows) -> Floats:
    curves = rows.then[:, :, CURVES].reshape(len(rows), -1)
    return np.column_stack([rows.features, curves]).astype(np.float64)


def days_past_due(rows: Rows) -> Floats:
    return np.maximum(rows.as_of - rows.due_day + LONG_BEFORE, 0.0)


if __name__ == "__main__":
    main(answer)
