from datetime import date, timedelta

import pytest

PATHS = [
    "/v1/worklist",
    "/v1/portfolio",
    "/v1/invoices/INV-7",
    "/v1/customers/C-0042",
    "/v1/exports/scores.parquet",
]


@pytest.mark.parametrize("path", PATHS)
def test_who_has_the_answer_already_is_told_so(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize("given", ['"x", {}', '{}, W/"y"', "{}"])
def test_one_of_several_tags_is_enough_strong_or_weak(client, given):
    tag = client.get("/v1/worklist").headers["ETag"]
    for form in (tag, tag.removeprefix("W/")):
        headers = {"If-None-Match": given.format(form)}
        assert client.get("/v1/worklist", headers=headers).status_code == 304


@pytest.mark.parametrize("other", ["/v1/worklist?limit=1", "/v1/worklist?lang=en", "/v1/portfolio"])
def test_another_question_has_another_tag(client, other):
    tag = client.get("/v1/worklist").headers["ETag"]
    answer = client.get(other, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_new_scores_have_another_tag(serve, row):
    service = serve([row()])
    tag = service.get("/v1/worklist").headers["ETag"]
    newer = serve([row(as_of=date(2026, 7, 1), open_cents=1)])
    answer = newer.get("/v1/worklist", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag


def test_the_day_on_which_scores_grow_old_has_another_tag(serve, row):
    service = serve([row()])
    tag = service.get("/v1/worklist").headers["ETag"]
    later = serve(today=row()["as_of"] + timedelta(days=3))
    answer = later.get("/v1/worklist", headers={"If-None-Match": tag})
    assert answer.json()["stale"] is True


def test_what_is_refused_has_no_tag(client, scorer):
    assert "ETag" not in client.get("/v1/worklist?x=1").headers
    assert "ETag" not in client.get("/v1/invoices/none").headers
    assert "ETag" not in scorer.get("/v1/worklist").headers
    assert client.get("/v1/nothing", headers={"If-None-Match": "*"}).status_code == 404


def test_without_a_key_nothing_is_told_of_what_was_modified(serve, row):
    service = serve([row()], api_keys=("a-key",))
    tag = service.get("/v1/worklist", headers={"X-API-Key": "a-key"}).headers["ETag"]
    assert service.get("/v1/worklist", headers={"If-None-Match": tag}).status_code == 401
