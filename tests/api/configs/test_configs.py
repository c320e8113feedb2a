"""Configs over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from utp.config.field_groups import FIELD_GROUPS
from utp.settings import Settings

CONFIGS = "/api/v1/configs"
FIELDS = {"root": "fruit", "model_flavour": "builtin/vit-tiny", "load_pretrained": False, "lr": 0.001}

Save = Callable[..., dict[str, Any]]


@pytest.fixture
def save(client: TestClient, project_id: str) -> Save:
    def post(name: str = "base", **fields: Any) -> dict[str, Any]:
        asked = {"project_id": project_id, "name": name, "config": {**FIELDS, **fields}}
        answer = client.post(CONFIGS, json=asked)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return post


def test_schema_has_group_help_and_limits_of_every_field(client: TestClient) -> None:
    schema = client.get(f"{CONFIGS}/schema").json()
    assert {field["x-group"] for field in schema["properties"].values()} == set(FIELD_GROUPS)
    assert all(field["description"] for field in schema["properties"].values())
    assert schema["properties"]["epochs"]["minimum"] == 1
    assert schema["properties"]["sampler"]["enum"] == ["shuffle", "balanced"]
    assert schema["required"] == ["root", "model_flavour"]


def test_model_flavours_are_the_builtin_ones_and_the_folders_of_models(client: TestClient, settings: Settings) -> None:
    assert settings.models_dir is not None
    for name in ("lite0", "google/vit"):
        (settings.models_dir / name).mkdir(parents=True)
        (settings.models_dir / name / "config.json").write_text("{}")
    (settings.models_dir / "no-model").mkdir()
    names = [flavour["name"] for flavour in client.get("/api/v1/model-flavours").json()]
    assert "builtin/resnet-micro" in names
    assert [name for name in names if not name.startswith("builtin/")] == ["google/vit", "lite0"]


def test_registries_list_parts_with_the_schema_of_their_options(client: TestClient) -> None:
    registries = client.get("/api/v1/registries").json()
    focal = next(entry for entry in registries["loss"] if entry["name"] == "focal")
    assert "gamma" in focal["options_schema"]["properties"]
    assert {"loss", "optimizer", "schedule", "model", "metric", "task"} <= registries.keys()


def test_saved_config_has_all_fields_and_says_which_differ(client: TestClient, save: Save, project_id: str) -> None:
    saved = save()
    assert saved["config"]["epochs"] == 10
    assert saved["changed_fields"] == ["root", "model_flavour", "load_pretrained", "lr"]
    assert saved["created_by"] == "admin"
    assert client.get(f"{CONFIGS}/{saved['id']}").json() == saved
    assert client.get(f"{CONFIGS}/project/{project_id}").json()["items"] == [saved]
    assert client.get(f"{CONFIGS}/project/{project_id}", params={"q": "vit-tiny"}).json()["total"] == 1
    assert client.get(f"{CONFIGS}/project/{project_id}", params={"q": "resnet"}).json()["total"] == 0


def test_wrong_fields_come_back_with_value_and_way_out(client: TestClient, project_id: str) -> None:
    config = {**FIELDS, "lr": -1.0, "loss": "crossentropy", "epoch": 3}
    asked = {"project_id": project_id, "name": "bad", "config": config}
    answer = client.post(CONFIGS, json=asked)
    assert answer.status_code == 422
    errors = {one["field"]: one for one in answer.json()["errors"]}
    assert errors["lr"]["value"] == "-1.0"
    assert "epochs" in errors["epoch"]["way_out"]
    checked = client.post(f"{CONFIGS}/validate", json={"config": {**FIELDS, "loss": "crossentropy"}}).json()
    assert not checked["is_valid"]
    assert checked["errors"][0]["field"] == "loss"


def test_path_that_leaves_its_mount_is_refused(client: TestClient, project_id: str) -> None:
    for field, path in (("root", "../etc"), ("tb_root", "a/../../b"), ("ckpt_dir", "%2e%2e/x"), ("root", "a\0b")):
        asked = {"project_id": project_id, "name": "bad", "config": {**FIELDS, field: path}}
        assert client.post(CONFIGS, json=asked).status_code in (400, 422), path


def test_valid_config_is_resolved_with_its_run_name(client: TestClient) -> None:
    checked = client.post(f"{CONFIGS}/validate", json={"config": FIELDS}).json()
    assert checked["is_valid"]
    assert checked["run_base_name"] == "vit-tiny__cross_entropy__scratch"
    assert checked["resolved"]["batch_size"] == 32
    assert [note["field"] for note in checked["notes"]] == ["root"]


def test_unused_config_is_edited_in_place(client: TestClient, save: Save) -> None:
    saved = save()
    url = f"{CONFIGS}/{saved['id']}"
    etag = client.get(url).headers["ETag"]
    assert client.patch(url, json={"config": FIELDS}).status_code == 428
    changed = client.patch(url, json={"config": {**FIELDS, "lr": 0.5}}, headers={"If-Match": etag})
    assert changed.json()["config"]["lr"] == 0.5
    assert client.patch(url, json={"name": "x"}, headers={"If-Match": etag}).status_code == 412


def test_clone_and_diff(client: TestClient, save: Save) -> None:
    first, second = save(), save("other", lr=0.01, seed=3)
    diff = client.get(f"{CONFIGS}/diff", params={"a": first["id"], "b": second["id"]}).json()
    assert {one["field"]: (one["a"], one["b"]) for one in diff["fields"]} == {"lr": (0.001, 0.01), "seed": (0, 3)}
    clone = client.post(f"{CONFIGS}/{first['id']}/clone", json={"name": "copy"}).json()
    assert clone["config"] == first["config"]
    assert client.post(f"{CONFIGS}/{first['id']}/clone", json={"name": "copy"}).status_code == 409


def test_archived_config_leaves_the_list(client: TestClient, save: Save, project_id: str) -> None:
    saved = save()
    assert client.delete(f"{CONFIGS}/{saved['id']}").status_code == 204
    assert client.get(f"{CONFIGS}/project/{project_id}").json()["items"] == []
    assert client.get(f"{CONFIGS}/{saved['id']}").json()["archived_at"] is not None


def test_unknown_config_and_project_are_404(client: TestClient) -> None:
    unknown = "a" * 32
    assert client.get(f"{CONFIGS}/{unknown}").status_code == 404
    assert client.get(f"{CONFIGS}/project/{unknown}").status_code == 404
    asked = {"project_id": unknown, "name": "a", "config": FIELDS}
    assert client.post(CONFIGS, json=asked).status_code == 404
