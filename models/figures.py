"""The pictures logged with a training run: is it calibrated, and what does it look at."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from models.looked_at import Explained
from models.metrics import Bin


def reliability(by_horizon: Mapping[str, Sequence[Bin]]) -> Figure:
    """What was said against what came, one line per horizon; on the diagonal both are equal."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for name, groups in by_horizon.items():
        axes.plot(
            [g.predicted for g in groups], [g.observed for g in groups], marker="o", label=name
        )
    axes.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
    if by_horizon:
        axes.legend()
    return figure


def importance(gain_by_feature: Mapping[str, float], *, shown: int = 25) -> Figure:
    """The features that the trees gain most from, as shares of the whole gain."""
    total = sum(gain_by_feature.values()) or 1.0
    largest = sorted(gain_by_feature.items(), key=lambda item: (-item[1], item[0]))[:shown]
    figure = Figure(figsize=(7, 1 + 0.28 * max(len(largest), 1)), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in largest], [100 * gain / total for _, gain in largest])
    axes.invert_yaxis()
    axes.set(xlabel="share of the gain, %")
    return figure


def gains(tree_text: str) -> dict[str, float]:
    """How much the trees gain from each feature, from LightGBM's own count."""
    import lightgbm

    trees = lightgbm.Booster(model_str=tree_text)
    gain = trees.feature_importance(importance_type="gain")
    return dict(zip(trees.feature_name(), map(float, gain), strict=True))


def shap_summary(told: Explained, *, shown: int = 20) -> Figure:
    """One point for each row and feature: how far it pushes, darker where the value is high."""
    largest = told.largest(shown)
    figure = Figure(figsize=(8, 1 + 0.32 * max(len(largest), 1)), layout="constrained")
    axes = figure.subplots()
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, len(told.values))
    for place, at in enumerate(largest):
        value = told.values[:, at]
        known = ~np.isnan(value)
        height = np.argsort(np.argsort(value[known])) / max(known.sum() - 1, 1)
        pushed = told.contributions[:, at]
        axes.scatter(pushed[~known], place + spread[~known], s=6, color="0.8")
        axes.scatter(
            pushed[known], place + spread[known], s=6, c=height, cmap="viridis_r", vmin=0, vmax=1
        )
    axes.axvline(0, color="0.7", linewidth=1)
    axes.set_yticks(range(len(largest)), [told.names[at] for at in largest])
    axes.invert_yaxis()
    axes.set(xlabel="contribution to the log-odds; dark: a high value, grey: a missing one")
    return figure


def shap_dependence(told: Explained, *, shown: int = 6) -> Figure:
    """For the largest features, what each value contributes."""
    largest = told.largest(shown)
    rows = max(-(-len(largest) // 3), 1)
    figure = Figure(figsize=(10, 3 * rows), layout="constrained")
    grid = figure.subplots(rows, 3, squeeze=False).ravel()
    for axes, at in zip(grid, largest, strict=False):
        axes.scatter(told.values[:, at], told.contributions[:, at], s=8)
        axes.axhline(0, color="0.7", linewidth=1)
        axes.set(xlabel=told.names[at], ylabel="contribution")
    for axes in grid[len(largest) :]:
        axes.set_axis_off()
    return figure
