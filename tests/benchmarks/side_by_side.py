"""`make bench-models`: our model beside the usual ones, on the same features, origins and rows.

At each origin all learn from the same snapshots and matured labels, read the same columns (the
customer's curve among them) and answer the rows of the back-test's two tests. The peers' libraries
live in an environment of their own, for scikit-survival is GPL and never a dependency of ours.
A peer's answers are kept under build/ while its rows and its recipe stay the same.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # everybody on one core
sys.path.insert(0, str(Path(__file__).parent / "model_peers"))

import numpy as np
import pyarrow as pa
import rows
from handed_over import ASKED, LEARNED

from models import bootstrap
from models.horizons import HORIZONS_DAYS
from models.metrics import auc, brier, surprise
from pipelines import backtest, sources, synthetic
from pipelines.job import day_number
from pipelines.judged import CURVE, OURS, Judged, judged
from pipelines.ledger import Ledger

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "bench"
WORK = BUILD / "models"
PEERS_PYTHON = BUILD / "env-models" / "bin" / "python"
REAL = HERE.parents[2] / "shared" / "data" / "sap_items"

TWO = ("2018-06-15", "2018-09-15")
FIVE = ("2018-05-01", "2018-06-15", "2018-08-01", "2018-09-15", "2018-11-01")
CUSTOMERS, MONTHS = 300, 24  # of the invented ledger
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
NOISE = 0.003  # of log-loss: what a less is no difference
SURE = 1e-4  # the protocol's judge takes no probability nearer to 0 and 1
RISING = 1e-6
EVERY = 1_000_000


@dataclass(frozen=True)
class Peer:
    """A model in the table: its script, and how many snapshots it can learn from in minutes."""

    name: str
    script: str
    rows: int = EVERY


PEERS = {
    "lightgbm": Peer("one LightGBM per horizon", "with_lightgbm"),
    "catboost": Peer("CatBoost per horizon", "with_catboost", 40_000),
    "xgboost": Peer("XGBoost per horizon", "with_xgboost"),
    "hist": Peer("HistGradientBoosting per horizon", "with_histgradientboosting"),
    "cox": Peer("Cox regression", "with_cox", 20_000),
    "forest": Peer("random survival forest", "with_survival_forest", 5_000),
}
NAMES = {
    "ours": "Puntuale",
    "curve": "the customer's curve",
    **{key: peer.name for key, peer in PEERS.items()},
}


@dataclass(frozen=True)
class Contest:
    """What everybody said of the same rows, what came, and what it cost to learn."""

    rows: Judged
    said: dict[str, np.ndarray]  # by model: (n, horizons)
    cpu_s: dict[str, float]
    learned_rows: dict[str, int]  # at most for one horizon and origin


def ledger_and_origins(asked: str, *, invented: bool = False) -> tuple[Ledger, list[date], str]:
    """The real ledger at its origins; where it is absent an invented one, at two of its own."""
    if REAL.is_dir() and not invented:
        ledger = sources.read(REAL, mapping="sap_items").ledger
        origins = FIVE if asked == "all" else TWO
        return ledger, [date.fromisoformat(day) for day in origins], "real items of four companies"
    print("an invented ledger, not ../shared/data/sap_items", flush=True)
    ledger = synthetic.generate(customers=CUSTOMERS, months=MONTHS)[0]
    back = (180, 270) if asked != "all" else (150, 180, 210, 240, 270)
    return ledger, [synthetic.UNTIL - timedelta(days=d) for d in back], "an invented ledger"


def hold(ledger: Ledger, origins: list[date], *, seed: int) -> Contest:
    """Everybody learns and answers, origin by origin."""
    told: list[pa.Table] = []
    answers: dict[str, list[np.ndarray]] = {key: [] for key in PEERS}
    cpu_s, learned = dict.fromkeys(NAMES, 0.0), dict.fromkeys(NAMES, 0)
    for origin in origins:
        day, folder = day_number(origin), WORK / origin.isoformat()
        began = time.process_time()
        model = backtest.train(ledger, cut_off=day, seed=seed)
        spent = time.process_time() - began
        told.append(backtest.predict(ledger, model, origin=day))
        made = rows.write(folder, ledger, origin=day, predictions=told[-1], seed=seed)
        cpu_s["ours"] += spent
        learned["ours"] = max(learned["ours"], made.learned)
        print(f"{origin} {made}: Puntuale {spent:.0f} CPU s", flush=True)
        for key, peer in PEERS.items():
            said = answered(peer, folder, day)
            answers[key].append(said["p"])
            cpu_s[key] += float(said["cpu_s"])
            learned[key] = max(learned[key], int(said["rows"]))
            line = f"{float(said['cpu_s']):.0f} CPU s, {int(said['rows']):,} rows, {said['note']}"
            print(f"{origin} {peer.name}: {line}", flush=True)
    seen = judged(pa.concat_tables(told), ledger)
    said_by = {"ours": seen.said[OURS], "curve": seen.said[CURVE]}
    said_by |= {key: np.concatenate(parts) for key, parts in answers.items()}
    return Contest(seen, said_by, cpu_s, learned)


def answered(peer: Peer, folder: Path, cut_off: int) -> dict[str, Any]:
    """A peer's answers, kept from the last time if its rows and its recipe are the same."""
    names = (peer.script, "handed_over", "boosted")
    scripts = [HERE / "model_peers" / f"{name}.py" for name in names]
    same = hashlib.sha256(f"{cut_off} {peer.rows}".encode())
    for path in (*scripts, HERE / "peers-models.txt", folder / LEARNED, folder / ASKED):
        same.update(path.read_bytes())
    kept = folder / f"{peer.script}-{same.hexdigest()[:16]}.npz"
    if not kept.exists():
        command = [str(PEERS_PYTHON), "-W", "ignore", str(scripts[0]), str(folder)]
        command += ["--cut-off", str(cut_off), "--rows", str(peer.rows), "--answers", str(kept)]
        subprocess.run(command, check=True, env=os.environ | ONE_THREAD)
    with np.load(kept) as held:
        return dict(held)


def cells(contest: Contest, *, seed: int) -> list[dict[str, Any]]:
    """For each test, horizon and model: its scores, and what it loses against ours by customer."""
    seen, out = contest.rows, []
    for test in ("issue", "portfolio"):
        for h, horizon in enumerate(HORIZONS_DAYS):
            among = (seen.test == test) & ~np.isnan(seen.came[:, h])
            y, customer = seen.came[among, h], seen.customer[among]
            p = {key: np.clip(said[among, h], SURE, 1 - SURE) for key, said in contest.said.items()}
            loss = np.column_stack([surprise(y, p[key]) for key in NAMES])
            gap = loss - loss[:, :1]
            between = bootstrap.intervals(
                lambda w, gap=gap: w @ gap / w.sum(axis=1, keepdims=True), customer, seed=seed
            )
            for at, key in enumerate(NAMES):
                out.append(
                    {
                        "test": test,
                        "horizon": horizon,
                        "model": key,
                        "rows": len(y),
                        "late": float(y.mean()),
                        "log_loss": float(loss[:, at].mean()),
                        "gap": float(gap[:, at].mean()),
                        "gap_low": float(between[at, 0]),
                        "gap_high": float(between[at, 1]),
                        "auc": auc(y, p[key]),
                        "brier": brier(y, p[key]),
                    }
                )
    return out


def incoherent(contest: Contest) -> dict[str, float]:
    """The share of rows of which a longer delay is called the more probable one."""
    seen = contest.rows
    shares = {}
    for key, said in contest.said.items():
        rises = np.diff(np.where(np.isnan(said), 0, said), axis=1) > RISING
        shares[key] = float(rises.any(axis=1).mean()) if len(seen.test) else float("nan")
    return shares


def row(*parts: object) -> str:
    return "| " + " | ".join(str(part) for part in parts) + " |"


def overview(contest: Contest, told: list[dict[str, Any]], wrong: dict[str, float]) -> list[str]:
    """One line for each model: its log-loss everywhere, and what it costs."""
    places = [(test, h) for test in ("issue", "portfolio") for h in HORIZONS_DAYS]
    least = {place: min(c["log_loss"] for c in told if at(c) == place) for place in places}
    heads = [f"{test} > {h}" for test, h in places]
    lines = [row("log-loss", *heads, "incoherent", "rows", "CPU s"), row(*["---"] * 12)]
    for key, name in NAMES.items():
        losses = {at(c): c["log_loss"] for c in told if c["model"] == key}
        shown = [
            f"**{losses[place]:.4f}**" if losses[place] == least[place] else f"{losses[place]:.4f}"
            for place in places
        ]
        cost = (f"{contest.learned_rows[key]:,}", f"{contest.cpu_s[key]:.0f}")
        lines.append(
            row(name, *shown, f"{wrong[key]:.1%}", *(("", "") if key == "curve" else cost))
        )
    return lines


def at(cell: dict[str, Any]) -> tuple[str, int]:
    return cell["test"], cell["horizon"]


def details(told: list[dict[str, Any]]) -> list[str]:
    heads = ("test", "days late >", "rows", "model", "log-loss", "against ours", "90 % interval")
    lines = [row(*heads, "AUC", "Brier"), row(*["---"] * 9)]
    for c in told:
        between = f"{c['gap_low']:+.4f} to {c['gap_high']:+.4f}"
        against = ("", "") if c["model"] == "ours" else (f"{c['gap']:+.4f}", between)
        scores = (f"{c['auc']:.3f}", f"{c['brier']:.4f}")
        who = (c["test"], c["horizon"], f"{c['rows']:,}", NAMES[c["model"]])
        lines.append(row(*who, f"{c['log_loss']:.4f}", *against, *scores))
    return lines


def figures(told: list[dict[str, Any]], wrong: dict[str, float]) -> dict[str, float]:
    """Each log-loss, the best peer's distance from ours (below 0: it is better), in how many
    places ours is first or within noise of first, and where surely not."""
    out = {f"logloss_{c['test']}_{c['horizon']}_{c['model']}": c["log_loss"] for c in told}
    best = {}
    for place in dict.fromkeys(at(c) for c in told):
        peers = [c for c in told if at(c) == place and c["model"] != "ours"]
        best[place] = min(peers, key=lambda c: c["gap"])
        out[f"best_peer_gap_{place[0]}_{place[1]}"] = best[place]["gap"]
    out["places"] = len(best)
    out["places_first"] = sum(c["gap"] >= 0 for c in best.values())
    out["places_first_or_within_noise"] = sum(c["gap"] >= -NOISE for c in best.values())
    out["places_surely_behind"] = sum(
        c["gap"] < -NOISE and c["gap_high"] < 0 for c in best.values()
    )
    return out | {f"incoherent_{key}": share for key, share in wrong.items()}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--origins", choices=("two", "all"), default="two")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--invented", action="store_true", help="an invented ledger in any case")
    options = asked.parse_args()
    ledger, origins, about = ledger_and_origins(options.origins, invented=options.invented)
    contest = hold(ledger, origins, seed=options.seed)
    told, wrong = cells(contest, seed=options.seed), incoherent(contest)
    lines = [f"{about}, {', '.join(map(str, origins))}", "", *overview(contest, told, wrong)]
    lines += ["", *details(told)]
    (BUILD / "models.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = {
        "figures": figures(told, wrong),
        "ledger": about,
        "origins": [day.isoformat() for day in origins],
        "cells": told,
        "cpu_s": contest.cpu_s,
        "rows": contest.learned_rows,
    }
    (BUILD / "models.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    print("\n".join(lines))
    print(json.dumps(result["figures"], indent=2))


if __name__ == "__main__":
    main()
