"""`python tests/benchmarks/training_at_scale.py`: one recipe on all rows, a sample and a cluster.

Everybody knows what was known before one origin and answers the rows of the back-test's two tests.
Differences are paired by row, their standard errors over customers. The cluster is one of this
machine; what it shows is that the trees are as good, not that they are grown sooner.
"""

import argparse
import time

import numpy as np
import pyarrow as pa
from side_by_side import BUILD, ledger_and_origins, row

from models.horizons import HORIZONS_DAYS
from models.late_payment import LatePaymentModel
from models.metrics import surprise
from pipelines import backtest
from pipelines.job import day_number
from pipelines.judged import CURVE, OURS, Judged, judged
from pipelines.learning import Learning
from pipelines.ledger import Ledger

SURE = 1e-4  # as in `side_by_side.py`
ALL = "all rows"


def mean_and_error(gap: np.ndarray, customer: np.ndarray) -> tuple[float, float]:
    """The mean, and its standard error where customers are independent of each other."""
    by_customer = np.bincount(customer, weights=gap - gap.mean())
    return float(gap.mean()), float(np.sqrt((by_customer**2).sum())) / len(gap)


def learned(
    ledger: Ledger, day: int, ways: dict[str, Learning]
) -> dict[str, tuple[LatePaymentModel, pa.Table]]:
    """Each way's model and what it says."""
    told = {}
    for name, way in ways.items():
        began = time.perf_counter()
        model = way.train(ledger, cut_off=day)
        told[name] = model, backtest.predict(ledger, model, origin=day)
        facts = {key: model.facts.get(key) for key in ("labels", "sample", "cluster")}
        print(f"{name}: {time.perf_counter() - began:.0f} s, weights {model.weights}, {facts}")
    return told


def losses(said: dict[str, np.ndarray], seen: Judged, test: str) -> dict[str, np.ndarray]:
    """The surprise of each answerer, rows by horizons, NaN where nothing has come yet."""
    among = seen.test == test
    came = seen.came[among]
    return {
        name: np.where(
            np.isnan(came), np.nan, surprise(np.nan_to_num(came), np.clip(p[among], SURE, 1 - SURE))
        )
        for name, p in said.items()
    }


def lines(said: dict[str, np.ndarray], seen: Judged) -> list[str]:
    """The table: log-loss by test and horizon, and what each loses against all rows."""
    heads = [f"{test} > {h}" for test in ("issue", "portfolio") for h in HORIZONS_DAYS]
    out = [row("log-loss", *heads), row(*["---"] * (len(heads) + 1))]
    loss = {test: losses(said, seen, test) for test in ("issue", "portfolio")}
    for name in said:
        cells = [f"{v:.4f}" for test in loss for v in np.nanmean(loss[test][name], axis=0)]
        out.append(row(name, *cells))
    for name in said:
        for test in loss:
            gap = np.nanmean(loss[test][name] - loss[test][ALL], axis=1)
            known = ~np.isnan(gap)
            mean, error = mean_and_error(gap[known], seen.customer[seen.test == test][known])
            if name != ALL:
                out.append(f"{name}, {test}, all horizons: {mean:+.4f} ± {error:.4f}")
    return out


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--sample", type=float, default=0.3)
    asked.add_argument("--workers", type=int, default=2, help="of the local cluster")
    asked.add_argument("--invented", action="store_true", help="an invented ledger in any case")
    options = asked.parse_args()
    ledger, origins, about = ledger_and_origins("two", invented=options.invented)
    day = day_number(origins[0])
    ways = {
        ALL: Learning(),
        f"a sample of {options.sample:g}": Learning(share=options.sample),
        f"a cluster of {options.workers}": Learning(scheduler="local", workers=options.workers),
    }
    told = learned(ledger, day, ways)
    seen = {name: judged(predicted, ledger) for name, (_, predicted) in told.items()}
    said = {name: part.said[OURS] for name, part in seen.items()}
    said["the customer's curve"] = seen[ALL].said[CURVE]
    table = [f"{about}, {origins[0]}", "", *lines(said, seen[ALL])]
    (BUILD / "training_at_scale.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
