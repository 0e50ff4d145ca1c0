"""CatBoost, one model for each horizon."""

import boosted
import numpy as np
from catboost import CatBoostClassifier, Pool

PARAMETERS = {
    "loss_function": "Logloss",
    "learning_rate": 0.08,
    "depth": 6,
    "l2_leaf_reg": 10.0,
    "rsm": 0.3,
    "boosting_type": "Plain",
    "border_count": 128,
    "thread_count": 1,
    "random_seed": 0,
    "allow_writing_files": False,
    "verbose": False,
}


class CatBoost:
    def rounds(self, X: np.ndarray, y: np.ndarray, judged: tuple[np.ndarray, np.ndarray]) -> int:
        grown = CatBoostClassifier(iterations=boosted.MOST_ROUNDS, **PARAMETERS)
        grown.fit(Pool(X, y), eval_set=Pool(*judged), early_stopping_rounds=boosted.PATIENCE)
        return int(grown.get_best_iteration()) + 1

    def grow(self, X: np.ndarray, y: np.ndarray, rounds: int) -> boosted.Predict:
        grown = CatBoostClassifier(iterations=rounds, **PARAMETERS).fit(Pool(X, y))
        return lambda X: grown.predict_proba(X, thread_count=1)[:, 1]


if __name__ == "__main__":
    boosted.run(CatBoost())
