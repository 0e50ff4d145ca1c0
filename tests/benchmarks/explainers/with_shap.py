"""shap.TreeExplainer, path-dependent."""

from pathlib import Path

import lightgbm
import shap
import timed


def engine(model: Path) -> timed.Explain:
    return shap.TreeExplainer(lightgbm.Booster(model_file=model)).shap_values


if __name__ == "__main__":
    timed.main(engine)
