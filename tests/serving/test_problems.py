import logging
import re

import pytest

from serving.problems import (
    EVERY_ROUTE,
    KINDS,
    MEDIA_TYPE,
    TYPE_PREFIX,
    ProblemMessage,
    declared,
)

EVERYWHERE = [
    ("an address we do not have", "GET", "/v1/nothing", {}, 404),
    ("a method we do not have", "DELETE", "/v1/scores", {}, 405),
    ("an answer as XML", "GET", "/v1/worklist", {"Accept": "application/xml"}, 406),
    ("a body as plain text", "POST", "/v1/scores", {"Content-Type": "text/plain"}, 415),
    ("a compressed body", "POST", "/v1/scores", {"Content-Encoding": "gzip"}, 415),
    ("no body", "POST", "/v1/scores", {"Content-Type": "application/json"}, 422),
    ("a parameter we do not have", "GET", "/v1/worklist?x=1", {}, 422),
    ("a host that is not ours", "GET", "/v1/worklist", {"Host": "evil.example"}, 400),
    ("an endless address", "GET", "/v1/invoices/" + "a" * 60_000, {}, 400),
]


def is_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    problem = ProblemMessage.model_validate_json(answer.content)
    assert problem.status == status
    kind = problem.type.removeprefix(TYPE_PREFIX)
    assert KINDS[kind] == (status, problem.title)
    assert problem.request_id == answer.headers["X-Request-ID"]
    return problem


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [case[1:] for case in EVERYWHERE],
    ids=[case[0] for case in EVERYWHERE],
)
def test_every_error_has_one_shape(client, method, path, headers, status):
    """B15, B19, B20, B21, B22."""
    is_problem(client(method, path, headers=headers), status)


def test_every_route_errs_in_that_shape(serve):
    """A route that is added is tried here without being named here."""
    client = serve(api_keys=("secret-key",))
    document = client.get("/openapi.json", headers={"X-API-Key": "secret-key"}).json()
    health = {"/healthz", "/readyz"}
    for path, operations in document["paths"].items():
        concrete = re.sub(r"\{.*?\}", "none", path)
        for method in operations:
            if path not in health:
                is_problem(client(method.upper(), concrete), 401)
        answer = client("TRACE", concrete, headers={"X-API-Key": "secret-key"})
        is_problem(answer, 405)
        allowed = set(answer.headers["Allow"].lower().split(", "))
        assert allowed - {"head"} == set(operations), path
        if "get" in operations and path.startswith("/v1/"):
            unknown = {"X-API-Key": "secret-key"}
            is_problem(client.get(f"{concrete}?no_such_parameter=1", headers=unknown), 422)


def test_every_route_declares_its_problems(client):
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                wanted = {str(status) for status in EVERY_ROUTE}
                assert wanted <= operation["responses"].keys(), path
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert set(response["content"]) == {MEDIA_TYPE}, (path, status)


def test_a_declared_example_is_a_problem():
    for response in declared(*(status for status, _ in KINDS.values())).values():
        ProblemMessage.model_validate(response["content"][MEDIA_TYPE]["example"])


def test_a_wrong_method_is_told_the_right_one(client):
    """B22."""
    assert client("PUT", "/v1/scores").headers["Allow"] == "POST"
    assert client("DELETE", "/v1/ledger/invoices").headers["Allow"] == "POST, PUT"
    assert client("PUT", "/v1/webhooks").headers["Allow"] == "GET, POST"


def test_no_value_of_a_request_comes_back(client, scorer):
    name = "Mario Rossi, via Verdi 7"
    asked = {"customers": [{"customer_id": f" {name}", "vat_id": [name], name: 1, "invoices": 1}]}
    for error in scorer.post("/v1/scores", json=asked).json()["errors"]:
        said = error | {"path": error["path"].replace(name, "")}  # the name of a field is no value
        assert name not in str(said)


def test_many_faults_are_counted_and_the_first_are_listed(scorer):
    asked = {"customers": [{"customer_id": "C", "invoices": [{}] * 100}]}
    answer = scorer.post("/v1/scores", json=asked).json()
    assert answer["detail"] == "300 faults found, the first 100 listed"
    assert len(answer["errors"]) == 100


def test_a_failure_of_ours_keeps_its_cause_in_the_log(serve, row, monkeypatch, caplog):
    client = serve([row()])

    def fail(*_):
        raise RuntimeError("the table of Mario Rossi")

    monkeypatch.setattr("pipelines.snapshot.Snapshot.get_invoice", fail)
    with caplog.at_level(logging.ERROR):
        answer = client.get("/v1/invoices/1")
    problem = is_problem(answer, 500)
    assert "Rossi" not in answer.text
    assert problem.request_id in caplog.text
    assert "Content-Security-Policy" in answer.headers


def test_a_client_may_name_its_request(client):
    answer = client.get("/v1/nothing", headers={"X-Request-ID": "erp-2026-000017"})
    assert answer.json()["request_id"] == "erp-2026-000017"


def test_a_request_id_that_could_forge_a_log_line_is_replaced(client):
    answer = client.get("/v1/nothing", headers={"X-Request-ID": "a" * 65})
    assert re.fullmatch("[0-9a-f]{32}", answer.json()["request_id"])
