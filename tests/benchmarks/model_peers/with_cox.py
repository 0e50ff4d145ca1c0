"""lifelines' Cox regression of the days past due, each snapshot under watch from its own day.

A snapshot comes in late (it is known to be open), is censored at the cut-off, and is asked for
P(open at due + h | open today) = exp(-(H(h) - H(today)) * its hazard ratio). Linear in its columns:
missing values get the median and a column of their own, and values are ranked to a normal. It
holds effects to be the same before and long after the due date, which they are not.
"""

import time

import numpy as np
import pandas as pd
from handed_over import HORIZONS, Answered, Floats, Rows, main
from lifelines import CoxPHFitter
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

PENALIZER = 0.01
LONG_BEFORE = 400.0  # days: keeps every time above 0


def answer(learned: Rows, asked: Rows, cut_off: int) -> Answered:
    began = time.process_time()
    columns = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True),
        QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=0),
        StandardScaler(),
    )
    X = columns.fit_transform(learned.at_all.astype(np.float64))
    varies = X.std(axis=0) > 0.01
    today = np.maximum(learned.as_of - learned.due_day + LONG_BEFORE, 0.0)
    frame = pd.DataFrame(X[:, varies]).add_prefix("x")
    frame = frame.assign(began=today, ended=today + learned.lasted + 1, settled=learned.settled)
    fitted = CoxPHFitter(penalizer=PENALIZER).fit(frame, "ended", "settled", entry_col="began")
    cpu = time.process_time() - began

    Z = columns.transform(asked.at_all.astype(np.float64))[:, varies]
    ratio = fitted.predict_partial_hazard(pd.DataFrame(Z).add_prefix("x")).to_numpy()
    now = asked.as_of - asked.due_day
    grown = [_cumulative(fitted, h + 1.0) - _cumulative(fitted, now) for h in HORIZONS]
    p = np.exp(-np.maximum(np.column_stack(grown), 0) * ratio[:, None])
    return Answered(p, cpu, len(learned))


def _cumulative(fitted: CoxPHFitter, past_due: Floats | float) -> Floats:
    """The baseline's cumulative hazard up to so many days past due."""
    told = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    place = np.searchsorted(told.index.to_numpy(), np.asarray(past_due) + LONG_BEFORE, "right")
    return np.append(0.0, told.to_numpy())[place]


if __name__ == "__main__":
    main(answer)
