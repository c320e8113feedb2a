from __future__ import annotations

import json
from pathlib import Path

import pytest

from utp.core.models.source import require_weights, resolve_source
from utp.errors import ModelError, PathRefused, UnknownName
from utp.settings import Settings

STANDALONE = Settings(MODELS_DIR=None)


def _model(directory: Path, *, weights: str | None = None, **config: object) -> Path:
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({"model_type": "resnet", **config}))
    if weights:
        (directory / weights).write_bytes(b"")
    return directory


def test_builtin_name_is_a_directory_of_the_package() -> None:
    source = resolve_source("builtin/resnet-micro", None, STANDALONE)
    assert (source.kind, source.has_weights) == ("builtin", False)
    assert (Path(source.location) / "config.json").is_file()


def test_unknown_builtin_lists_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="resnet-micro"):
        resolve_source("builtin/resnet-50", None, STANDALONE)


@pytest.mark.parametrize("weights", ["model.safetensors", "model.safetensors.index.json"])
def test_directory_with_safetensors_has_weights(tmp_path: Path, weights: str) -> None:
    directory = _model(tmp_path / "m", weights=weights)
    source = resolve_source(str(directory), None, STANDALONE)
    assert (source.kind, source.location, source.has_weights) == ("local", str(directory), True)
    require_weights(source)


def test_relative_directory_is_local_by_being_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _model(tmp_path / "owner" / "name")
    monkeypatch.chdir(tmp_path)
    assert resolve_source("owner/name", None, STANDALONE).kind == "local"
    assert resolve_source("owner/other", None, STANDALONE).kind == "hub"


def test_models_dir_is_where_local_models_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = _model(tmp_path / "mount" / "fruit")
    _model(tmp_path / "elsewhere" / "resnet")
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = Settings(MODELS_DIR=tmp_path / "mount")
    for value in ("fruit", "./fruit", "/fruit", str(directory)):
        assert resolve_source(value, None, settings).location == str(directory)
    assert resolve_source("resnet", None, settings).kind == "hub"


def test_path_out_of_models_dir_is_refused(tmp_path: Path) -> None:
    _model(tmp_path / "secret")
    (tmp_path / "mount").mkdir()
    with pytest.raises(PathRefused):
        resolve_source("../secret", None, Settings(MODELS_DIR=tmp_path / "mount"))


@pytest.mark.parametrize(
    "flavour",
    ["../../x", "a/b/c", "a/../b", ".hidden", "-x", "own er/x", "owner/", "owner/x\n", "https://h/x", "ï/x",
     "x" * 300 + "/", "a\0b"],
)  # fmt: skip
def test_what_is_neither_path_nor_hub_id_is_refused(flavour: str) -> None:
    with pytest.raises(ModelError):
        resolve_source(flavour, None, STANDALONE)


@pytest.mark.parametrize("flavour", ["resnet-50", "microsoft/resnet-50", "google/vit_base.p16-224", "0x/1"])
def test_hub_id_needs_no_network_to_resolve(flavour: str) -> None:
    source = resolve_source(flavour, "abc123", STANDALONE)
    assert (source.kind, source.location, source.revision, source.has_weights) == ("hub", flavour, "abc123", None)
    require_weights(source)


def test_missing_directory_is_named_with_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no directory .*/absent; name a local .*builtin/resnet-micro"):
        resolve_source(str(tmp_path / "absent"), None, STANDALONE)


def test_directory_without_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        resolve_source(str(tmp_path), None, STANDALONE)


@pytest.mark.parametrize("text", ["{", "[]", "\x80"])
def test_config_that_is_no_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=r"config\.json"):
        resolve_source(str(tmp_path), None, STANDALONE)


@pytest.mark.parametrize("flavour", ["builtin/resnet-micro", "."])
def test_revision_of_what_is_not_from_the_hub_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavour: str
) -> None:
    monkeypatch.chdir(_model(tmp_path / "m"))
    with pytest.raises(ModelError, match="model_revision 'main' has no effect"):
        resolve_source(flavour, "main", STANDALONE)


def test_pretrained_builtin_is_refused() -> None:
    with pytest.raises(ModelError, match="set load_pretrained to false"):
        require_weights(resolve_source("builtin/vit-tiny", None, STANDALONE))


def test_pickled_weights_alone_are_refused_with_the_way_to_convert(tmp_path: Path) -> None:
    source = resolve_source(str(_model(tmp_path / "m", weights="pytorch_model.bin")), None, STANDALONE)
    with pytest.raises(ModelError, match=r"pytorch_model\.bin .*run code.*use_safetensors=False"):
        require_weights(source)


def test_pretrained_directory_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no weights"):
        require_weights(resolve_source(str(_model(tmp_path / "m")), None, STANDALONE))


def test_remote_code_is_refused_and_not_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    directory = _model(tmp_path / "m", auto_map={"AutoConfig": "code.Config"})
    (directory / "code.py").write_text(f"open({str(canary)!r}, 'w')")
    with pytest.raises(ModelError, match=r"auto_map .*never done"):
        resolve_source(str(directory), None, STANDALONE)
    assert not canary.exists()
