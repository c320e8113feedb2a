"""`/openapi.json`, and `/docs`: the same as a page without scripts; both behind the log-in."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", operation_id="get_openapi")
async def get_openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    return JSONResponse(request.app.openapi())


@router.get("/docs", operation_id="get_docs")
async def get_docs(request: Request) -> HTMLResponse:
    """Return the routes with their parameters and bodies as a page."""
    return HTMLResponse("\n".join(_page(request.app.openapi())))


def _page(document: dict[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}: API</title><h1>{title}: API</h1>'
    yield '<p>The document itself is <a href="/openapi.json">/openapi.json</a>.</p>'
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p><ul>"
            yield from (f"<li>{line}</li>" for line in _lines(operation))
            yield "</ul>"
    yield "<h1>Schemas</h1>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2><p>{escape(schema.get("description", ""))}</p><ul>'
        for field, inner in schema.get("properties", {}).items():
            yield f"<li><code>{escape(field)}</code> {_link(inner)} {escape(inner.get('description', ''))}</li>"
        yield "</ul>"


def _lines(operation: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        about = escape(parameter.get("description", ""))
        yield f"{parameter['in']} <code>{escape(parameter['name'])}</code> {_link(parameter.get('schema', {}))} {about}"
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield f"body {_link(content.get('schema', {}))}"
    for status, response in operation.get("responses", {}).items():
        if status.startswith("2"):
            links = [_link(content.get("schema", {})) for content in response.get("content", {}).values()]
            yield f"{status} {' '.join(links)}"


def _link(schema: dict[str, Any]) -> str:
    """Return a schema in a few words, a named one as a link."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "items" in schema:
        return f"list of {_link(schema['items'])}"
    parts = schema.get("anyOf") or schema.get("oneOf")
    return " or ".join(_link(part) for part in parts) if parts else escape(str(schema.get("type", "")))
