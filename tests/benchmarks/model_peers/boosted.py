"""Boosted trees, a model for each horizon: rounds chosen on the last matured window, then all rows.

The window is judged on customers that were not learned from, and trees that judge it end before it.
"""

import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from handed_over import HORIZONS, Answered, Flags, Floats, Rows, main

WINDOW_DAYS = 60  # as long as two months of invoices
JUDGED_SHARE = 0.25  # of the customers
MOST_ROUNDS, PATIENCE = 600, 30
USUAL_ROUNDS = 150  # where the window is too small to choose by
LEAST_OF_A_KIND = 20

Predict = Callable[[Floats], Floats]


class Learner(Protocol):
    """A library: how many rounds do best on judged rows, and trees of so many rounds."""

    def rounds(self, X: Floats, y: Floats, judged: tuple[Floats, Floats]) -> int: ...

    def grow(self, X: Floats, y: Floats, rounds: int) -> Predict: ...


def run(learner: Learner) -> None:
    main(lambda learned, asked, cut_off: answer(learner, learned, asked, cut_off))


def answer(learner: Learner, learned: Rows, asked: Rows, cut_off: int) -> Answered:
    p, cpu, most, chosen = np.ones(asked.ahead.shape), 0.0, 0, []
    for h in range(len(HORIZONS)):
        known = learned.take(np.flatnonzero(~np.isnan(learned.came[:, h])))
        X, y = known.at(h), known.came[:, h]
        before, judged = last_window(known, h, cut_off)

        began = time.process_time()
        enough = min(y[judged].sum(), (1 - y[judged]).sum()) >= LEAST_OF_A_KIND
        rounds = (
            learner.rounds(X[before], y[before], (X[judged], y[judged])) if enough else USUAL_ROUNDS
        )
        predict = learner.grow(X, y, max(rounds, 1))
        cpu += time.process_time() - began

        ahead = asked.ahead[:, h] >= 0
        p[ahead, h] = predict(asked.at(h)[ahead])
        most, chosen = max(most, len(y)), [*chosen, str(rounds)]
    return Answered(p, cpu, most, f"rounds {', '.join(chosen)}")


def last_window(rows: Rows, horizon: int, cut_off: int) -> tuple[Flags, Flags]:
    """The rows that are known before the window, and those of other customers judged in it."""
    target = rows.due_day + HORIZONS[horizon]
    drawn = np.random.default_rng(1).random(int(rows.customer.max(initial=0)) + 1) < JUDGED_SHARE
    apart = drawn[rows.customer]
    within = target >= cut_off - WINDOW_DAYS
    return ~within & ~apart, within & apart
