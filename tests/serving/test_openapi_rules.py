import re

import pytest

from pipelines.rules import MAX_TERMS_DAYS
from serving.openapi_rules import BEYOND_SCHEMA, LINKS


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def field(document, message, name):
    told = document["components"]["schemas"][message]["properties"][name]
    return next((each for each in told.get("anyOf", ()) if each != {"type": "null"}), told)


def test_the_ledgers_bounds_stand_beside_their_fields(document):
    kinds = ["composition", "insolvency_petition", "liquidation", "protest"]
    assert field(document, "LegalEvent", "kind")["enum"] == kinds
    assert field(document, "Invoice", "terms_days")["maximum"] == MAX_TERMS_DAYS
    assert field(document, "ActionDone", "propensity")["maximum"] == 1
    assert field(document, "PromiseMade", "status")["enum"][0] == "broken"


def test_bounds_are_in_the_words_of_json_schema(document):
    assert field(document, "WhatIfRequest", "target")["maximum"] == 1
    assert field(document, "ChangeMessage", "discount_pct")["exclusiveMaximum"] == 100
    for schema in document["components"]["schemas"].values():
        for told in schema.get("properties", {}).values():
            for value in (told, *told.get("anyOf", ())):
                assert not {"ge", "le", "gt", "lt"} & set(value)


def test_the_rules_that_no_schema_says_are_named_where_they_refuse(document, scorer):
    for (path, method), names in BEYOND_SCHEMA.items():
        told = document["paths"][path][method]["responses"]["422"]["x-rules"]
        assert told == sorted(set(names))
    invoice = {"invoice_id": "1", "due_date": "2026-05-01", "amount": 1}
    customer = {"customer_id": "C", "invoices": [invoice, invoice]}
    refused = scorer.post("/v1/scores", json={"customers": [customer]}).json()
    found = {error["rule"] for error in refused["errors"]}
    assert found == {"duplicate_id"}
    assert found <= set(BEYOND_SCHEMA["/v1/scores", "post"])


def test_links_lead_from_what_an_answer_says_to_what_a_request_takes(document):
    operations = {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }
    told = [
        link
        for operation in operations.values()
        for link in operation["responses"].get("200", {}).get("links", {}).values()
    ]
    assert len(told) == len(LINKS)
    for link in told:
        taken = {parameter["name"] for parameter in operations[link["operationId"]]["parameters"]}
        assert set(link["parameters"]) <= taken


def test_a_link_of_the_worklist_finds_what_it_names(document, client):
    links = document["paths"]["/v1/worklist"]["get"]["responses"]["200"]["links"]
    first = client.get("/v1/worklist").json()["invoices"][0]
    for name, path in {"invoice": "invoices", "customer": "customers"}.items():
        (place,) = links[name]["parameters"].values()
        wanted = first[re.sub(".*/", "", place)]
        assert client.get(f"/v1/{path}/{wanted}").status_code == 200


def test_a_request_that_may_be_sent_twice_declares_what_contradicts_it(document):
    twice = [
        operation
        for path in document["paths"].values()
        for operation in path.values()
        if any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
    ]
    assert len(twice) >= 8
    assert all("409" in operation["responses"] for operation in twice)
