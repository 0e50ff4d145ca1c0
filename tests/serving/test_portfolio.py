from datetime import timedelta

import pyarrow as pa
import pytest

from pipelines import cash_forecast, kpis, night_changes, provision
from pipelines.portfolio_risk import night_before, risk_of
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from serving.portfolio import PortfolioRisk

CAUSE = {"code": "difficulty", "evidence": []}
SMALL_AND_REST = [
    {
        "code": code,
        "invoices": 1,
        "open_cents": 423_500,
        "late_cents": 100_000,
        "value_at_risk_cents": 50_000,
    }
    for code in ("small <b>", "rest")
]


@pytest.fixture
def two_nights(serve, row, tmp_path):
    """Last night and the night before, when one invoice more was open and owed by habit."""
    before = row()["as_of"] - timedelta(days=1)

    def publish(rows, as_of):
        store = ScoreStore(Settings(_env_file=None, home=tmp_path).scores_folder)
        scores = pa.Table.from_pylist([{**r, "as_of": as_of} for r in rows], SCORE_SCHEMA)
        changes = night_changes.since_last(store, as_of, scores, None)
        facts = {
            "risk": risk_of(scores),
            "risk_before": night_before(store, as_of),
            "changes": changes and changes.facts(),
            "segments": [{"by": "segment", "parts": SMALL_AND_REST}],
        }
        with store.writing() as run:
            store.publish(as_of, scores, run=run, facts=facts)

    old = [
        row(model_version="2026-05-01-other"),
        row(invoice_id="B", model_version="2026-05-01-other"),
    ]
    publish(old, before)
    publish([row(cause_hint=CAUSE, signals=[])], row()["as_of"])
    return serve()


def test_the_portfolio_says_what_makes_its_risk(client):
    answer = client.get("/v1/portfolio?lang=en").json()
    PortfolioRisk.model_validate(answer)

    assert answer["n_invoices"] == 4
    assert answer["value_at_risk"] == {"now": 4 * 529.38, "before": None}
    assert answer["compared_with"] is None
    first, rest = answer["causes"]
    assert (first["text"], rest["feature_group"]) == ("past delays", "everything_else")
    assert [hint["text"] for hint in answer["cause_hints"]] == ["habit of paying late"]
    (signal,) = answer["signals"]
    assert (signal["text"], signal["invoices"]) == ("delays growing", 2)


def test_base_and_causes_add_up_to_what_is_expected_late(client):
    answer = client.get("/v1/portfolio").json()
    made = answer["base_amount"]["now"] + sum(c["amount"]["now"] for c in answer["causes"])
    assert made == pytest.approx(answer["late_amount"]["now"])
    at_risk = sum(cause["value_at_risk"]["now"] for cause in answer["causes"])
    assert at_risk == pytest.approx(answer["value_at_risk"]["now"])


def test_every_figure_stands_beside_that_of_the_night_before(two_nights):
    answer = two_nights.get("/v1/portfolio").json()
    assert answer["compared_with"] == {"as_of": "2026-06-29", "model_version": "2026-05-01-other"}
    assert answer["open_amount"] == {"now": 4235.0, "before": 8470.0}
    by_hint = {hint["code"]: hint["value_at_risk"] for hint in answer["cause_hints"]}
    assert by_hint == {
        "difficulty": {"now": 529.38, "before": 0.0},
        "habit": {"now": 0.0, "before": 1058.76},
    }
    (signal,) = answer["signals"]
    assert (signal["invoices"], signal["open_amount"]["before"]) == (0, 8470.0)
    changes = answer["changes"]
    assert (changes["before"], changes["gone_invoices"]) == ("2026-06-29", 1)
    assert (changes["gone_amount"], changes["open_change"]) == (4235.0, -4235.0)
    (segment,) = answer["segments"]
    assert [part["text"] for part in segment["parts"]] == ["small <b>", "gli altri"]


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            ("What changed since 29 June 2026", "Past delays", "−€4,235", "another model", "&lt;b"),
        ),
        (
            "it",
            ("Che cosa è cambiato dal 29 giugno 2026", "I ritardi passati", "un altro modello"),
        ),
    ],
)
def test_the_page_says_the_same_in_words(two_nights, language, said):
    page = two_nights.get(f"/portfolio?lang={language}").text
    for part in said:
        assert part.lower() in page.lower(), part
    assert "delay_level" not in page
    assert "style=" not in page


def test_a_warning_leads_to_its_invoices(client):
    page = client.get("/portfolio?lang=en").text
    assert 'href="/?signal=delay_drift&amp;lang=en"' in page
    assert "no earlier night" in page


def test_without_scores_there_is_no_portfolio(scorer):
    assert scorer.get("/v1/portfolio").status_code == 503
    assert "puntuale nightly" in scorer.get("/portfolio?lang=en").text


def test_a_customer_of_several_invoices_is_told_what_makes_its_delay(client):
    page = client.get("/customers/C-0042?lang=en").text
    assert "What makes the expected delay" in page
    customer = client.get("/v1/customers/C-0042").json()["customer"]
    made = customer["base_amount"] + sum(cause["amount"] for cause in customer["causes"])
    assert made == pytest.approx(customer["late_amount"])
    assert "What makes the expected delay" not in client.get("/customers/C-0007?lang=en").text


def test_the_kpis_that_the_night_noted_are_told_in_units(serve, row, tmp_path):
    from ledgers import BASE, drawn, to_ledger

    drawing = "invoices invoice_id customer_id issue_date due_date amount\nA C 0 30 1000.00"
    noted = kpis.noted(to_ledger(drawn(drawing)), BASE + 130)
    store = ScoreStore(Settings(_env_file=None, home=tmp_path).scores_folder)
    scores = pa.Table.from_pylist([row()], SCORE_SCHEMA)
    with store.writing() as run:
        store.publish(row()["as_of"], scores, run=run, facts={"kpis": noted})

    answer = serve().get("/v1/portfolio").json()
    PortfolioRisk.model_validate(answer)
    assert (answer["kpis"]["as_of"], answer["kpis"]["receivables"]) == ("2024-05-10", 1000.0)
    assert answer["kpis"]["ageing"]["days_over_90"] == 1000.0
    assert answer["kpis"]["at_risk_share"] == 1.0
    assert [told["as_of"] for told in answer["kpis_before"]] == ["2024-04-01", "2024-05-01"]


def test_a_night_that_noted_no_kpis_has_none(client):
    answer = client.get("/v1/portfolio").json()
    assert (answer["kpis"], answer["kpis_before"]) == (None, [])
    assert (answer["forecast"], answer["provisions"]) == (None, [])


def test_the_forecast_and_the_provisions_that_the_night_noted_are_told_in_units(
    serve, row, tmp_path
):
    from trained import small

    company = small()
    scores = pa.Table.from_pylist([row()], SCORE_SCHEMA)
    facts = {
        "forecast": cash_forecast.noted(company.ledger, company.model, as_of=company.as_of),
        "provision": provision.matrix(company.ledger, scores, company.as_of),
    }
    store = ScoreStore(Settings(_env_file=None, home=tmp_path).scores_folder)
    with store.writing() as run:
        store.publish(row()["as_of"], scores, run=run, facts=facts)

    answer = serve().get("/v1/portfolio").json()
    PortfolioRisk.model_validate(answer)
    week, noted = answer["forecast"]["weeks"][0], facts["forecast"]["weeks"][0]
    assert (week["begins"], week["low"]) == (noted["begins"], noted["low_cents"] / 100)
    assert answer["forecast"]["past_weeks"][0]["received"] > 0
    assert [of["bucket"] for of in answer["provisions"]] == list(kpis.BUCKETS)
    assert sum(of["provision"] or 0 for of in answer["provisions"]) > 0
