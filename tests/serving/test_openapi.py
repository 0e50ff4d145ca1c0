"""The document that an integrator reads once, and that generators make clients from."""

import re

import pytest

from pipelines.tables import TABLES
from serving.glossary import MEANINGS, TAGS


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def operations(document):
    return [
        (f"{method} {path}", operation)
        for path, found in document["paths"].items()
        for method, operation in found.items()
    ]


def references(part):
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix("#/components/schemas/")
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_operation_has_a_plain_name_of_its_own(document):
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in names)


def test_every_answer_of_json_has_a_schema_with_a_name(document):
    """FastAPI writes `string` for an answer whose class it does not know to be JSON."""
    for name, operation in operations(document):
        content = operation["responses"]["200"]["content"]
        if "application/json" in content:
            assert set(content["application/json"]["schema"]) == {"$ref"}, name


def test_every_schema_is_there_once_and_used(document):
    schemas = document["components"]["schemas"]
    assert set(references(document)) == set(schemas)


def test_everything_says_what_it_is(document):
    silent = [name for name, o in operations(document) if not (o["summary"] and o["description"])]
    for name, operation in operations(document):
        silent += [
            f"{name} {parameter['name']}"
            for parameter in operation.get("parameters", ())
            if not parameter.get("description")
        ]
    for name, schema in document["components"]["schemas"].items():
        fields = schema.get("properties", {})
        silent += [f"{name}.{field}" for field, told in fields.items() if "description" not in told]
    assert silent == []


def test_no_meaning_is_told_of_a_field_that_is_not_there(document):
    there = {
        name
        for message, schema in document["components"]["schemas"].items()
        for field in schema.get("properties", {})
        for name in (field, f"{message}.{field}")
    }
    assert set(MEANINGS) <= there


def test_tags_are_those_that_are_explained(document):
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}
    assert used == set(TAGS) == {tag["name"] for tag in document["tags"]}


def test_no_parameter_may_be_null(document):
    for name, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert {"type": "null"} not in parameter["schema"].get("anyOf", ()), name


def test_a_list_of_words_is_written_once_and_named(document):
    listed = [
        tuple(schema["enum"])
        for name, schema in document["components"]["schemas"].items()
        if "enum" in schema
    ]
    assert len(set(listed)) == len(listed)
    for _, operation in operations(document):
        assert not any("enum" in p["schema"] for p in operation.get("parameters", ()))


def test_the_ledgers_columns_can_be_read_where_rows_are_sent(document):
    told = document["paths"]["/v1/ledger/{table}"]["put"]["description"]
    lines = {line.split("`")[1]: line for line in told.splitlines() if line.startswith("- `")}
    for table in TABLES.values():
        assert all(column.name in lines[table.name] for column in table.columns)
