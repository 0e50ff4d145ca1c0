"""Growing: LightGBM's parameters, its trees as text, and what they say."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from models.label_table import LabelTable
from models.time_ahead import TIME_FEATURES

Floats = npt.NDArray[np.float64]

SMALL = 50_000  # rows under which smaller trees do better


def parameters(rows: int, *, seed: int, tuned: Mapping[str, float] | None = None) -> dict[str, Any]:
    """LightGBM's parameters: regularised hard, grown only with the data, unless tuned ones won."""
    small = rows < SMALL
    usual = {
        "objective": "binary",
        "num_iterations": 150 if small else 250,
        "learning_rate": 0.05,
        "num_leaves": 7 if small else 15,
        "max_depth": 6,  # keeps exact contributions cheap; no AUC is lost
        "min_data_in_leaf": 40 if small else 100,
        "lambda_l2": 20.0,
        "feature_fraction": 0.3 if small else 0.6,  # many features tell much the same
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    return {**usual, **(tuned or {})}


def grow(table: LabelTable, feature_names: tuple[str, ...], settings: Mapping[str, Any]) -> str:
    """LightGBM's text of the trees."""
    # Threads that spin while they wait make training four times slower on a machine that has
    # other work to do; LightGBM's runtime reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import lightgbm as lgb

    bound, names = with_constraints(settings, feature_names)
    data = lgb.Dataset(
        table.stacked,
        table.still_open.astype(np.float32),
        weight=table.weight,
        feature_name=names,
        params={"verbosity": -1},
    )
    rounds = bound.pop("num_iterations")
    return str(lgb.train(bound, data, num_boost_round=rounds).model_to_string())


def raw_scores(text: str, stacked: npt.NDArray[np.float32]) -> Floats:
    """The log-odds that trees say."""
    from models.trees import parse
    from models.treeshap import TabulatedTrees

    return TabulatedTrees(parse(text)).predict(stacked)


def with_constraints(
    settings: Mapping[str, Any], feature_names: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    """The settings with the directions that time may work in, and the names of all columns."""
    constraints = [0] * len(feature_names) + list(TIME_FEATURES.values())
    return {**settings, "monotone_constraints": constraints}, [*feature_names, *TIME_FEATURES]
