import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import bundle
from pipelines import sources
from pipelines.ledger import Ledger
from pipelines.scoring import score
from pipelines.store import ScoreStore
from pipelines.tables import TABLES
from serving.app import create_app
from serving.request_ledger import HISTORY
from tests import small_company
from tests.small_company import AS_OF

pytestmark = small_company.QUIET_MLFLOW


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return sources.read(small_company.ledger_folder(), today=AS_OF).ledger


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger) -> Path:
    """A home with a trained model that answers and the scores of a night."""
    settings = small_company.settings(tmp_path_factory.mktemp("served"))
    small_company.crowned(settings)
    store, model = ScoreStore(settings.scores_folder), bundle.champion(settings.models_folder)
    scores = score(ledger, int(np.datetime64(AS_OF).astype(int)), model)
    with store.writing() as run:
        store.publish(AS_OF, scores, run=run)
    return settings.home


@pytest.fixture(scope="module")
def served(home, running_on):
    with running_on(create_app(small_company.settings(home), today=lambda: AS_OF)) as client:
        yield client


@pytest.fixture(scope="module")
def worklist(served):
    return served.get("/v1/worklist?limit=200").json()


def as_request(ledger: Ledger, *customer_ids: str) -> dict[str, Any]:
    """The rows about some customers, as an integrator would send them."""
    return {
        "as_of": AS_OF.isoformat(),
        "customers": [
            _message("customers", row)
            | {
                name: [_message(name, r) for r in _rows(ledger, name, row["customer_id"])]
                for name in HISTORY
            }
            for row in ledger.customers.to_pylist()
            if row["customer_id"] in customer_ids
        ],
    }


def _rows(ledger: Ledger, name: str, customer_id: str) -> list[dict[str, Any]]:
    own = {
        row["invoice_id"]
        for row in ledger.invoices.to_pylist()
        if row["customer_id"] == customer_id
    }
    return [
        {column: value for column, value in row.items() if column != "customer_id"}
        for row in getattr(ledger, name).to_pylist()
        if row.get("customer_id") == customer_id or row.get("invoice_id") in own
    ]


def _message(name: str, row: dict[str, Any]) -> dict[str, Any]:
    message = {}
    for column in TABLES[name].columns:
        value = row.get(column.stored)
        if value is not None:
            value = value / 100 if column.kind == "amount" else value
            message[column.name] = value.isoformat() if isinstance(value, date) else value
    return message


def test_a_request_is_answered_with_the_numbers_of_the_night_to_the_bit(served, ledger, worklist):
    """B47: one customer alone, some together and the whole portfolio agree."""
    customers = list(dict.fromkeys(i["customer_id"] for i in worklist["invoices"]))[:6]
    stored = {
        invoice["invoice_id"]: invoice
        for customer in customers
        for invoice in served.get(f"/v1/customers/{customer}").json()["customer"]["invoices"]
    }
    together = served.post("/v1/scores", json=as_request(ledger, *customers)).json()["invoices"]
    assert len(together) > 6
    assert {invoice["invoice_id"]: invoice for invoice in together} == stored

    alone = served.post("/v1/scores", json=as_request(ledger, customers[0])).json()["invoices"]
    assert alone == [i for i in together if i["customer_id"] == customers[0]]


def test_the_order_of_a_request_changes_no_bit(served, ledger, worklist):
    """B46."""
    customers = list(dict.fromkeys(i["customer_id"] for i in worklist["invoices"]))[:3]
    asked = as_request(ledger, *customers)
    turned = {
        "as_of": asked["as_of"],
        "customers": [
            {k: v[::-1] if isinstance(v, list) else v for k, v in customer.items()}
            for customer in asked["customers"][::-1]
        ],
    }
    straight, again = (
        served.post("/v1/scores", json=each).json()["invoices"] for each in (asked, turned)
    )
    assert sorted(map(json.dumps, straight)) == sorted(map(json.dumps, again))


def test_reasons_add_up_to_the_probability_they_explain(worklist):
    for invoice in worklist["invoices"]:
        told = invoice["base_probability"] + sum(r["points"] for r in invoice["reasons"])
        assert told == pytest.approx(invoice[invoice["reasons_for"]], abs=1e-6)
        assert invoice["reasons"][-1]["feature_group"] == "everything_else"


@pytest.mark.parametrize("settled", [0, 1, 2])
def test_a_customer_with_hardly_any_history_is_scored_and_says_so(served, settled):
    """A86."""
    invoices = [
        {"invoice_id": f"I-{i}", "issue_date": "2026-05-01", "due_date": "2026-05-31", "amount": 50}
        for i in range(settled + 1)
    ]
    payments = [
        {"invoice_id": f"I-{i}", "paid_on": "2026-06-10", "amount": 50} for i in range(settled)
    ]
    customer = {"customer_id": "NEW", "invoices": invoices, "payments": payments}
    answer = served.post(
        "/v1/scores", json={"as_of": AS_OF.isoformat(), "customers": [customer]}
    ).json()
    (scored,) = answer["invoices"]
    assert scored["invoice_id"] == f"I-{settled}"
    assert scored["history_level"] == ("thin" if settled else "none")


def test_an_invoice_of_the_day_is_scored_when_it_is_named(served):
    invoice = {
        "invoice_id": "TODAY",
        "issue_date": AS_OF.isoformat(),
        "due_date": "2026-08-01",
        "amount": 100,
    }
    request = {
        "as_of": AS_OF.isoformat(),
        "customers": [{"customer_id": "NEW", "invoices": [invoice]}],
        "invoice_ids": ["TODAY"],
    }
    (scored,) = served.post("/v1/scores", json=request).json()["invoices"]
    assert scored["days_past_due"] < 0
    assert scored["open_amount"] == 100


def test_the_service_is_ready_and_tells_its_model(served):
    ready = served.get("/readyz").json()
    assert ready["status"] == "ready"
    model = served.get("/v1/model").json()
    assert model["version"] == ready["model_version"]
    assert model["horizons_days"] == [0, 30, 60, 90, 180]
    assert model["facts"]["cut_off"] == AS_OF.isoformat()
    assert "model.txt" in model["files"]


def test_a_damaged_model_is_not_loaded_and_the_night_is_served(served, home, tmp_path, running_on):
    """F13."""
    settings = small_company.settings(tmp_path / "damaged")
    version = small_company.crowned(settings)
    trees = settings.models_folder / version / "model.txt"
    trees.write_bytes(trees.read_bytes()[:-1000])
    with running_on(create_app(settings, today=lambda: AS_OF)) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "model.txt" in ready.json()["detail"]
        assert client.get("/healthz").status_code == 200


# what a served process holds after it has scored and shown a page
SERVE = """
import asyncio, json, sys, httpx
from serving.process import KEPT_OUT, service

async def ask():
    app = service()
    async with app.router.lifespan_context(app):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
        async with http:
            answers = [
                await http.post("/v1/scores", json=json.loads(sys.stdin.read())),
                await http.get("/v1/worklist"),
                await http.get("/"),
            ]
    return [answer.status_code for answer in answers]

print(*asyncio.run(ask()), "found:", *(name for name in KEPT_OUT if name in sys.modules))
"""


def test_a_process_that_has_scored_holds_no_library_of_training(home, ledger, worklist):
    asked = as_request(ledger, worklist["invoices"][0]["customer_id"])
    served = subprocess.run(
        [sys.executable, "-c", SERVE],
        env=os.environ | {"PUNTUALE_HOME": str(home), "PUNTUALE_HOST": "localhost"},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert served.returncode == 0, served.stderr
    assert served.stdout.split() == ["200", "200", "200", "found:"]
