import base64

import pytest

from pipelines.settings import Settings
from serving.app import create_app
from serving.limits import BODY_BYTES
from serving.security import OpenServiceError

KEY = "a-long-enough-key"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def guarded(serve, row):
    return serve([row()], model=True, api_keys=(KEY, "the-other-key"))


class Unread:
    """A body that must not be read."""

    async def __aiter__(self):
        raise AssertionError("the body was read")
        yield b""


def test_without_a_key_nothing_is_answered_and_the_body_is_not_read(guarded):
    """B1."""
    answer = guarded.post("/v1/scores", content=Unread(), headers=JSON)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("ApiKey")


def test_without_a_key_broken_json_is_401_too(guarded):
    """B2."""
    assert guarded.post("/v1/scores", content=b"{", headers=JSON).status_code == 401


@pytest.mark.parametrize("key", [b"caf\xc3\xa9\xff", b"", b"k" * 60_000, KEY.encode() + b"x"])
def test_a_wrong_key_is_refused_whatever_its_bytes(guarded, key):
    """B3, B4."""
    assert guarded.get("/v1/worklist", headers=[(b"X-API-Key", key)]).status_code == 401


def test_two_keys_in_one_request_are_refused(guarded):
    """B5."""
    headers = [("X-API-Key", KEY), ("X-API-Key", "wrong")]
    assert guarded.get("/v1/worklist", headers=headers).status_code == 400


def test_a_key_in_the_address_is_no_key(guarded):
    """B6."""
    assert guarded.get(f"/v1/worklist?X-API-Key={KEY}").status_code == 401


@pytest.mark.parametrize("key", [KEY, "the-other-key"])
def test_every_configured_key_opens(guarded, key):
    assert guarded.get("/v1/worklist", headers={"X-API-Key": key}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_key(guarded, path):
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/customers/C-0042", "/docs", "/openapi.json", "/nothing"])
def test_pages_and_documents_need_a_key_too(guarded, path):
    assert guarded.get(path).status_code == 401


def test_a_browser_is_asked_for_the_key_as_a_password(guarded):
    asked = guarded.get("/")
    assert asked.headers["WWW-Authenticate"].startswith("Basic")
    encoded = base64.b64encode(f"anybody:{KEY}".encode()).decode()
    assert guarded.get("/", headers={"Authorization": f"Basic {encoded}"}).status_code == 200
    v1 = guarded.get("/v1/worklist", headers={"Authorization": f"Basic {encoded}"})
    assert v1.status_code == 401, "a password that a browser sends by itself opens pages only"


@pytest.mark.parametrize("authorization", ["Basic !", "Basic", "Bearer x", "Basic Og=="])
def test_a_broken_password_is_refused(guarded, authorization):
    assert guarded.get("/", headers={"Authorization": authorization}).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "puntuale.example"])
def test_a_network_is_not_served_without_a_key(tmp_path, host):
    with pytest.raises(OpenServiceError, match="PUNTUALE_API_KEYS"):
        create_app(Settings(_env_file=None, home=tmp_path, host=host), score=None)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_an_open_service_answers_to_the_names_of_this_machine(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::1]evil"])
def test_an_open_service_does_not_answer_to_another_name(client, host):
    """B17."""
    assert client.get("/healthz", headers={"Host": host}).status_code == 400


def test_a_body_that_says_it_is_too_large_is_refused_unread(scorer):
    """B9."""
    headers = JSON | {"Content-Length": str(BODY_BYTES + 1)}
    assert scorer.post("/v1/scores", content=Unread(), headers=headers).status_code == 413


def test_a_body_that_turns_out_too_large_is_not_read_to_its_end(scorer):
    """B10."""
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    answer = scorer.post("/v1/scores", content=endless(), headers=JSON)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert sent < BODY_BYTES + 5 * 65_536


@pytest.mark.parametrize("path", ["/", "/v1/worklist", "/docs", "/healthz", "/nothing"])
def test_every_answer_tells_browsers_to_be_careful(client, path):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    if path != "/docs":
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy


def test_no_answer_names_the_software_that_gave_it(client):
    assert "server" not in client.get("/v1/worklist").headers


def test_the_documentation_asks_nobody_else(client):
    for path in ("/docs", "/redoc"):
        page = client.get(path)
        assert page.status_code == 200
        assert "https://" not in page.text
