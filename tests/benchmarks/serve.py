"""`make bench-serve`: our answers beside a bare hello and MLflow's server, and what overload does.

All servers run the same way on one core, in turn; the load comes from another. Ratios are of one
run; CPU times are those of the server's process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "bench"
PEERS = HERE / "serving_peers"
OURS = (
    "from pipelines.settings import Settings; from serving.process import serve; serve(Settings())"
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
AS_OF = date(2026, 7, 1)
PORTS = {"hello": 8471, "ours": 8472, "mlflow": 8473, "mlflow-trees": 8474}
START_SECONDS = 120
TICKS = os.sysconf("SC_CLK_TCK")


def request_of(history: int) -> dict[str, Any]:
    """One open invoice of a customer with so many settled ones."""
    invoices, payments = [], []
    for n in range(history + 1):
        due = AS_OF - timedelta(days=10 + 3 * n)
        issued = due - timedelta(days=30)
        row = {"invoice_id": f"F-{n}", "amount": 1000.5 + n}
        invoices.append(row | {"issue_date": str(issued), "due_date": str(due)})
        if n:
            paid = min(due + timedelta(days=n % 25), AS_OF - timedelta(days=1))
            payments.append(row | {"paid_on": str(paid)})
    customer = {"customer_id": "C-1", "invoices": invoices, "payments": payments}
    return {"as_of": AS_OF.isoformat(), "customers": [customer]}


@contextmanager
def running(name: str, command: list[str], *, ready: str, **env: str) -> Iterator[int]:
    """The process id of a server that answers, ended afterwards."""
    cores = sorted(os.sched_getaffinity(0))
    with (BUILD / f"serve-{name}.log").open("w") as log:
        started = subprocess.Popen(
            command,
            env=os.environ | ONE_THREAD | env,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, cores[:1]),
        )
    try:
        _wait(f"http://127.0.0.1:{PORTS[name]}{ready}", started)
        yield started.pid
    finally:
        started.terminate()
        started.wait(60)


def _wait(address: str, started: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and started.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"no server answers at {address}")


def ask(name: str, path: str, **options: Any) -> dict[str, Any]:
    """What a load came back with."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, str(PEERS / "asking.py"), str(PORTS[name]), path]
    for option, value in options.items():
        command += [f"--{option}", str(value)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores[-1:]),
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def cpu_s(pid: int) -> float:
    """What a process and its children have used until now."""
    pids = [pid, *_children(pid)]
    used = 0
    for each in pids:
        fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS


def _children(pid: int) -> list[int]:
    own = [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return own + [n for child in own for n in _children(child)]


def cpu_ms_each(pid: int, name: str, path: str, count: int, **options: Any) -> float:
    before = cpu_s(pid)
    ask(name, path, count=count, **options)
    return (cpu_s(pid) - before) * 1000 / (count + 20)


def p(share: float, seconds: list[float]) -> float:
    return float(np.quantile(seconds, share)) * 1000 if seconds else float("nan")


def prepare(folder: Path) -> tuple[Path, str, list[dict[str, Any]]]:
    """A home with a trained model and the scores of a night; an invoice that they know, and what
    the model looks at of it."""
    from models import bundle
    from pipelines import given, scoring, sources, synthetic
    from pipelines.settings import Settings
    from pipelines.store import ScoreStore

    ledger_folder = folder / "ledger"
    synthetic.write(ledger_folder, customers=40, months=18)
    ledger = sources.read(ledger_folder, today=AS_OF).ledger
    settings = Settings(_env_file=None, home=folder / "home")
    _crown(ledger, settings.models_folder, folder)
    day = int(np.datetime64(AS_OF).astype(int))
    model = bundle.champion(settings.models_folder)
    assert model is not None
    scores = scoring.score(ledger, day, model)
    with ScoreStore(settings.scores_folder).writing() as run:
        ScoreStore(settings.scores_folder).publish(AS_OF, scores, run=run)
    invoice = str(scores["invoice_id"][0].as_py())
    return settings.home, invoice, given.looked_at(ledger, day, model, invoices=[invoice])


def features_request(looked_at: list[dict[str, Any]]) -> dict[str, Any]:
    """What `GET /v1/features/{id}` answers, of a customer with so much history as it has."""
    from serving.given_features import as_message

    return {"as_of": AS_OF.isoformat(), "invoices": [as_message(row) for row in looked_at]}


def _crown(ledger: Any, models: Path, folder: Path) -> None:
    from models import bundle
    from pipelines import promotion

    files = folder / "files"
    files.mkdir()
    promotion.learn(ledger, cut_off=AS_OF).save(files)
    version = bundle.version_of(files, cut=AS_OF.isoformat())
    made = models / version
    bundle.export(files, to=made, version=version, created_at=AS_OF.isoformat())
    bundle.crown(version, among=models)


def measured(folder: Path, *, count: int) -> dict[str, Any]:
    """Every figure of our server, and of hello's in the same minutes."""
    home, invoice, looked_at = prepare(folder)
    body, given = folder / "request.json", folder / "features.json"
    body.write_text(json.dumps(request_of(200)))
    given.write_text(json.dumps(features_request(looked_at), default=str))
    hello = [sys.executable, str(PEERS / "hello.py"), str(PORTS["hello"])]
    ours = {"PUNTUALE_HOME": str(home), "PUNTUALE_PORT": str(PORTS["ours"])}
    with (
        running("hello", hello, ready="/hello"),
        running("ours", [sys.executable, "-c", OURS], ready="/readyz", **ours) as pid,
    ):
        rounds: dict[str, list[float]] = {
            "hello": [],
            "stored": [],
            "stateless": [],
            "features": [],
        }
        for _ in range(5):  # in turn: what else the machine does touches them alike
            rounds["hello"] += ask("hello", "/hello", count=count)["accepted"]
            stored = f"/v1/invoices/{invoice}"
            rounds["stored"] += ask("ours", stored, count=count)["accepted"]
            for name, path, of in (
                ("stateless", "/v1/scores", body),
                ("features", "/v1/scores/from-features", given),
            ):
                rounds[name] += ask("ours", path, body=of, count=count // 4)["accepted"]
        ms = {name: p(0.5, took) for name, took in rounds.items()}
        cpu = cpu_ms_each(pid, "ours", "/v1/scores", count, body=body)
        of_features = cpu_ms_each(pid, "ours", "/v1/scores/from-features", count, body=given)

        peak = ask("ours", "/v1/scores", body=body, rate=1e4, seconds=3, wide=16)
        rate = len(peak["accepted"]) / 3
        half = ask("ours", "/v1/scores", body=body, rate=rate / 2, seconds=10)
        over = ask("ours", "/v1/scores", body=body, rate=rate * 10, seconds=10)
    return {
        "ms_p50": ms,
        "p50_over_hello_stateless": ms["stateless"] / ms["hello"],
        "p50_over_hello_features": ms["features"] / ms["hello"],
        "p50_over_hello_stored": ms["stored"] / ms["hello"],
        "p99_over_p50": p(0.99, half["accepted"]) / p(0.5, half["accepted"]),
        "peak_a_second": rate,
        "goodput_at_10x": len(over["accepted"]) / 10 / rate,
        "accepted_p99_ms_at_10x": p(0.99, over["accepted"]),
        "refused_p50_ms_at_10x": p(0.5, over["refused"]),
        "failed_accepted": half["failed"] + over["failed"],
        "cpu_ms_stateless": cpu,
        "cpu_ms_features": of_features,
    }


def mlflow_cpu_ms(folder: Path, *, count: int) -> dict[str, float]:
    """What MLflow's server spends on a request to the trees of the same model, features given.

    `mlflow` asks as much of our question as it can be asked: the five horizons of one invoice, each
    with the contributions that reasons are made of. `mlflow_one_prediction` asks for one horizon
    and no reasons. Both are compared with our answer from given features; `_from_history` is beside
    the one that reads 200 invoices first.
    """
    import lightgbm
    import mlflow

    trees = next((folder / "home" / "models").glob("*/model.txt"))
    booster = lightgbm.Booster(model_file=str(trees))
    whole, bare = folder / "mlflow-from-features", folder / "mlflow-trees"
    mlflow.pyfunc.save_model(
        str(whole),
        python_model=str(PEERS / "from_features.py"),
        artifacts={"trees": str(trees)},
        pip_requirements=["lightgbm"],
    )
    mlflow.lightgbm.save_model(booster, str(bare))
    names = booster.feature_name()
    return {
        "mlflow": _mlflow_cpu_ms("mlflow", whole, names, rows=5, count=count),
        "mlflow_one_prediction": _mlflow_cpu_ms("mlflow-trees", bare, names, rows=1, count=count),
    }


def _mlflow_cpu_ms(name: str, where: Path, names: list[str], *, rows: int, count: int) -> float:
    """On a port of its own: a server that was ended may go on answering on its own for a while."""
    body = where.with_suffix(".json")
    given = {"dataframe_split": {"columns": names, "data": [[0.0] * len(names)] * rows}}
    body.write_text(json.dumps(given))
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "-m", str(where)]
    command += ["-p", str(PORTS[name]), "--env-manager", "local", "--workers", "1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # MLflow starts uvicorn by name
    with running(name, command, ready="/ping", PATH=path) as pid:
        return cpu_ms_each(pid, name, "/invocations", count, body=body)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--count", type=int, default=400)
    asked.add_argument("--without-mlflow", action="store_true")
    options = asked.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as name:
        figures = measured(Path(name), count=options.count)
        told = tell(figures)
        if not options.without_mlflow:
            for peer, theirs in mlflow_cpu_ms(Path(name), count=100).items():
                figures[f"cpu_ms_{peer}"] = theirs
                figures[f"ratio_{peer}_server"] = theirs / figures["cpu_ms_features"]
                figures[f"ratio_{peer}_from_history"] = theirs / figures["cpu_ms_stateless"]
            told = tell(figures)
    print(told)


def tell(figures: dict[str, Any]) -> str:
    """Writes what is known so far, and gives it back."""
    ms = {"ms_p50": figures["ms_p50"]}
    told = {"figures": {k: v for k, v in figures.items() if k not in ms}, **ms}
    text = json.dumps(told, indent=2)
    (BUILD / "serve.json").write_text(text + "\n", encoding="utf-8")
    return text


if __name__ == "__main__":
    main()
