"""A run goes into one file and comes out the same; a hostile file puts nothing anywhere."""

from __future__ import annotations

import hashlib
import json
import random
import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from utp.cluster import archive_checks
from utp.cluster.archive_checks import ArchiveRefused
from utp.cluster.run_archive import export_run
from utp.cluster.run_unpacking import unpack_run
from utp.config.loading import dump_config, read_config
from utp.config.naming import reserve_run
from utp.config.paths import RunPaths
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.core.durable import write_json_durably
from utp.core.journal import AttemptJournal, assemble_run
from utp.errors import ConfigError
from utp.logs.shortening import shorten
from utp.settings import Settings

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings.model_validate({"SHARED_LOGS_DIR": tmp_path / "home", "DATASETS_DIR": tmp_path / "data"})


@pytest.fixture
def elsewhere(tmp_path: Path) -> Settings:
    return Settings.model_validate({"SHARED_LOGS_DIR": tmp_path / "elsewhere", "DATASETS_DIR": tmp_path / "data"})


@pytest.fixture
def run(home: Settings) -> RunPaths:
    paths = reserve_run(CONFIG, home)
    write_json_durably(paths.config, dump_config(CONFIG))
    with AttemptJournal(paths) as journal:
        journal.write_start(0)
        for step in range(1, 4):
            journal.append_row({"kind": "train", "step": step, "epoch": 1, "train_loss": 1 / step})
        journal.append_log("all is well")
        journal.write_result({"outcome": "succeeded"})
    store = CheckpointStore(paths.checkpoint_dir, 1)
    for epoch in (1, 2, 3):
        best = {"metric": "val_acc@1", "value": 0.5, "checkpoint": "epoch_001-step_000001"}
        state = {"state": {"progress": {"best": best}}}
        weights = random.Random(epoch).randbytes(300_000)
        files = {"model.safetensors": [weights]}
        store.commit(files, state, name=store.name_for(epoch, epoch), step=epoch, epoch=epoch)
    paths.best_weights.write_bytes(b"best")
    paths.hf.mkdir()
    (paths.hf / "config.json").write_text("{}")
    assemble_run(paths)
    return paths


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in ("config.json", "alive.lock"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def forge(
    file: Path, added: dict[str, bytes], /, *, infos: dict[str, zipfile.ZipInfo] | None = None, **manifest: Any
) -> Path:
    """Write an archive by hand, with a manifest that agrees with it unless `manifest` says otherwise."""
    content = {"run/config.json": json.dumps(dump_config(CONFIG)).encode(), **added}
    listed = [
        {"path": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in content.items()
    ]
    header = {"format": "utp-run", "schema_version": 1, "run": "forged", "files": listed, **manifest}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr((infos or {}).get(name, name), data)
        archive.writestr("MANIFEST.json", json.dumps(header))
    return file


def test_run_comes_out_as_it_went_in(run: RunPaths, elsewhere: Settings, tmp_path: Path) -> None:
    content = export_run(run, tmp_path / "run.zip", store_rows={"runs": [{"owner": "ann"}]})
    unpacked = unpack_run(tmp_path / "run.zip", elsewhere)
    assert tree(unpacked.paths.run_dir) == tree(run.run_dir)
    expected = tree(run.checkpoint_dir)
    assert tree(unpacked.paths.checkpoint_dir) == {name: expected[name] for name in expected if "epoch_002" not in name}
    assert read_config(unpacked.paths.config) == unpacked.config == CONFIG
    assert (unpacked.original_name, unpacked.store_rows) == (run.name, {"runs": [{"owner": "ann"}]})
    assert content.size_bytes > 600_000


def test_log_that_was_shortened_goes_in_without_its_hole(run: RunPaths, elsewhere: Settings, tmp_path: Path) -> None:
    log = run.attempt(1).log(0)
    log.write_bytes(b"".join(b"line %06d\n" % number * 64 for number in range(100_000)))
    shorten(log, 8 << 20)
    num_lines = log.read_bytes().count(b"\n")
    export_run(run, tmp_path / "run.zip")
    came_out = unpack_run(tmp_path / "run.zip", elsewhere).paths.attempt(1).log(0)
    assert came_out.stat().st_size < 9 << 20
    content = came_out.read_bytes()
    assert content.count(b"\n") == num_lines
    assert content.startswith(b"line 000000\n")
    assert content.endswith(b"line 099999\n")


def test_checkpoints_are_chosen_by_name_or_left_out(run: RunPaths, elsewhere: Settings, tmp_path: Path) -> None:
    export_run(run, tmp_path / "run.zip", checkpoints=())
    assert tree(unpack_run(tmp_path / "run.zip", elsewhere).paths.checkpoint_dir) == {}
    with pytest.raises(ConfigError, match="epoch_009"):
        export_run(run, tmp_path / "none.zip", checkpoints=("epoch_009-step_000009",))
    assert not (tmp_path / "none.zip").exists()


def test_links_are_not_followed_out_of_the_run(run: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("token")
    (run.run_dir / "link").symlink_to(tmp_path / "secret")
    export_run(run, tmp_path / "run.zip")
    assert "run/link" not in zipfile.ZipFile(tmp_path / "run.zip").namelist()


def test_second_import_takes_the_next_name(run: RunPaths, home: Settings, tmp_path: Path) -> None:
    export_run(run, tmp_path / "run.zip")
    assert unpack_run(tmp_path / "run.zip", home).paths.name == f"{run.name}-v1"


def test_places_in_the_archives_config_are_not_used(elsewhere: Settings, tmp_path: Path) -> None:
    values = {**dump_config(CONFIG), "tb_root": "/etc/runs", "ckpt_dir": "/etc/checkpoints"}
    archive = forge(tmp_path / "run.zip", {"run/config.json": json.dumps(values).encode()})
    unpacked = unpack_run(
        archive,
        Settings.model_validate({"DATASETS_DIR": tmp_path}),
        tb_root=str(tmp_path / "r"),
        ckpt_dir=str(tmp_path / "c"),
    )
    assert unpacked.paths.run_dir.is_relative_to(tmp_path / "r")
    assert read_config(unpacked.paths.config).ckpt_dir == str(tmp_path / "c")


def left_behind(settings: Settings) -> list[Path]:
    assert settings.shared_logs_dir is not None
    return [path for path in settings.shared_logs_dir.rglob("*") if path.is_file() or path.parent.name == "fruit"]


@pytest.mark.parametrize(
    "name",
    [
        "run/../../escaped",
        "/run/escaped",
        "run//escaped",
        "run/a\\..\\escaped",
        "run/./a",
        "elsewhere/a",
        "a",
        "run/nul\x01",
        "run/\u202egpj",
        f"run/{'x' * 300}",
        "checkpoints/" + "a/" * 600 + "b",
    ],
)
def test_names_that_lead_elsewhere_are_refused(elsewhere: Settings, tmp_path: Path, name: str) -> None:
    archive = forge(tmp_path / "run.zip", {name: b"x"})
    with pytest.raises(ArchiveRefused, match="refused"):
        unpack_run(archive, elsewhere)
    assert left_behind(elsewhere) == []
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(elsewhere: Settings, tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("run/link")
    info.external_attr = (kind | 0o777) << 16
    archive = forge(tmp_path / "run.zip", {"run/link": b"/etc/passwd"}, infos={"run/link": info})
    with pytest.raises(ArchiveRefused, match="link or a device"):
        unpack_run(archive, elsewhere)


def test_bomb_is_refused_by_what_it_would_take(elsewhere: Settings, tmp_path: Path) -> None:
    archive = forge(tmp_path / "run.zip", {"run/zeros": bytes(150_000_000)})
    assert archive.stat().st_size < 200_000
    with pytest.raises(ArchiveRefused, match="times its size"):
        unpack_run(archive, elsewhere)
    with pytest.raises(ArchiveRefused, match="over 1000000"):
        unpack_run(archive, elsewhere, max_bytes=1_000_000)
    assert left_behind(elsewhere) == []


def test_too_many_files_are_refused_before_they_are_listed(
    elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = forge(tmp_path / "run.zip", {f"run/{number}": b"" for number in range(100)})
    monkeypatch.setattr(archive_checks, "MAX_FILES", 50)
    with pytest.raises(ArchiveRefused, match="50 files"):
        unpack_run(archive, elsewhere)
    monkeypatch.setattr(archive_checks, "MAX_DIRECTORY_BYTES", 1000)
    with pytest.raises(ArchiveRefused, match="list of files"):
        unpack_run(archive, elsewhere)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_that_is_there_twice_is_refused(elsewhere: Settings, tmp_path: Path) -> None:
    archive = forge(tmp_path / "run.zip", {"run/a": b"one"})
    with zipfile.ZipFile(archive, "a") as twice:
        twice.writestr("run/a", b"two")
    with pytest.raises(ArchiveRefused, match="twice"):
        unpack_run(archive, elsewhere)


def test_file_that_the_manifest_does_not_list_is_refused(elsewhere: Settings, tmp_path: Path) -> None:
    archive = forge(tmp_path / "run.zip", {})
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("run/more", b"x")
    with pytest.raises(ArchiveRefused, match="not those of its manifest"):
        unpack_run(archive, elsewhere)


def test_altered_content_is_refused_and_leaves_nothing(elsewhere: Settings, tmp_path: Path) -> None:
    listed = [
        {"path": "run/config.json", "size_bytes": len(json.dumps(dump_config(CONFIG))), "sha256": "0" * 64},
    ]
    archive = forge(tmp_path / "run.zip", {}, files=listed)
    with pytest.raises(ArchiveRefused, match="not what was exported"):
        unpack_run(archive, elsewhere)
    assert left_behind(elsewhere) == []


def test_directory_that_is_said_to_lie_beyond_the_file_is_refused(elsewhere: Settings, tmp_path: Path) -> None:
    archive = forge(tmp_path / "run.zip", {})
    content = bytearray(archive.read_bytes())
    content[-10:-6] = b"\xff" * 4  # its length stands in the larger end
    content[-22:-22] = struct.pack("<4sLQL", b"PK\x06\x07", 0, 2**64 - 1, 1)
    archive.write_bytes(content)
    with pytest.raises(ArchiveRefused, match="beyond"):
        unpack_run(archive, elsewhere)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({"format": "other"}, "no archive of a run"),
        ({"schema_version": 2}, "update utp"),
        ({"files": "none"}, "torn"),
        ({"files": [{"path": "run/config.json"}]}, "torn"),
    ],
)
def test_manifest_of_something_else_is_refused(
    elsewhere: Settings, tmp_path: Path, manifest: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ArchiveRefused, match=reason):
        unpack_run(forge(tmp_path / "run.zip", {}, **manifest), elsewhere)


def test_json_that_is_no_object_or_too_deep_is_refused(elsewhere: Settings, tmp_path: Path) -> None:
    for content in (b"[]", b"\xff", b"[" * 200_000):
        archive = forge(tmp_path / "run.zip", {"store.json": content})
        with pytest.raises(ArchiveRefused, match=r"store\.json"):
            unpack_run(archive, elsewhere)


def test_any_damage_is_refused_and_leaves_nothing(run: RunPaths, elsewhere: Settings, tmp_path: Path) -> None:
    whole = export_run(run, tmp_path / "run.zip") and (tmp_path / "run.zip").read_bytes()
    generator = random.Random(0)
    damaged = tmp_path / "damaged.zip"
    for _ in range(40):
        place = generator.randrange(len(whole))
        cut = generator.random() < 0.5
        damaged.write_bytes(whole[:place] if cut else whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            unpacked = unpack_run(damaged, elsewhere)
        except (ArchiveRefused, ConfigError):
            assert left_behind(elsewhere) == []
        else:  # a bit that says nothing, as that of a file's time
            assert tree(unpacked.paths.run_dir) == tree(run.run_dir)
            for folder in (unpacked.paths.run_dir, unpacked.paths.checkpoint_dir):
                folder.rename(tmp_path / f"{folder.parent.parent.name}-{generator.random()}")
