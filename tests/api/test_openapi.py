"""The OpenAPI document that clients are generated from."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from utp.entrypoints import openapi


def test_program_prints_the_document_of_the_app(app: FastAPI, capsys: pytest.CaptureFixture[str]) -> None:
    openapi.main()
    assert json.loads(capsys.readouterr().out) == app.openapi()


def test_every_operation_has_a_name_of_its_own_and_documents_its_problems(app: FastAPI) -> None:
    document = app.openapi()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert operation["description"], operation["operationId"]
        for status in ("401", "422", "429", "503"):
            content = operation["responses"][status]["content"]
            if operation["operationId"] != "get_readiness":
                assert list(content) == ["application/problem+json"], (operation["operationId"], status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_docs_are_a_page_without_scripts(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "/api/v1/runs/from-config/{config_id}" in page
    assert "<script" not in page
    assert client.get("/openapi.json").json()["info"]["title"] in page
