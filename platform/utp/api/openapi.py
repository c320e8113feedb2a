"""The OpenAPI document: problem documents as they are sent, and models that no route returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from utp.api.errors import MEDIA_TYPE, Problem

PROBLEM_STATUSES: Mapping[int, str] = {
    400: "What was sent can't be read.",
    401: "Nobody is signed in.",
    403: "The role or the token's scope does not allow it.",
    404: "There is no such thing, or it is not to be seen.",
    405: "The route does not know this method.",
    409: "The state of things forbids it.",
    412: "It was changed since it was read.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "A value can't be used; `errors` says which.",
    428: "If-Match is missing.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "The server failed.",
    503: "The database is busy or away; Retry-After says when to come back.",
    507: "The disk of the database is full.",
}

EXTRA_MODELS: list[tuple[str, Any]] = []
"""Name and type of models that only the WebSocket sends; its module adds them."""

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A personal access token, `utp_...`."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "utp_session"},
}


def build_openapi(app: FastAPI) -> dict[str, Any]:
    """Return the document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _add_problems(document)
        _add_models(document, [("Problem", Problem), *EXTRA_MODELS])
        document["components"]["securitySchemes"] = _SECURITY
        document["security"] = [{"bearer": []}, {"cookie": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _add_problems(document: dict[str, Any]) -> None:
    """Document the problems of every operation; as models of FastAPI's routes they would cost seconds at the start."""
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    for path in document["paths"].values():
        for operation in path.values():
            for status, description in PROBLEM_STATUSES.items():
                known = operation["responses"].get(str(status))
                if known is None or status in (405, 422):  # FastAPI names the latter, and JSON for the former
                    content = {MEDIA_TYPE: reference}
                    operation["responses"][str(status)] = {"description": description, "content": content}
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)


def _add_models(document: dict[str, Any], models: Sequence[tuple[str, Any]]) -> None:
    schemas = document["components"]["schemas"]
    for name, model in models:
        schema = TypeAdapter(model).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        for inner, definition in schema.pop("$defs", {}).items():
            schemas.setdefault(inner, definition)
        # Of a union within a union pydantic maps a value to a schema; OpenAPI 3.1 knows names alone.
        mapping = schema.get("discriminator", {}).get("mapping", {})
        if not all(isinstance(target, str) for target in mapping.values()):
            del schema["discriminator"]
        schemas[name] = schema
