import pytest

from serving.webhooks import NewWebhook, Webhooks

PUBLIC = "https://93.184.215.14/in"


@pytest.fixture
def service(serve):
    return serve()


def make(service, url=PUBLIC, events=("alert.raised",), **headers):
    return service.post("/v1/webhooks", json={"url": url, "events": list(events)}, headers=headers)


def test_a_secret_is_shown_when_the_webhook_is_made_and_never_again(service):
    made = make(service).json()
    NewWebhook.model_validate(made)
    listed = service.get("/v1/webhooks").json()
    Webhooks.model_validate(listed)
    assert [hook["id"] for hook in listed["webhooks"]] == [made["id"]]
    assert made["secret"] not in str(listed)


def test_a_removed_webhook_is_gone(service):
    made = make(service).json()
    assert service("DELETE", f"/v1/webhooks/{made['id']}").json() == {"id": made["id"]}
    assert service.get("/v1/webhooks").json() == {"webhooks": []}
    assert service("DELETE", f"/v1/webhooks/{made['id']}").status_code == 404


def test_made_twice_with_one_key_it_is_one_webhook(service):
    first, again = (make(service, **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert first.json() == again.json()
    assert len(service.get("/v1/webhooks").json()["webhooks"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "https://127.1/",
        "https://2130706433/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
        "https://user:secret@93.184.215.14/",
        "https://93.184.215.14:0/",
        "https://93.184.215.14:99999/",
        "https://93.184.215.14/\r\nX: 1",
        "https:///in",
        "//93.184.215.14/",
        "",
    ],
)
def test_b56_an_address_that_is_not_public_is_refused_with_its_reason(service, url):
    answer = make(service, url)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["path"] == "url"
    assert not url or url not in answer.text


@pytest.mark.parametrize("events", [[], ["everything"], ["alert.raised"] * 4])
def test_only_events_that_there_are_can_be_wanted(service, events):
    assert make(service, events=events).status_code == 422


def test_inside_the_companys_network_is_allowed_where_the_settings_say_so(serve):
    service = serve(webhook_allow_private=True)
    assert make(service, "http://127.0.0.1:9/in").status_code == 200


def test_only_an_administrator_sees_and_makes_webhooks(serve, tmp_path):
    from datetime import UTC, datetime

    from pipelines.records import keys
    from pipelines.records.audit import Writer
    from pipelines.records.database import open_database

    database = open_database(f"sqlite:///{tmp_path / 'records.db'}")
    writer = Writer("test", datetime(2026, 6, 30, tzinfo=UTC))
    with database.writing() as connection:
        _, key = keys.make(connection, "ERP", scopes={"read", "write"}, writer=writer)
        _, admin = keys.make(connection, "boss", scopes={"admin"}, writer=writer)
    database.close()
    service = serve()
    for given, status in ((key, 403), (admin, 200)):
        assert service.get("/v1/webhooks", headers={"X-API-Key": given}).status_code == status
        assert make(service, **{"X-API-Key": given}).status_code == status
