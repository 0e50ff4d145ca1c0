"""LightGBM, one model for each horizon."""

import boosted
import lightgbm
import numpy as np

PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 100,
    "lambda_l2": 20.0,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "num_threads": 1,
    "force_col_wise": True,
    "seed": 0,
    "verbosity": -1,
}


class LightGBM:
    def rounds(self, X: np.ndarray, y: np.ndarray, judged: tuple[np.ndarray, np.ndarray]) -> int:
        data = lightgbm.Dataset(X, y)
        stop = lightgbm.early_stopping(boosted.PATIENCE, verbose=False)
        seen = [lightgbm.Dataset(*judged, reference=data)]
        grown = lightgbm.train(
            PARAMETERS, data, boosted.MOST_ROUNDS, valid_sets=seen, callbacks=[stop]
        )
        return int(grown.best_iteration)

    def grow(self, X: np.ndarray, y: np.ndarray, rounds: int) -> boosted.Predict:
        return lightgbm.train(PARAMETERS, lightgbm.Dataset(X, y), rounds).predict


if __name__ == "__main__":
    boosted.run(LightGBM())
