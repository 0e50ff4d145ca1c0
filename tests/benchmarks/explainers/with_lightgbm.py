"""LightGBM's own contributions, and its plain prediction of the raw score."""

import sys
from pathlib import Path

import lightgbm
import numpy as np
import timed


def contributions(model: Path) -> timed.Explain:
    booster = lightgbm.Booster(model_file=model)
    return lambda X: booster.predict(X, pred_contrib=True, num_threads=1)


def prediction(model: Path) -> timed.Explain:
    booster = lightgbm.Booster(model_file=model)

    def predict(X: np.ndarray) -> np.ndarray:
        return booster.predict(X, raw_score=True, num_threads=1)

    return predict


if __name__ == "__main__":
    plain = "--plain" in sys.argv
    sys.argv = [given for given in sys.argv if given != "--plain"]
    timed.main(prediction if plain else contributions)
