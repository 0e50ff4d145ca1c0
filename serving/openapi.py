"""The OpenAPI document: what FastAPI derives, with the shape of our errors and the key."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serving.limits import HEALTH_PATHS
from serving.problems import ProblemMessage

REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> None:
    """Makes the application describe itself as it is."""

    def document() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the way FastAPI documents


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    problem = ProblemMessage.model_json_schema(ref_template=REF)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    }
    for path, operations in found["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in HEALTH_PATHS else [{"ApiKey": []}]
    return found
