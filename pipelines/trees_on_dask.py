"""Trees on Dask: `lightgbm.dask` grows them over tables of labels that a cluster's workers see."""

import re
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.growing import with_constraints
from models.label_table import LabelTable

# LightGBM's names, as its scikit-learn estimators spell them
SPELLED = {
    "num_iterations": "n_estimators",
    "min_data_in_leaf": "min_child_samples",
    "lambda_l1": "reg_alpha",
    "lambda_l2": "reg_lambda",
    "feature_fraction": "colsample_bytree",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "seed": "random_state",
}
# What a text of trees says of the network, and what it says where there was none: a model must not
# tell anybody the cluster's addresses, and their ports differ each time.
NO_NETWORK = {
    "num_machines": "1",
    "local_listen_port": "12400",
    "time_out": "120",
    "machines": "",
    "num_threads": "0",
}


def dealt(client: Any, tables: Sequence[Path]) -> list[tuple[str, list[Path]]]:
    """Which worker holds which tables: the same each time, by the workers' names."""
    about = client.scheduler_info(n_workers=-1)["workers"]
    named = sorted((str(told["name"]), address) for address, told in about.items())
    hands = [(address, list(tables[at :: len(named)])) for at, (_, address) in enumerate(named)]
    return [(address, hand) for address, hand in hands if hand]


def grow(
    client: Any,
    tables: Sequence[Path],
    feature_names: tuple[str, ...],
    settings: Mapping[str, Any],
    *,
    before: int | None,
) -> str:
    """LightGBM's text of trees grown by all workers, each on the rows of its tables.

    With `before`, on the labels that had matured before that day.
    """
    import dask.array
    from dask.delayed import delayed
    from lightgbm.dask import DaskLGBMRegressor

    arrays: Any = dask.array  # it has no types
    held = [
        client.submit(_rows, hand, before, workers=[address], pure=False)
        for address, hand in dealt(client, tables)
    ]
    shapes = client.gather([client.submit(_size, rows, pure=False) for rows in held])
    some = [(rows, shape) for rows, shape in zip(held, shapes, strict=True) if shape[0]]

    bound, names = with_constraints(settings, feature_names)
    x, y = (
        arrays.concatenate(
            [
                arrays.from_delayed(delayed(itemgetter(at))(rows), shape[: 2 - at], np.float32)
                for rows, shape in some
            ]
        )
        for at in (0, 1)
    )
    # The regressor, for it takes labels as they are: the objective is the same, and the
    # classifier asks for both of them on each worker.
    spelled = {SPELLED.get(name, name): value for name, value in bound.items()}
    # It tells of ports on the standard output, where programs may read.
    with client.as_current(), redirect_stdout(sys.stderr), warnings.catch_warnings():
        # it warns of a setting of its own, which nobody has made
        warnings.filterwarnings("ignore", "Parameter n_jobs will be ignored")
        trees = DaskLGBMRegressor(client=_InOrder(client), **spelled).fit(x, y, feature_name=names)
    return without_network(str(trees.booster_.model_to_string()))


class _InOrder:
    """A Dask client that tells who holds what in the order in which it was asked.

    LightGBM ranks the machines by the order of that answer, and Dask gives any: which of them
    finds the bins of which column, and so the trees, would differ from run to run.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def who_has(self, futures: Sequence[Any]) -> dict[str, Any]:
        told = self.client.who_has(futures)
        return {future.key: told[future.key] for future in futures}


def _rows(hand: Sequence[Path], before: int | None) -> tuple[npt.NDArray[np.float32], ...]:
    """What a worker's trees read, and the labels."""
    tables = [LabelTable.load(folder) for folder in hand]
    if before is not None:
        tables = [table.take(table.before(before)) for table in tables]
    return (
        np.concatenate([table.stacked for table in tables]),
        np.concatenate([table.still_open for table in tables]).astype(np.float32),
    )


def _size(rows: tuple[npt.NDArray[np.float32], ...]) -> tuple[int, int]:
    return rows[0].shape[0], rows[0].shape[1]


def without_network(text: str) -> str:
    """A text of trees as if there had been no cluster: the same trees."""
    for name, value in NO_NETWORK.items():
        text = re.sub(rf"(?m)^\[{name}: .*\]$", f"[{name}: {value}]", text)
    return text
