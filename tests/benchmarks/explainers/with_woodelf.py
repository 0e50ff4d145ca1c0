"""woodelf, path-dependent; it takes a frame."""

from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import timed
from woodelf import WoodelfExplainer


def engine(model: Path) -> timed.Explain:
    booster = lightgbm.Booster(model_file=model)
    explainer = WoodelfExplainer(booster)

    def explain(X: np.ndarray) -> np.ndarray:
        told = explainer.shap_values(pd.DataFrame(X, columns=booster.feature_name(), copy=False))
        return np.asarray(told)

    return explain


if __name__ == "__main__":
    timed.main(engine)
