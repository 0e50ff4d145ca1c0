"""The OpenAPI document: what FastAPI derives, made so that one page and a generator can read it.

FastAPI does not know the shape of our errors, the key, the body that the ledger takes in three
forms, or that a list of words which stands in many places is one thing with a name.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from pipelines.records.alerts import State
from pipelines.records.marks import Kind
from serving.exports import Form, What
from serving.glossary import MEANINGS, TAGS
from serving.ledger_events import ROW_SCHEMA, ROWS_SCHEMA, TableName
from serving.limits import HEALTH_PATHS
from serving.messages import Language
from serving.openapi_rules import tell_rules
from serving.plan import CustomerSort
from serving.problems import ProblemMessage
from serving.webhooks import Event
from serving.worklist import Band, InvoiceSort, Signal

REF = "#/components/schemas/{model}"
ENUMERATIONS: Mapping[str, Any] = {
    "Language": Language,
    "LedgerTable": TableName,
    "RiskBand": Band,
    "SignalCode": Signal,
    "InvoiceSort": InvoiceSort,
    "CustomerSort": CustomerSort,
    "AlertState": State,
    "MarkKind": Kind,
    "WebhookEvent": Event,
    "ExportContent": What,
    "ExportForm": Form,
}
KEY = {
    "type": "apiKey",
    "in": "header",
    "name": "X-API-Key",
    "description": "Made by `puntuale keys make NAME --scope read|score|write|admin`; none is "
    "asked for while there are none, on this machine only.",
}
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "Of the issuer that PUNTUALE_OIDC_ISSUER names.",
}


def operation_id(route: APIRoute) -> str:
    """The name of an operation, and of the function in a generated client: `get_worklist`."""
    return route.name


def describe(app: FastAPI, *, takes_tokens: bool = False) -> None:
    """Makes the application describe itself as it is."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app, takes_tokens)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents


def _document(app: FastAPI, takes_tokens: bool) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = ProblemMessage.model_json_schema(ref_template=REF, mode="serialization")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    schemas |= {"LedgerRow": ROW_SCHEMA, "LedgerRows": deepcopy(ROWS_SCHEMA)}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {"ApiKey": KEY} | ({"Token": TOKEN} if takes_tokens else {})
    opens: list[dict[str, list[str]]] = [{name: []} for name in components["securitySchemes"]]
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in HEALTH_PATHS else opens
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
    tell_rules(found)
    for name, schema in schemas.items():
        _explain(name, schema)
    named: dict[str, Any] = _with_names(found)
    for name, words in ENUMERATIONS.items():
        named["components"]["schemas"][name] = {"type": "string", "enum": list(get_args(words))}
    return named


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is given or left out: no query or path can say null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    given: dict[str, Any] = dict(schema) | choices[0]
    del given["anyOf"]
    return given


def _explain(message: str, schema: dict[str, Any]) -> None:
    """Says of each field what it means, where its own class has not; a list may be left out."""
    for name, field in schema.get("properties", {}).items():
        meaning = MEANINGS.get(f"{message}.{name}") or MEANINGS.get(name)
        if "description" not in field and meaning:
            field["description"] = meaning
        if field.get("default") == []:  # generators take what has a default for always there
            del field["default"]


def _with_names(part: Any) -> Any:
    """The document with one name wherever one of the enumerations stands."""
    if isinstance(part, list):
        return [_with_names(each) for each in part]
    if not isinstance(part, dict):
        return part
    if isinstance(part.get("enum"), list):
        for name, words in ENUMERATIONS.items():
            if part["enum"] == list(get_args(words)):
                said = {"description": part["description"]} if "description" in part else {}
                return {"$ref": REF.format(model=name)} | said
    return {name: _with_names(each) for name, each in part.items()}
