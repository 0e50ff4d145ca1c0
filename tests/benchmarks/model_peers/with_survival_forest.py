"""scikit-survival's random survival forest: days from the snapshot to its settlement.

Censored at the cut-off. Days are put on a grid, for every leaf keeps a curve over all of them; a
question between two of its days is answered on the line between them.
"""

import time

import numpy as np
from handed_over import Answered, Rows, main
from sksurv.ensemble import RandomSurvivalForest
from sksurv.util import Surv

TREES, LEAST_IN_LEAF = 100, 15
# Every other day for two months, where most is paid, then ever more sparsely.
GRID = np.array([*range(1, 62, 2), *range(65, 100, 5), *range(110, 200, 15), 230, 280, 400], float)
PART = 2_000  # rows answered together: their curves stay small


def answer(learned: Rows, asked: Rows, cut_off: int) -> Answered:
    began = time.process_time()
    lasted = np.minimum(learned.lasted + 1.0, GRID[-1])
    ended = GRID[np.searchsorted(GRID, lasted)]
    forest = RandomSurvivalForest(
        n_estimators=TREES, min_samples_leaf=LEAST_IN_LEAF, max_features="sqrt", random_state=0
    ).fit(learned.at_all, Surv.from_arrays(learned.settled, ended))
    cpu = time.process_time() - began

    p = np.ones(asked.ahead.shape)
    days = np.append(0.0, forest.unique_times_)
    for begin in range(0, len(asked), PART):
        rows = np.arange(begin, min(begin + PART, len(asked)))
        some = asked.take(rows)
        curves = forest.predict_survival_function(some.at_all, return_array=True)
        for row, curve, ahead in zip(rows, curves, some.ahead, strict=True):
            p[row] = np.interp(ahead + 1.0, days, np.append(1.0, curve))
    return Answered(p, cpu, len(learned), f"{TREES} trees")


if __name__ == "__main__":
    main(answer)
