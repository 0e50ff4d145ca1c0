"""A service on scores written by hand, and a client that calls it as a browser or program would."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI

from models.bundle import Bundle, Manifest
from pipelines.ledger import Ledger
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving.app import create_app

AS_OF = date(2026, 6, 30)
CHROMIUM = Path("/usr/bin/chromium")


class Client:
    """A running application, called without a network."""

    def __init__(self, app: FastAPI, portal: Any) -> None:
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://localhost")
        self.portal, self.app = portal, app

    def __call__(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            return await self.http.request(method, path, **kwargs)

        answer: httpx.Response = self.portal.call(call)
        return answer

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        return self("POST", path, **kwargs)


@contextmanager
def running(app: FastAPI) -> Iterator[Client]:
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(app.router.lifespan_context(app)):
            client = Client(app, portal)
            yield client
            portal.call(client.http.aclose)


def settings(home: Path, **given: Any) -> Settings:
    mine = {"host": "127.0.0.1", "api_keys": ()} | given  # whatever the environment says
    return Settings(_env_file=None, home=home, **mine)


def score_row(**given: Any) -> dict[str, Any]:
    """A row of the scores table, with what a test wants to be different."""
    due = date(2026, 6, 10)
    row = {
        "invoice_id": "2026/000311",
        "customer_id": "C-0042",
        "customer_name": "Officine Meccaniche Brambilla S.r.l.",
        "company_code": None,
        "as_of": AS_OF,
        "issue_date": due - timedelta(days=30),
        "due_date": due,
        "due_business_date": due,
        "days_past_due": (AS_OF - due).days,
        "amount_cents": 423_500,
        "open_cents": 423_500,
        "p_late_0": 1.0,
        "p_late_30": 0.625,
        "p_late_60": 0.3125,
        "p_late_90": 0.125,
        "p_unpaid_180": 0.03125,
        "expected_date": date(2026, 7, 14),
        "date_lo": date(2026, 7, 2),
        "date_hi": date(2026, 9, 1),
        "mass_beyond": 0.015625,
        "expected_days_late": 41.5,
        "value_at_risk_cents": 52_938,
        "expected_loss_cents": 7_940,
        "cost_of_delay_cents": 4_815,
        "risk_band": "high",
        "cause_hint": {"code": "habit", "evidence": ["mostly_late"]},
        "reasons_for": "p_late_30",
        "base_probability": 0.25,
        "reasons": [
            {
                "feature_group": "delay_level",
                "feature": "delay_mean_365",
                "value": 24.0,
                "usual_value": 9.0,
                "points": 0.25,
            },
            {
                "feature_group": "everything_else",
                "feature": None,
                "value": None,
                "usual_value": None,
                "points": 0.125,
            },
        ],
        "signals": [
            {
                "code": "delay_drift",
                "since": date(2026, 5, 4),
                "before": 9.0,
                "now": 24.0,
                "severity": "high",
            }
        ],
        "action": {
            "code": "reminder_1",
            "channel": "email",
            "on": AS_OF,
            "why": "best_value",
            "expected_value_cents": 3_125,
            "effect_days": 4.0,
            "effect_lo": 1.0,
            "effect_hi": 7.0,
            "effect_source": "prior",
            "blocked_by": [],
            "alternatives": [{"code": "call", "expected_value_cents": 2_050}],
            "legal_basis": None,
            "missing_documents": [],
        },
        "history_level": "rich",
        "model_version": "2026-06-30-handmade00",
    }
    return row | given


def publish(home: Path, rows: list[dict[str, Any]]) -> None:
    store = ScoreStore(settings(home).scores_folder)
    with store.writing() as run:
        store.publish(rows[0]["as_of"], pa.Table.from_pylist(rows, schema=SCORE_SCHEMA), run=run)


def portfolio() -> list[dict[str, Any]]:
    """Four invoices of three customers, worth contacting in this order."""
    other = {"code": "statement", "expected_value_cents": 900}
    return [
        score_row(),
        score_row(
            invoice_id="2026/000312",
            open_cents=100_000,
            p_late_30=0.125,
            p_late_60=0.0625,
            p_late_90=0.03125,
            risk_band="medium",
            days_past_due=-9,
            signals=[],
            action=score_row()["action"] | other,
        ),
        score_row(
            invoice_id="INV-7",
            customer_id="C-0007",
            customer_name="Bianchi & Figli",
            risk_band="critical",
            action=score_row()["action"] | {"code": "call", "expected_value_cents": 2_000},
        ),
        score_row(
            invoice_id="INV-9",
            customer_id="C-0009",
            customer_name=None,
            risk_band="low",
            signals=[],
            action=score_row()["action"]
            | {"code": "wait", "why": "nothing_pays", "expected_value_cents": 0},
            expected_date=None,
            date_lo=None,
            date_hi=None,
        ),
    ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium. While it is open an event loop runs: not longer than a module's tests."""
    if not CHROMIUM.exists():
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def scored_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("scored")
    publish(home, portfolio())
    return home


@pytest.fixture(scope="session")
def client(scored_home: Path) -> Iterator[Client]:
    """A service with last night's scores and no model."""
    app = create_app(settings(scored_home), score=no_scorer, today=lambda: AS_OF)
    with running(app) as client:
        yield client


def no_scorer(*_: Any, **__: Any) -> pa.Table:
    raise AssertionError("without a model nothing is scored")


def fake_score(
    ledger: Ledger, as_of: int, model: Bundle, *, invoices: Sequence[str] | None
) -> pa.Table:
    """Scores without a model: every open invoice gets the same, but for its ids and amounts."""
    paid = set(ledger.payments["invoice_id"].to_pylist())
    rows = [
        score_row(
            invoice_id=invoice["invoice_id"],
            customer_id=invoice["customer_id"],
            as_of=date(1970, 1, 1) + timedelta(days=as_of),
            amount_cents=invoice["amount_cents"],
            open_cents=invoice["amount_cents"],
            model_version=model.version,
        )
        for invoice in ledger.invoices.to_pylist()
        if invoice["invoice_id"] not in paid
        and (invoices is None or invoice["invoice_id"] in invoices)
    ]
    return pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)


FAKE_MODEL = Bundle(
    model=None,  # type: ignore[arg-type]  # the fake scorer asks it nothing
    version="2026-06-30-fake000000",
    manifest=Manifest("2026-06-30-fake000000", "2026-07-01T02:00:00Z", {}, {"cut": "2026-06-30"}),
)


@pytest.fixture(scope="session")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service with a model and no stored scores."""
    app = create_app(
        settings(tmp_path_factory.mktemp("model")), score=fake_score, today=lambda: AS_OF
    )
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # a model is looked for at the start only
            patch.setattr("models.bundle.champion", lambda _: FAKE_MODEL)
            client = stack.enter_context(running(app))
        yield client


@pytest.fixture(scope="session")
def running_on() -> Callable[[FastAPI], Any]:
    """Runs an application for as long as a `with` block lasts."""
    return running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Starts a service for one test: on these scores of last night, with or without a model."""
    with ExitStack() as stack:

        def start(
            rows: list[dict[str, Any]] | None = None,
            *,
            model: bool = False,
            today: date = AS_OF,
            **given: Any,
        ) -> Client:
            if rows:
                publish(tmp_path, rows)
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            if model:
                patch.setattr("models.bundle.champion", lambda _: FAKE_MODEL)
            app = create_app(settings(tmp_path, **given), score=fake_score, today=lambda: today)
            return stack.enter_context(running(app))

        yield start


@pytest.fixture(scope="session")
def home_with() -> Callable[..., SimpleNamespace]:
    """Publishes rows that differ from a usual one, and gives what a service on them needs."""

    def fill(home: Path, changes: list[dict[str, Any]]) -> SimpleNamespace:
        publish(home, [score_row(**change) for change in changes])
        return SimpleNamespace(settings=settings(home), score=fake_score, as_of=AS_OF)

    return fill


@pytest.fixture(scope="session")
def row() -> Callable[..., dict[str, Any]]:
    """A row of the scores table, with what a test wants to be different."""
    return score_row
