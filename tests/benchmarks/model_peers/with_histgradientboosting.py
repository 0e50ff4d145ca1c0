"""scikit-learn's HistGradientBoostingClassifier, one model for each horizon."""

import boosted
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

PARAMETERS = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 100,
    "l2_regularization": 20.0,
    "max_features": 0.6,
    "random_state": 0,
}


class HistGradientBoosting:
    def rounds(self, X: np.ndarray, y: np.ndarray, judged: tuple[np.ndarray, np.ndarray]) -> int:
        known = known_columns(X)
        grown = HistGradientBoostingClassifier(
            max_iter=boosted.MOST_ROUNDS,
            early_stopping=True,
            n_iter_no_change=boosted.PATIENCE,
            tol=0.0,
            scoring="loss",
            **PARAMETERS,
        ).fit(X[:, known], y, X_val=judged[0][:, known], y_val=judged[1])
        return int(np.argmax(grown.validation_score_))  # the first score is of no trees at all

    def grow(self, X: np.ndarray, y: np.ndarray, rounds: int) -> boosted.Predict:
        known = known_columns(X)
        grown = HistGradientBoostingClassifier(
            max_iter=rounds, early_stopping=False, **PARAMETERS
        ).fit(X[:, known], y)
        return lambda X: grown.predict_proba(X[:, known])[:, 1]


def known_columns(X: np.ndarray) -> np.ndarray:
    """Those with a value somewhere: scikit-learn cannot bin the others."""
    return np.flatnonzero(~np.isnan(X).all(axis=0))


if __name__ == "__main__":
    boosted.run(HistGradientBoosting())
