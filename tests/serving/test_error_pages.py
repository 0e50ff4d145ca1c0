"""What went wrong, as a page for browsers and as a problem for everybody else."""

import pytest

from pipelines.settings import Settings
from serving import phrases
from serving.app import create_app
from serving.problems import KINDS, MEDIA_TYPE

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KEY = "a-secret-key-of-a-test-0123456789"


@pytest.fixture(scope="module")
def keyed(scored_home, running_on):
    """A service on scored rows that opens with a key."""
    settings = Settings(_env_file=None, home=scored_home, host="127.0.0.1", api_keys=(KEY,))
    with running_on(create_app(settings)) as client:
        yield client


def asks(client, path, **headers):
    return client.get(path, headers=BROWSER | headers)


@pytest.mark.parametrize(
    ("path", "headers", "status", "said"),
    [
        ("/nothing?lang=en", {"X-API-Key": KEY}, 404, "Not found"),
        ("/nothing", {"X-API-Key": KEY}, 404, "Non trovato"),
        ("/nothing", {"X-API-Key": KEY, "Accept-Language": "en"}, 404, "Not found"),
        ("/?lang=en", {}, 401, "A key is needed"),
        ("/", {"X-API-Key": "another-key"}, 401, "Serve una chiave"),
        ("/?lang=en", {"X-API-Key": KEY}, 200, "Worklist"),
    ],
)
def test_a_browser_is_told_on_a_page(keyed, path, headers, status, said):
    answer = asks(keyed, path, **headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        status,
        "text/html; charset=utf-8",
    )
    assert said in answer.text
    assert "Accept" in answer.headers["Vary"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    if status != 200:
        assert answer.headers["X-Request-ID"] in answer.text
        assert int(answer.headers["Content-Length"]) == len(answer.content)
    if status == 401:
        assert "Basic" in answer.headers["WWW-Authenticate"]
        assert "Brambilla" not in answer.text


@pytest.mark.parametrize(("asked", "back"), [("?lang=en", "/?lang=en"), ("", "/")])
def test_the_way_back_stays_in_the_language_that_was_asked_for(keyed, asked, back):
    page = asks(keyed, f"/nothing{asked}", **{"X-API-Key": KEY}).text
    assert f'<p><a href="{back}">' in page


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/nothing", "application/json", 404),
        ("/nothing", "*/*", 404),
        ("/", "*/*", 401),
        ("/v1/nothing", BROWSER["Accept"], 404),
        ("/v1/worklist", BROWSER["Accept"], 401),
        ("/static/none.css", BROWSER["Accept"], 404),
    ],
)
def test_everybody_else_gets_the_problem(keyed, path, accept, status):
    key = {} if status == 401 else {"X-API-Key": KEY}
    answer = keyed.get(path, headers={"Accept": accept} | key)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, MEDIA_TYPE)
    assert answer.json()["status"] == status


def test_a_failure_is_told_without_its_cause(keyed, monkeypatch):
    monkeypatch.setattr("serving.worklist_page.answer", lambda *_: 1 / 0)
    answer = asks(keyed, "/?lang=en", **{"X-API-Key": KEY})
    assert answer.status_code == 500
    assert "Something did not work" in answer.text
    assert "division" not in answer.text


def test_a_head_is_answered_without_a_body(keyed):
    answer = keyed("HEAD", "/nothing", headers=BROWSER | {"X-API-Key": KEY})
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("language", ["it", "en"])
def test_every_problem_that_a_page_meets_has_words(language):
    words = phrases.words(language)
    assert words["problems"].keys() == words["problem_titles"].keys()
    assert words["problems"].keys() - {"other"} <= KINDS.keys()
    away = {kind for kind, (status, _) in KINDS.items() if status in (401, 403, 404, 500, 503)}
    assert away <= words["problems"].keys()
