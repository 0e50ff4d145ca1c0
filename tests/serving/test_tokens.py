"""Bearer tokens of an issuer on this machine, whose keys are made here; hostile ones included."""

import base64
import hashlib
import hmac
import json
import sys
import time

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from pydantic import ValidationError

from pipelines.records.tables import audit
from pipelines.settings import Settings
from serving.issuer import UNKNOWN_KEY_SECONDS, WELL_KNOWN
from tests import token_issuer
from tests.token_issuer import AUDIENCE


@pytest.fixture(scope="module")
def started():
    with token_issuer.answering() as issuer:
        yield issuer


@pytest.fixture
def issuer(started):
    started.reset()
    return started


@pytest.fixture
def start(serve, row, issuer):
    def started(**given):
        return serve([row()], oidc_issuer=issuer.url, oidc_audience=AUDIENCE, **given)

    return started


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


def plain(part):
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.parametrize("key", ["rsa", "ec"])
@pytest.mark.parametrize("path", ["/", "/v1/worklist"])
def test_a_token_of_the_issuer_opens_the_page_and_the_api(start, issuer, key, path):
    assert start().get(path, headers=bearing(issuer.token(key=key))).status_code == 200


def test_where_an_issuer_is_named_nobody_comes_in_without_a_token_or_a_key(start):
    client = start()
    for path, scheme in (("/", "Basic"), ("/v1/worklist", "ApiKey")):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == (
            f'{scheme} realm="Puntuale", Bearer realm="Puntuale"'
        )
    assert client.get("/healthz").status_code == 200


def test_a_key_opens_beside_tokens(start):
    client = start(api_keys=("secret-key",))
    assert client.get("/v1/worklist", headers={"X-API-Key": "secret-key"}).status_code == 200


def test_without_an_issuer_a_token_opens_nothing(serve, row, issuer):
    client = serve([row()], api_keys=("secret-key",))
    assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 401


def test_a_token_may_do_what_its_claim_says_and_no_more(start, issuer):
    client, rows = start(), {"rows": [{"customer_id": "C1"}]}

    def tried(**claims):
        header = bearing(issuer.token(**claims))
        return (
            client.get("/v1/worklist", headers=header).status_code,
            client("PUT", "/v1/ledger/customers", json=rows, headers=header).status_code,
            client.get("/v1/webhooks", headers=header).status_code,
        )

    assert tried(scope="puntuale:read") == (200, 403, 403)
    assert tried(scope=["puntuale:write"]) == (403, 200, 403)
    assert tried(scope="puntuale:write puntuale:read admin") == (200, 200, 403)
    for nothing in (None, "", 7, {"puntuale:read": True}, ["read", None]):
        assert tried(scope=nothing) == (403, 403, 403)


def test_the_claim_and_its_words_are_settings(start, issuer):
    client = start(oidc_scopes_claim="realm_access.roles", oidc_read="collector")
    token = issuer.token(scope=None, realm_access={"roles": ["collector"]})
    assert client.get("/v1/worklist", headers=bearing(token)).status_code == 200
    assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 403


def test_a_write_is_kept_under_the_subject_or_its_hash_where_it_may_be_an_address(start, issuer):
    client, rows = start(), {"rows": [{"customer_id": "C1"}]}
    for subject in ("user-7", "anna@example.com"):
        header = bearing(issuer.token(sub=subject, scope="puntuale:write"))
        sent = client("PUT", "/v1/ledger/customers", json=rows, headers=header)
        assert sent.status_code == 200
    with client.app.state.at_hand.records.reading() as connection:
        names = connection.execute(sa.select(audit.c.who).order_by(audit.c.id)).scalars().all()
    hashed = hashlib.sha256(b"anna@example.com").hexdigest()[:24]
    assert names == ["oidc:user-7", f"oidc:{hashed}"]


def hostile(issuer):
    """Tokens that must open nothing, by what is wrong with them."""
    now = int(time.time())
    good = issuer.token()
    header, claims, signature = good.split(".")
    public = issuer.private["rsa"].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    confused = f"{plain({'alg': 'HS256', 'kid': 'rsa', 'typ': 'JWT'})}.{claims}"
    mac = hmac.new(pem, confused.encode(), hashlib.sha256).digest()
    strange = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    usual = jwt.decode(good, options={"verify_signature": False})
    return {
        "no algorithm": f"{plain({'alg': 'none', 'kid': 'rsa'})}.{claims}.",
        "no algorithm, a signature": f"{plain({'alg': 'None', 'kid': 'rsa'})}.{claims}.{signature}",
        "the public key as a secret": f"{confused}.{plain(mac)}",
        "another's key under our key's name": jwt.encode(
            usual, strange, "RS256", headers={"kid": "rsa"}
        ),
        "a key of its own in the header": jwt.encode(
            usual,
            strange,
            "RS256",
            headers={"kid": "x", "jwk": RSAAlgorithm.to_jwk(strange.public_key(), as_dict=True)},
        ),
        "an unknown key": issuer.token(kid="other"),
        "a key of another kind": issuer.token(kid="ec"),
        "no key": f"{plain({'alg': 'RS256'})}.{claims}.{signature}",
        "a key that is no name": f"{plain({'alg': 'RS256', 'kid': ['rsa']})}.{claims}.{signature}",
        "changed claims": f"{header}.{plain(usual | {'scope': 'puntuale:write'})}.{signature}",
        "expired": issuer.token(exp=now - 60),
        "not yet": issuer.token(nbf=now + 120),
        "issued tomorrow": issuer.token(iat=now + 86_400),
        "no end": issuer.token(exp=None),
        "an end that is no time": issuer.token(exp="never"),
        "no audience": issuer.token(aud=None),
        "another audience": issuer.token(aud=["crm", "puntuale-test"]),
        "another issuer": issuer.token(iss=issuer.url + "/"),
        "no subject": issuer.token(sub=None),
        "a subject that is no text": issuer.token(sub={"id": 7}),
        "something critical": issuer.token(headers={"crit": ["x"], "x": 1}),
        "huge": issuer.token(filling="x" * 9_000),
        "nested deep": f"{plain(b'[' * 5_000)}.{claims}.{signature}",
        "no text": f"{plain(bytes(range(128, 200)))}.{claims}.{signature}",
        "nothing": "",
        "no token": "....",
        "not even ASCII": "\xe9\xff.\xe9.\xe9",
    }


def test_hostile_tokens_open_nothing(start, issuer):
    client = start()
    for what, token in hostile(issuer).items():
        header = {"Authorization": f"Bearer {token}".encode("latin-1")}
        answer = client.get("/v1/worklist", headers=header)
        assert answer.status_code == 401, what
        assert answer.headers["Content-Type"] == "application/problem+json", what
        assert answer.json()["type"] == "urn:puntuale:problem:unauthorized", what
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="Puntuale", error="invalid_token"'), what


def test_two_authorizations_are_none(start, issuer):
    headers = [("Authorization", f"Bearer {issuer.token()}")] * 2
    assert start().get("/v1/worklist", headers=headers).status_code == 401


def test_clocks_may_differ_a_little(start, issuer):
    now, client = int(time.time()), start()
    for claims in ({"exp": now - 5}, {"nbf": now + 10, "iat": now + 10}):
        assert (
            client.get("/v1/worklist", headers=bearing(issuer.token(**claims))).status_code == 200
        )


def test_a_new_key_is_read_at_once_but_not_at_every_bad_token(start, issuer):
    issuer.publish("rsa")
    client = start()
    keys = client.app.state.tokens.keys
    assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 200
    issuer.publish("ec")
    token, hour = bearing(issuer.token(key="ec")), time.monotonic() + 3600
    keys.clock = lambda: hour
    assert client.get("/v1/worklist", headers=token).status_code == 200
    asked = len(issuer.asked)
    for _ in range(5):  # the first key was withdrawn
        assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 401
    assert len(issuer.asked) == asked
    keys.clock = lambda: hour + UNKNOWN_KEY_SECONDS
    assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 401
    assert len(issuer.asked) == asked + 2


def test_while_the_issuer_is_away_known_keys_count(start, issuer):
    client = start()
    assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 200
    issuer.answers = False
    client.app.state.tokens.keys.refresh()
    assert client.app.state.tokens.keys.fault
    assert client.get("/v1/worklist", headers=bearing(issuer.token())).status_code == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda issuer: setattr(issuer, "answers", False),
        lambda issuer: issuer.documents["/realm" + WELL_KNOWN].update(issuer="http://evil.example"),
        lambda issuer: issuer.documents["/realm" + WELL_KNOWN].update(jwks_uri="file:///etc/hosts"),
        lambda issuer: issuer.documents.update({"/realm/keys": {"keys": [{"kty": "oct"}, 7]}}),
        lambda issuer: issuer.documents.update({"/realm/keys": ["x" * 300_000]}),
    ],
    ids=["it fails", "another's name", "a file", "no public key", "endless"],
)
def test_an_issuer_that_was_never_understood_is_said_to_be_away(start, issuer, spoil):
    spoil(issuer)
    answer = start().get("/v1/worklist", headers=bearing(issuer.token()))
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:puntuale:problem:issuer-away"
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_secret_among_the_issuers_keys_signs_nothing(start, issuer):
    secret = b"s" * 64
    issuer.documents["/realm/keys"]["keys"].append({"kty": "oct", "kid": "s", "k": plain(secret)})
    token = jwt.encode({"sub": "x"}, secret, "HS256", headers={"kid": "s"})
    assert start().get("/v1/worklist", headers=bearing(token)).status_code == 401


def test_the_document_names_tokens_where_they_open(start, issuer):
    document = start().get("/openapi.json", headers=bearing(issuer.token())).json()
    assert set(document["components"]["securitySchemes"]) == {"ApiKey", "Token"}
    assert document["paths"]["/v1/plan"]["get"]["security"] == [{"ApiKey": []}, {"Token": []}]


def test_an_issuer_needs_an_audience_and_an_address_that_nobody_can_forge(serve, tmp_path):
    with pytest.raises(ValidationError, match="PUNTUALE_OIDC_AUDIENCE"):
        Settings(_env_file=None, home=tmp_path, oidc_issuer="https://login.example.com")
    with pytest.raises(ValueError, match="https://"):
        serve(oidc_issuer="http://login.example.com", oidc_audience=AUDIENCE)


def test_without_its_library_the_command_that_installs_it_is_said(serve, issuer, monkeypatch):
    for module in ("serving.tokens", "serving.issuer"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(RuntimeError, match=r'pip install "puntuale\[oidc\]"'):
        serve(oidc_issuer=issuer.url, oidc_audience=AUDIENCE)


def test_an_issuer_lets_the_service_listen_beyond_this_machine(start, issuer):
    client = start(host="0.0.0.0")
    headers = bearing(issuer.token()) | {"Host": "puntuale.example.com"}
    assert client.get("/v1/worklist", headers=headers).status_code == 200
