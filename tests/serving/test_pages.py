from datetime import date, timedelta

import pytest

from models.catalogue import Catalogue
from serving.view import preferred_language

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}} ${7*7}",
    "javascript:alert(1)",
    "\u202eoeruen S.r.l.",
]


def test_the_worklist_is_a_table_that_says_all_in_words(client):
    page = client.get("/?lang=en").text
    assert page.count("<tr id=") == 4
    for said in (
        "Officine Meccaniche Brambilla S.r.l.",
        "€4,235.00",
        "62%",
        "high",
        "14 Jul 2026",
        "24 days after the due date",
        "delays growing",
        Catalogue.load().action("reminder_1").en.capitalize(),
        "2026-06-30-handmade00",
        "As of 30 June 2026",
        "20 days past due",
        "due in 9 days",
    ):
        assert said in page, said


OUR_SCRIPT = '<script src="/static/page.js" defer></script>'


def test_the_page_has_one_script_of_our_own_and_nothing_from_elsewhere(client):
    page = client.get("/").text
    assert page.count("<script") == page.count(OUR_SCRIPT) == 1
    assert "style=" not in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("accept", "asked", "language"),
    [
        ("it-IT,it;q=0.9,en;q=0.8", "", "it"),
        ("en-GB,en;q=0.9", "", "en"),
        ("de,en;q=0.5,it;q=0.4", "", "en"),
        ("de", "", "it"),
        ("", "", "it"),
        ("it", "?lang=en", "en"),
        ("en", "?lang=xx", "en"),
    ],
)
def test_the_page_speaks_the_readers_language(client, accept, asked, language):
    page = client.get(f"/{asked}", headers={"Accept-Language": accept})
    assert page.headers["Content-Language"] == language
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize("accept", ["it;q=x", ";;;", ",", "q=1"])
def test_a_broken_language_header_is_ignored(accept):
    assert preferred_language(accept, default="it") == "it"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(serve, row, name):
    """A78, A81."""
    client = serve([row(customer_name=name, customer_id="C 1/2?#&<b>", invoice_id='"><b>')])
    for path in ("/", "/customers/C%201/2%3F%23&%3Cb%3E"):
        page = client.get(path)
        assert page.status_code == 200
        assert "<script" not in page.text.replace(OUR_SCRIPT, "")
        assert "<img" not in page.text
        assert "<b>" not in page.text
        assert "<bdi>" in page.text
        assert "49" not in page.text.split('<main id="main">')[1].split("€")[0]
    assert 'href="/customers/C%201/2%3F%23%26%3Cb%3E' in client.get("/").text


def test_the_customer_page_gives_every_invoice_with_its_reasons(client):
    page = client.get("/customers/C-0042?lang=en").text
    assert page.count('<details class="invoice"') == 2
    assert "Why this probability" in page
    assert "Everything else".lower() in page.lower()
    assert "+25.0" in page


def test_a_customer_that_is_not_there_is_told_in_words(client):
    page = client.get("/customers/none?lang=en")
    assert page.status_code == 404
    assert "Not found" in page.text


def test_filters_and_their_choice_stay_on_the_page(client):
    page = client.get("/?band=critical&lang=en").text
    assert '<option value="critical" selected>' in page
    assert "Bianchi &amp; Figli" in page
    assert "Brambilla" not in page
    assert "Clear filters" in page
    assert 'href="?band=critical&amp;lang=it"' in page  # the same list in the other language


def test_a_filter_that_finds_nothing_says_so(client):
    assert "No invoice under these filters" in client.get("/?action=agency&lang=en").text


@pytest.mark.parametrize("query", ["band=x", "signal=x", "action=x", "from=-1", "from=%D9%A1"])
def test_a_filter_that_does_not_exist_is_told_in_words(client, query):
    page = client.get(f"/?{query}&lang=en")
    assert page.status_code == 422
    assert "Not a valid request" in page.text


def test_long_lists_have_pages(serve, row):
    rows = [row(invoice_id=f"I-{i:03}") for i in range(60)]
    client = serve(rows)
    first = client.get("/?lang=en").text
    assert "1 – 25 of 60" in first
    assert 'href="/?from=25&amp;lang=en"' in first
    assert "26 – 50 of 60" in client.get("/?lang=en&from=25").text


def test_without_scores_the_page_names_the_next_command(scorer):
    page = scorer.get("/?lang=en")
    assert page.status_code == 200
    assert "puntuale nightly" in page.text


def test_old_scores_are_shown_under_a_warning(serve, row):
    """F16."""
    late = row()["as_of"] + timedelta(days=3)
    client = serve([row()], model=True, today=late)
    assert "3 days old" in client.get("/?lang=en").text
    assert client.get("/v1/worklist").json()["stale"] is True
    assert client.get("/readyz").json()["stale"] is True


def test_a_page_without_a_model_says_so(client, serve, row):
    """F15."""
    assert "No model is loaded" in client.get("/?lang=en").text
    assert "No model is loaded" not in serve([row()], model=True).get("/?lang=en").text


def test_damaged_scores_are_not_served_over_good_ones(serve, row, tmp_path):
    client = serve([row()], model=True)
    assert client.get("/v1/worklist").json()["degraded"] is False
    (tmp_path / "scores" / "CURRENT").write_text("2026-07-01-000000000000\n")
    client.app.state.at_hand.refresh_scores()  # looked at every second
    answer = client.get("/v1/worklist").json()
    assert answer["degraded"] is True
    assert answer["total"] == 1
    assert "cannot be read" in client.get("/?lang=en").text


def test_an_invoice_past_the_models_horizon_has_no_date(serve, row):
    client = serve([row(expected_date=None, date_lo=date(2026, 7, 1), date_hi=None)])
    assert "past the model" in client.get("/?lang=en").text
