"""`make bench-explain`: the same rows explained with the same model, ours and the peers'.

Every engine runs in a process of its own pinned to one core, on rows in memory; what it prepares
once for a model, imports and compilation are not counted. Answers are compared with LightGBM's.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "explainers"))

import ledger_and_model
import lightgbm

from models import trees
from models.treeshap import TabulatedTrees

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "bench"
WORK = BUILD / "explain"
PEERS = BUILD / "env-explain" / "bin" / "python"
SAME = 1e-5  # two contributions nearer than this may change places
REASONS = 5
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
Said = dict[str, Any]


def run(script: str, rows: str, *options: str, peer: bool = True) -> Said:
    """What an engine's process says of its run."""
    python = str(PEERS) if peer else sys.executable
    command = [python, str(HERE / "explainers" / f"{script}.py"), str(WORK / "model.txt")]
    command += [str(WORK / rows), *options]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | ONE_THREAD
    )
    said: Said = json.loads(done.stdout.splitlines()[-1])
    return said


def cost(said: Said) -> float:
    """CPU microseconds a row."""
    return 1e6 * float(said["cpu_s"]) / float(said["rows"])


def exactness() -> Said:
    """Ours against `pred_contrib` on the hard rows: missing values, thresholds, and beside them."""
    ours = TabulatedTrees(trees.parse((WORK / "model.txt").read_text(encoding="utf-8")))
    X, theirs = np.load(WORK / "hard.npy"), np.load(WORK / "lightgbm.npy")
    told, raw = ours.explain(X)
    plain = lightgbm.Booster(model_file=WORK / "model.txt").predict(X, raw_score=True)
    order, other = (np.argsort(-np.abs(c), axis=1, kind="stable") for c in (told, theirs[:, :-1]))
    order, other = order[:, : REASONS + 1], other[:, : REASONS + 1]
    sizes = np.take_along_axis(np.abs(told), order, axis=1)
    clear = (-np.diff(sizes, axis=1) > SAME).all(axis=1)
    same = (order[:, :REASONS] == other[:, :REASONS]).all(axis=1)
    return {
        "rows": len(X),
        "missing_share": float(np.isnan(X).mean()),
        "max_abs_error": float(np.abs(told - theirs[:, :-1]).max()),
        "base_error": abs(ours.base - float(theirs[0, -1])),
        "raw_error": float(np.abs(raw - plain).max()),
        "additivity_error": float(np.abs(ours.base + told.sum(axis=1, dtype=float) - raw).max()),
        "rows_with_clear_reasons": int(clear.sum()),
        "rows_with_other_reasons": int((clear & ~same).sum()),
    }


def apart(name: str, rows: str) -> float:
    """How far a peer's answers are from ours on the rows that it saved."""
    theirs = np.load(WORK / f"{name}.npy")
    ours = TabulatedTrees(trees.parse((WORK / "model.txt").read_text(encoding="utf-8")))
    X = np.load(WORK / rows, mmap_mode="r")[: len(theirs)]
    told = ours.explain(X)[0]
    return float(np.abs(told - theirs[:, : told.shape[1]]).max())


def portfolio(size: int) -> Said:
    script = [sys.executable, str(HERE / "explainers" / "portfolio.py"), str(WORK)]
    done = subprocess.run(
        [*script, "--count", str(size)], check=True, stdout=subprocess.PIPE, text=True
    )
    said: Said = json.loads(done.stdout.splitlines()[-1])
    return said


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rows", type=int, default=1_000_000)
    asked.add_argument("--checked-rows", type=int, default=20_000, help="of woodelf's answers")
    asked.add_argument("--portfolios", type=int, nargs="+", default=[250_000, 500_000, 1_000_000])
    options = asked.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    ledger_and_model.write(WORK, options.rows)

    lines: list[str] = []

    def line(*cells: object) -> None:
        lines.append(row(*cells))
        print(lines[-1], flush=True)

    line("engine", "rows", "CPU µs/row", "rows/CPU-s", "peak MB", "ours is faster", "from ours by")
    line(*["---"] * 7)
    ours = run("with_puntuale", "rows.npy", peer=False)

    def told(name: str, said: Said, difference: object = "", *, beside: Said = ours) -> float:
        ratio = cost(said) / cost(beside)
        per_second = f"{said['rows'] / said['cpu_s']:,.0f}"
        cells = (name, f"{said['rows']:,}", f"{cost(said):,.2f}", per_second)
        line(*cells, f"{said['peak_mb']:,.0f}", f"{ratio:,.1f}", difference)
        return ratio

    told("puntuale", ours)
    ours_hard = run("with_puntuale", "hard.npy", peer=False)
    told("puntuale, hard rows", ours_hard)
    plain = told("LightGBM predict, no contributions", run("with_lightgbm", "rows.npy", "--plain"))
    save = ("--save", str(WORK / "lightgbm.npy"))
    contributions = run("with_lightgbm", "hard.npy", *save)
    exact = exactness()
    error = f"{exact['max_abs_error']:.1e}"
    name = "LightGBM pred_contrib, hard rows"
    lightgbm_ratio = told(name, contributions, error, beside=ours_hard)
    said = run("with_shap", "hard.npy", "--save", str(WORK / "shap.npy"))
    error = f"{apart('shap', 'hard.npy'):.1e}"
    shap_ratio = told("shap.TreeExplainer, hard rows", said, error, beside=ours_hard)
    some = ("--count", str(options.checked_rows))
    run("with_woodelf", "rows.npy", *some, "--save", str(WORK / "woodelf.npy"))
    said = run("with_woodelf", "rows.npy")
    woodelf_ratio = told("woodelf", said, f"{apart('woodelf', 'rows.npy'):.1e}")

    one = run("with_puntuale", "hard.npy", "--one-by-one", peer=False)
    peer_one = run("with_lightgbm", "hard.npy", "--one-by-one")
    lines.append("")
    line("one row at a time", "p50 ms", "p99 ms")
    line(*["---"] * 3)
    for name, said in (("puntuale", one), ("LightGBM pred_contrib", peer_one)):
        line(name, f"{said['p50_ms']:.3f}", f"{said['p99_ms']:.3f}")

    lines.append("")
    line("portfolio, 2 cores", "rows", "wall s", "rows/s", "CPU µs/row", "told in words", "peak MB")
    line(*["---"] * 7)
    portfolios = [portfolio(size) for size in options.portfolios]
    for said in portfolios:
        per_second, words = f"{said['rows'] / said['wall_s']:,.0f}", f"{said['told']:,}"
        cells = ("", f"{said['rows']:,}", f"{said['wall_s']:.1f}", per_second)
        line(*cells, f"{cost(said):.1f}", words, f"{said['peak_mb']:,.0f}")

    first, last = portfolios[0], portfolios[-1]
    figures = {
        "ratio_pred_contrib": lightgbm_ratio,
        "ratio_shap": shap_ratio,
        "ratio_woodelf": woodelf_ratio,
        "ratio_predict": plain,
        "max_abs_error": exact["max_abs_error"],
        "one_row_ms": one["p50_ms"],
        "ratio_one_row": peer_one["p50_ms"] / one["p50_ms"],
        "portfolio_rows_per_s": last["rows"] / last["wall_s"],
        "portfolio_growth": (last["wall_s"] / last["rows"]) / (first["wall_s"] / first["rows"]),
    }
    (BUILD / "explain.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = {"figures": figures, "exactness": exact, "portfolios": portfolios, "one_row": one}
    (BUILD / "explain.json").write_text(json.dumps(result, indent=2), encoding="utf-8")
    print(json.dumps({**figures, **exact}, indent=2))


if __name__ == "__main__":
    main()
