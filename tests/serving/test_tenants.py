"""Two companies in one service: rossi, and bianchi, all of whose ids begin with its name."""

import io
import json
import logging
import shutil
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime
from types import SimpleNamespace

import httpx
import pyarrow as pa
import pytest
from anyio.from_thread import start_blocking_portal
from prometheus_client.parser import text_string_to_metric_families

from models import bundle
from models.bundle import Bundle, Manifest
from pipelines import prior, score_database, tenants
from pipelines.records import keys
from pipelines.records.audit import Writer
from pipelines.score_schema import SCORE_SCHEMA
from pipelines.settings import Settings
from pipelines.store import ScoreStore
from pipelines.tenant_tables import TenantsRefused
from serving.logs import REQUESTS, JsonLines
from serving.reload import Reload
from serving.tenants import Door, create_service
from tests import databases, token_issuer

AS_OF = date(2026, 6, 30)
AT = datetime(2026, 6, 30, 8, tzinfo=UTC)
OPERATOR = "a-key-of-the-operator"
MARK = "bianchi-"
OURS, THEIRS = "C-0042", MARK + "C-0042"
THEIR_INVOICE = MARK + "2026/000311"
NOBODY, NO_INVOICE = MARK + "C-0043", MARK + "2026/999999"


def installed(home, *, tables=(), **given):
    """The settings of an installation of two companies, with a key and a night of each."""
    settings = Settings(_env_file=None, home=home, host="0.0.0.0", **given)
    made = {}
    for name in ("rossi", "bianchi"):
        own = tenants.add(settings, name, dict(tables).get(name, {}))
        database = tenants.open_records(own)
        with database.writing() as connection:
            writer = Writer("test", AT)
            _, made[name] = keys.make(connection, "ERP", scopes=["admin"], writer=writer)
        database.close()
    return settings, made


def publish(settings, name, rows, **facts):
    own = tenants.settings_of(settings, name)
    store, scores = ScoreStore(own.scores_folder), pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)
    with store.writing() as run:
        published = store.publish(AS_OF, scores, run=run, facts=facts)
    with closing(store.snapshot(published)) as snapshot:
        score_database.of_night(own, snapshot)


def bianchis(rows):
    names = ("invoice_id", "customer_id", "customer_name")
    return [row | {name: MARK + row[name] for name in names} for row in rows]


@contextmanager
def running(settings, made=None):
    """The service, and what asks it as one of the companies, as the operator or as a stranger."""
    door = create_service(settings, today=lambda: AS_OF)
    front = door.front if isinstance(door, Door) else door
    with start_blocking_portal() as portal:
        with portal.wrap_async_context_manager(front.router.lifespan_context(front)):
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=door), base_url="http://localhost"
            )

            def ask(who, method, path, headers=(), **given):
                known = {**(made or {}), "operator": OPERATOR, "stranger": "no-such-key-at-all"}
                sent = dict(headers) | ({"X-API-Key": known[who]} if who else {})

                async def call():
                    return await http.request(method, path, headers=sent, **given)

                return portal.call(call)

            yield SimpleNamespace(ask=ask, door=door, made=made)
            portal.call(http.aclose)


@pytest.fixture(scope="module", params=databases.BOTH)
def service(request, row, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with ExitStack() as stack:
        is_postgres = request.param == "postgresql"
        url = stack.enter_context(databases.whole()) if is_postgres else None
        scores = {"scores_from": "database"} if is_postgres else {}
        settings, made = installed(home, database_url=url, api_keys=(OPERATOR,), **scores)
        rows = [row(), row(invoice_id="2026/7", signals=[]), row(invoice_id="X", customer_id="C-9")]
        publish(settings, "rossi", rows)
        publish(settings, "bianchi", bianchis(rows[:2]))
        yield stack.enter_context(running(settings, made))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The service of a single company, to compare with."""
    home = tmp_path_factory.mktemp("alone")
    with running(Settings(_env_file=None, home=home, api_keys=(OPERATOR,))) as service:
        yield service


def addresses(service, *methods):
    """Every address of the API, with the methods that are asked for."""
    (app, *_) = [tenant.app for tenant in service.door.served]
    return [
        (method.upper(), path)
        for path, about in app.openapi()["paths"].items()
        for method in about
        if method in methods
    ]


def without_id(answer):
    told = answer.json()
    return answer.status_code, {name: told[name] for name in told if name != "request_id"}


def test_b8_another_companys_ids_are_as_unknown_as_any(service):
    asked = 0
    for method, path in addresses(service, "get", "put", "post", "delete"):
        if "{" not in path:
            continue
        is_customer = "customer_id" in path
        filled, unknown = (
            "/".join(part if "{" not in part else value for part in path.split("/"))
            for value in ((THEIRS, NOBODY) if is_customer else (THEIR_INVOICE, NO_INVOICE))
        )
        body = {"json": {}} if method in ("PUT", "POST") else {}
        answers = [service.ask("rossi", method, at, **body) for at in (filled, unknown)]
        assert without_id(answers[0]) == without_id(answers[1]), (method, path)
        if method == "GET":
            assert answers[0].status_code in (404, 422, 503), (path, answers[0].text)
            asked += answers[0].status_code == 404
    assert asked >= 4, "customers and invoices were asked for"
    for who, status in {"rossi": 404, "bianchi": 200}.items():
        for path in (f"/v1/customers/{THEIRS}", f"/v1/invoices/{THEIR_INVOICE}"):
            assert service.ask(who, "GET", path).status_code == status


def test_no_list_export_or_page_holds_a_row_of_the_other(service):
    paths = [path for _, path in addresses(service, "get") if "{" not in path]
    pages = ["/", "/portfolio", "/plan", "/alerts", "/model", f"/customers/{OURS}", "/quarantine"]
    exports = ["/v1/exports/worklist.csv", "/v1/exports/worklist.xlsx", "/v1/exports/plan.csv"]
    answered = 0
    for path in [*paths, *pages, *exports]:
        answer = service.ask("rossi", "GET", path)
        answered += answer.status_code == 200
        assert MARK not in answer.text, path
    assert answered >= 10
    ours, theirs = (
        {row["customer_id"] for row in service.ask(who, "GET", "/v1/worklist").json()["invoices"]}
        for who in ("rossi", "bianchi")
    )
    assert (ours, theirs) == ({OURS, "C-9"}, {THEIRS})


def test_what_one_writes_the_other_never_reads(service):
    action = {"customer_id": OURS, "action_code": "call", "performed_on": "2026-06-30"}
    hook = {"url": "https://93.184.215.14/in", "events": ["alert.raised"]}
    for path, body in {"/v1/actions": action, "/v1/webhooks": hook}.items():
        sent = {"headers": {"Idempotency-Key": f"same-{path[4:]}"}, "json": body}
        assert service.ask("rossi", "POST", path, **sent).status_code == 200
    hooks = {who: service.ask(who, "GET", "/v1/webhooks").text for who in ("rossi", "bianchi")}
    assert "93.184.215.14" in hooks["rossi"]
    assert "93.184.215.14" not in hooks["bianchi"]

    same = {"headers": {"Idempotency-Key": "same-actions"}, "json": action | {"channel": "phone"}}
    answer = service.ask("bianchi", "POST", "/v1/actions", **same)
    assert answer.status_code != 409, "the key of one company's request is free for the other"
    assert "Idempotent-Replayed" not in answer.headers


def test_a_requests_line_in_the_log_names_its_company(service):
    text = io.StringIO()
    handler, logger = logging.StreamHandler(text), logging.getLogger(REQUESTS)
    handler.setFormatter(JsonLines())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        for who in ("rossi", "bianchi", "stranger"):
            service.ask(who, "GET", "/v1/worklist")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert [line.get("tenant") for line in lines] == ["rossi", "bianchi", None]


def figures(answer):
    assert answer.status_code == 200, answer.text
    return [
        (sample.name, sample.labels)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    ]


def test_metrics_are_each_companys_own_and_all_of_them_the_operators(service):
    service.ask("bianchi", "GET", "/v1/worklist")
    own = figures(service.ask("rossi", "GET", "/metrics"))
    assert {labels.get("tenant") for _, labels in own} == {"rossi"}
    every = figures(service.ask("operator", "GET", "/metrics"))
    assert {labels["tenant"] for name, labels in every if name == "puntuale_requests_total"} >= {
        "bianchi",
        "rossi",
    }
    assert len({(name, *sorted(labels.items())) for name, labels in every}) == len(every)


@pytest.mark.parametrize("path", ["/v1/worklist", "/", f"/v1/customers/{OURS}", "/docs"])
def test_the_operators_key_opens_no_companys_data(service, path):
    assert service.ask("operator", "GET", path).status_code == 404


@pytest.mark.parametrize("path", ["/v1/worklist", "/", "/metrics", "/nowhere", "/static/page.css"])
@pytest.mark.parametrize("who", [None, "stranger"])
def test_without_anybodys_key_the_answer_is_that_of_any_service(service, alone, who, path):
    for accept in ("application/json", "text/html"):
        asked = {"Accept": accept, "X-Request-ID": "the-same-for-both"}
        answer, expected = (each.ask(who, "GET", path, headers=asked) for each in (service, alone))
        assert (answer.status_code, answer.text) == (401, expected.text)
        assert answer.headers == expected.headers


def test_a_page_opens_by_the_password_of_its_company(service):
    for who, seen in {"rossi": OURS, "bianchi": THEIRS}.items():
        login = httpx.BasicAuth("anyone", service.made[who])
        request = httpx.Request("GET", "http://localhost/")
        headers = dict(next(login.auth_flow(request)).headers)
        page = service.ask(None, "GET", "/", headers=headers)
        assert page.status_code == 200
        assert f'/customers/{seen}"' in page.text


def test_who_is_ready_is_said_by_name(service, monkeypatch):
    answer = service.ask(None, "GET", "/readyz")
    assert answer.status_code == 503
    assert "rossi: No model" in answer.json()["detail"]
    assert service.ask(None, "GET", "/healthz").json() == {"status": "live"}

    at_hand = service.door.served[0].app.state.at_hand
    monkeypatch.setattr(at_hand, "model", SimpleNamespace(version="v1", manifest=None))
    monkeypatch.setattr(type(at_hand), "model_made_on", AS_OF)
    answer = service.ask(None, "GET", "/readyz")
    assert answer.status_code == 200
    told = {each["tenant"]: (each["status"], each.get("why")) for each in answer.json()["tenants"]}
    assert told["rossi"] == ("ready", None)
    assert told["bianchi"][0] == "not ready"


def test_a_company_that_cannot_be_served_holds_nobody_up(tmp_path, row, caplog):
    (tmp_path / "broken.toml").write_text("nonsense = 1\n")
    tables = {"bianchi": {"catalogue": str(tmp_path / "broken.toml")}}
    settings, made = installed(tmp_path / "home", tables=tables, api_keys=(OPERATOR,))
    publish(settings, "rossi", [row()])
    with caplog.at_level(logging.ERROR), running(settings, made) as service:
        assert service.ask("rossi", "GET", "/v1/worklist").status_code == 200
        answer = service.ask("bianchi", "GET", "/v1/worklist")
        assert (answer.status_code, answer.json()["type"][-11:]) == (503, "tenant-away")
        assert service.ask("stranger", "GET", "/v1/worklist").status_code == 401
        assert "bianchi: not served" in service.ask(None, "GET", "/readyz").json()["detail"]
        assert "bianchi is not served" in caplog.text
        told = service.ask("operator", "GET", "/metrics").text
        for name, away in {"bianchi": "1.0", "rossi": "0.0"}.items():
            assert f'puntuale_away{{part="service",tenant="{name}"}} {away}' in told


def test_while_one_companys_keys_cannot_be_read_the_others_open(tmp_path, row):
    settings, made = installed(tmp_path)
    publish(settings, "rossi", [row()])
    with settings.tenants_file.open("a") as file:
        file.write('[verdi]\ndatabase_url = "postgresql://nobody@127.0.0.1:1/none"\n')
    with running(settings, made) as service:
        assert service.ask("rossi", "GET", "/v1/worklist").status_code == 200
        answer = service.ask("stranger", "GET", "/v1/worklist")
        assert (answer.status_code, answer.json()["type"][-12:]) == (503, "records-away")


def test_nobody_comes_in_without_a_key_even_where_none_was_made(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, host="127.0.0.1")
    (tmp_path / "tenants.toml").write_text("[rossi]\n")
    with running(settings) as service:
        assert service.ask(None, "GET", "/v1/worklist").status_code == 401
        (tenant,) = service.door.served
        tenant.app.state.ring.refresh()
        assert service.ask(None, "GET", "/").status_code == 401


def test_a_key_that_two_companies_know_opens_neither(tmp_path):
    settings, made = installed(tmp_path)
    homes = {name: own.home for name, own in tenants.every(settings).items()}
    shutil.copyfile(homes["rossi"] / "records.db", homes["bianchi"] / "records.db")
    with running(settings, made) as service:
        assert service.ask("rossi", "GET", "/v1/worklist").status_code == 401


def test_tokens_go_to_the_company_that_their_claim_names_once_they_are_checked(tmp_path, row):
    with token_issuer.answering() as issuer:
        oidc = {"oidc_issuer": issuer.url, "oidc_audience": token_issuer.AUDIENCE}
        settings, _ = installed(tmp_path, **oidc, oidc_tenant_claim="companies")
        publish(settings, "rossi", [row()])
        publish(settings, "bianchi", bianchis([row()]))

        def seen(service, token):
            headers = {"Authorization": f"Bearer {token}"}
            answer = service.ask(None, "GET", "/v1/worklist", headers=headers)
            told = answer.json()
            ids = {invoice["customer_id"] for invoice in told.get("invoices", ())}
            return (answer.status_code, ids or told["detail"])

        with running(settings) as service:
            assert seen(service, issuer.token(companies="rossi")) == (200, {OURS})
            assert seen(service, issuer.token(companies=["bianchi"])) == (200, {THEIRS})
            for claims in ({}, {"companies": "verdi"}, {"companies": ["rossi", "bianchi"]}):
                assert seen(service, issuer.token(**claims))[0] == 401
            forged = issuer.token(companies="rossi", key="ec", kid="rsa")
            assert seen(service, forged)[0] == 401
            expired = issuer.token(companies="rossi", exp=1)
            assert seen(service, expired) == (401, "The token has expired.")

        same = settings.model_copy(update={"oidc_tenant_claim": None})
        with pytest.raises(TenantsRefused, match="would take the same tokens"):
            create_service(same)


def test_one_company_alone_has_no_door(tmp_path, monkeypatch):
    assert not isinstance(create_service(Settings(_env_file=None, home=tmp_path)), Door)
    (tmp_path / "tenants.toml").write_text("[rossi]\n")
    monkeypatch.setenv("PUNTUALE_TENANT", "rossi")
    with running(Settings(_env_file=None, home=tmp_path)) as service:
        assert service.ask(None, "GET", "/v1/worklist").status_code == 401


@pytest.fixture
def by_folder(monkeypatch):
    """Models by the folder that names them, without files: the one in `prior` is the shared one."""

    def champion(settings):
        folder = prior.answering(settings)
        version = bundle.champion_version(folder)
        facts = {"model_source": "shared_prior"} if folder.name == "prior" else {}
        manifest = Manifest(str(version), "2026-06-30T02:00:00Z", {}, facts)
        return version and Bundle(None, version, manifest)

    def crown(folder, version):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / bundle.CHAMPION).write_text(version)

    monkeypatch.setattr(prior, "champion", champion)
    return crown


def test_the_shared_prior_says_so_until_the_company_has_a_model_of_its_own(
    tmp_path, row, by_folder
):
    settings, made = installed(tmp_path)
    by_folder(tmp_path / "prior", "prior-2026-06-01-x")
    publish(settings, "rossi", [row()], model_source="shared_prior")
    publish(settings, "bianchi", [row()])
    own = tenants.settings_of(settings, "rossi")
    with running(settings, made) as service:
        assert service.ask("rossi", "GET", "/v1/worklist").json()["model_source"] == "shared_prior"
        assert service.ask("bianchi", "GET", "/v1/worklist").json()["model_source"] == "own"
        for language, words in {"it": "risponde il modello comune", "en": "the shared one"}.items():
            assert words in service.ask("rossi", "GET", f"/?lang={language}").text
            assert words not in service.ask("bianchi", "GET", f"/?lang={language}").text
        told = service.ask("rossi", "GET", "/v1/model").json()
        assert (told["model_source"], told["version"]) == ("shared_prior", "prior-2026-06-01-x")

        by_folder(own.models_folder, "2026-06-29-own")
        at_hand = service.door.served[0].app.state.at_hand
        Reload(at_hand).look()
        told = service.ask("rossi", "GET", "/v1/model").json()
        assert (told["model_source"], told["version"]) == ("own", "2026-06-29-own")

        (own.models_folder / bundle.CHAMPION).unlink()
        Reload(at_hand).look()
        assert at_hand.model.version == "2026-06-29-own", "what was one's own is not given up"
        assert at_hand.parts_away() == ["model"]
