"""What comes from elsewhere is recorded whole or leaves nothing; what leaves is all that there is."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from utp.client.local_client import LocalClient
from utp.client.run_transfer import export_to, import_from
from utp.cluster.archive_checks import ArchiveRefused
from utp.config.loading import dump_config
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.core.checkpoint import CheckpointStore
from utp.store.states import Outcome, RunState, Wish

CONFIG = TrainConfig(root="fruit", model_flavour="builtin/vit-tiny", load_pretrained=False)


def forge(file: Path, added: dict[str, str]) -> Path:
    """Write an archive by hand, with a manifest that agrees with it."""
    content = {"run/config.json": json.dumps(dump_config(CONFIG)), **added}
    listed = [
        {"path": name, "size_bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in content.items()
    ]
    header = {"format": "utp-run", "schema_version": 1, "run": "forged", "files": listed}
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
        archive.writestr("MANIFEST.json", json.dumps(header))
    return file


@pytest.mark.parametrize(
    "files",
    [
        {"attempts/1/start.json": '{"resumed_step": 0, "host": {"a": 1}}'},
        {"attempts/1/start.json": '{"resumed_step": 0, "started_at": "soon"}'},
        {"attempts/1/start.json": '{"resumed_step": 0, "pid": 1e308}'},
        {"attempts/1/start.json": '{"resumed_step": 0}', "attempts/1/metrics.jsonl": '{"kind": "train", "step": {}}'},
        {"attempts/1/start.json": '{"resumed_step": 0}', "attempts/1/metrics.jsonl": '{"kind": "train", "step": NaN}'},
        {"attempts/1/start.json": '{"resumed_step": 0}', "environment.json": '{"data": "photos"}'},
        {"attempts/99999999999999999999/start.json": '{"resumed_step": 0}'},
    ],
)
def test_archive_whose_journal_makes_no_sense_is_refused_and_leaves_nothing(
    client: LocalClient, tmp_path: Path, files: dict[str, str]
) -> None:
    archive = forge(tmp_path / "run.zip", {f"run/{name}": text for name, text in files.items()})
    with pytest.raises(ArchiveRefused, match="makes no sense"):
        import_from(client, archive, project="default", owner="")
    assert not [path for path in (tmp_path / "shared").rglob("*") if path.is_file() or path.parent.name == "fruit"]
    assert client.list_runs(project=None, limit=10) == []


def test_archive_of_a_run_that_was_killed_on_another_machine_is_taken(client: LocalClient, tmp_path: Path) -> None:
    start = {"resumed_step": 0, "host": "elsewhere", "pid": 7, "started_at": "2026-11-20T10:00:00+00:00"}
    archive = forge(tmp_path / "run.zip", {"run/attempts/1/start.json": json.dumps(start)})
    run_id = import_from(client, archive, project="default", owner="")
    assert (client.get(run_id).state, client.get(run_id).attempts[0].host) == (RunState.FAILED, "elsewhere")


def test_run_that_was_stopped_before_it_had_a_best_checkpoint_is_exported(client: LocalClient, tmp_path: Path) -> None:
    run = client.submit(CONFIG, RunRequest(), project="default", owner="")
    client._recorder.begin_submission(run.id)
    client._recorder.set_wish(run.id, Wish.STOP, by="")
    client._recorder.end_attempt(run.id, 1, outcome=Outcome.STOPPED)
    state = {"state": {"progress": {"best": None}}}
    store = CheckpointStore(Path(run.checkpoint_dir), 1)
    store.commit({"model.safetensors": [b"weights"]}, state, name="epoch_000-step_000007", step=7, epoch=0)
    file, _ = export_to(client, run.id, tmp_path / "run.zip")
    assert "checkpoints/epoch_000-step_000007/model.safetensors" in zipfile.ZipFile(file).namelist()
