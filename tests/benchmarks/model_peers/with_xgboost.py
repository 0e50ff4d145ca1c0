"""XGBoost, one model for each horizon."""

import boosted
import numpy as np
import xgboost

PARAMETERS = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "grow_policy": "lossguide",
    "learning_rate": 0.05,
    "max_leaves": 15,
    "max_depth": 6,
    "min_child_weight": 10.0,
    "lambda": 20.0,
    "colsample_bytree": 0.6,
    "subsample": 0.8,
    "nthread": 1,
    "seed": 0,
    "verbosity": 0,
}


class XGBoost:
    def rounds(self, X: np.ndarray, y: np.ndarray, judged: tuple[np.ndarray, np.ndarray]) -> int:
        data = xgboost.QuantileDMatrix(X, y, nthread=1)
        grown = xgboost.train(
            PARAMETERS,
            data,
            boosted.MOST_ROUNDS,
            evals=[(xgboost.QuantileDMatrix(*judged, ref=data, nthread=1), "judged")],
            early_stopping_rounds=boosted.PATIENCE,
            verbose_eval=False,
        )
        return int(grown.best_iteration) + 1

    def grow(self, X: np.ndarray, y: np.ndarray, rounds: int) -> boosted.Predict:
        grown = xgboost.train(PARAMETERS, xgboost.QuantileDMatrix(X, y, nthread=1), rounds)
        return grown.inplace_predict


if __name__ == "__main__":
    boosted.run(XGBoost())
