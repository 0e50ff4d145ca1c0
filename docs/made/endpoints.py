"""The endpoints and their messages, from the OpenAPI document that the service gives of itself."""

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docs.made.markdown import code, sentence, table
from pipelines.settings import Settings
from serving.access import scope_needed
from serving.app import create_app
from serving.limits import HEALTH_PATHS
from serving.problems import MEDIA_TYPE, TYPE_PREFIX

Part = dict[str, Any]
PAGE_OF_MESSAGES = "messages.md"


@cache
def document() -> Part:
    """What /openapi.json says, of a service with an empty home."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # the records' tables are made: no news
    with TemporaryDirectory() as folder:
        settings = Settings.model_construct(home=Path(folder))
        return create_app(settings).openapi()


def markdown() -> str:
    """A chapter for each tag, a section for each method of each address."""
    chapters = {tag["name"]: [sentence(tag["description"])] for tag in document()["tags"]}
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            about = chapters.setdefault(operation["tags"][0], [])
            about.append(_section(method, path, operation))
    return "\n".join(
        "\n\n".join([f"## {name.capitalize()}", *sections]) for name, sections in chapters.items()
    )


def _section(method: str, path: str, operation: Part) -> str:
    scope = "" if path in HEALTH_PATHS else scope_needed(method.upper(), path)
    needs = f"Needs a key with the scope `{scope}`." if scope else "Needs no key."
    said = [
        f"### {method.upper()} {path}",
        f"{sentence(operation['summary'])} {needs}",
        operation.get("description", ""),
        _parameters(operation.get("parameters", [])),
        _body(operation.get("requestBody")),
        _answers(operation["responses"]),
    ]
    return "\n\n".join(part for part in said if part) + "\n"


def _parameters(parameters: list[Part]) -> str:
    rows = [
        (
            code(parameter["name"]),
            parameter["in"] + (", needed" if parameter["required"] else ""),
            _type(parameter["schema"]),
            sentence(parameter.get("description", "")),
        )
        for parameter in parameters
    ]
    return table(("parameter", "in", "takes", "meaning"), rows) if rows else ""


def _body(body: Part | None) -> str:
    if body is None:
        return ""
    kinds = [f"{code(kind)}: {_type(of['schema'])}" for kind, of in body["content"].items()]
    return "Body: " + "; ".join(kinds) + "."


def _answers(responses: Part) -> str:
    """What comes back when all is well, then every problem with its status."""
    good, problems = [], []
    for status, answer in responses.items():
        for kind, of in answer.get("content", {}).items():
            if kind == MEDIA_TYPE:
                problems += [f"{status} {code(problem)}" for problem in sorted(_problems(of))]
            else:
                good.append(f"{status} {code(kind)}: {_type(of.get('schema', {}))}")
        if "content" not in answer:
            good.append(f"{status}, {answer['description'].lower()}, without a body")
    said = f"Answers: {'; '.join(good)}."
    return said + (f" Problems: {', '.join(problems)}." if problems else "")


def _problems(content: Part) -> Iterator[str]:
    """The types of problem that an answer may be, without their common beginning."""
    examples = [of["value"] for of in content.get("examples", {}).values()]
    for example in [*examples, *([content["example"]] if "example" in content else [])]:
        yield example["type"].removeprefix(TYPE_PREFIX)


def messages() -> str:
    """A section for each message that goes in or out, with its fields."""
    schemas = document()["components"]["schemas"]
    return "\n".join(_message(name, schemas[name]) for name in sorted(schemas))


def _message(name: str, schema: Part) -> str:
    said = [
        f"## {name}",
        sentence(schema.get("description", "")) if "description" in schema else "",
    ]
    if "enum" in schema:
        said.append("One of " + ", ".join(map(code, schema["enum"])) + ".")
    needed = schema.get("required", ())
    rows = [
        (
            code(field) + (" \\*" if field in needed else ""),
            _type(of),
            sentence(of.get("description", "")),
        )
        for field, of in schema.get("properties", {}).items()
    ]
    if rows:
        said.append(table(("field", "type", "meaning"), rows))
    return "\n\n".join(part for part in said if part) + "\n"


def _type(schema: Part) -> str:
    """A type in a few words; messages are links to their section."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}]({PAGE_OF_MESSAGES}#{name.lower()})"
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(choice) for choice in choices)
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(map(code, schema["enum"]))
    words = {"integer": "whole number", "string": schema.get("format", "text")}
    return " ".join([words.get(kind, kind), *_bounds(schema)])


def _bounds(schema: Part) -> Iterator[str]:
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']:g} to {schema['maximum']:g}"
    if "maxLength" in schema:
        yield f"up to {schema['maxLength']}"
    if "maxItems" in schema:
        yield f"up to {schema['maxItems']}"
    if schema.get("default") not in (None, ""):
        yield f"({schema['default']})"
