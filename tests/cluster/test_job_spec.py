"""What a job is told, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from utp.cluster.job_spec import JobSpec, read_config_json, read_request_json
from utp.config.loading import read_config
from utp.config.paths import RunPaths
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.errors import ConfigError

CONFIG = TrainConfig(root="data", model_flavour="builtin/vit-micro", batch_size=8, eval_topk=(1, 3))


def test_spec_survives_json(tmp_path: Path) -> None:
    spec = JobSpec(CONFIG, RunRequest(num_workers=2), RunPaths(tmp_path / "runs", tmp_path / "checkpoints"), 3, "id")
    assert JobSpec.from_json(spec.to_json()) == spec


def test_prepared_spec_leaves_the_config_where_resume_looks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = JobSpec(CONFIG, RunRequest(), RunPaths(Path("runs/a"), Path("checkpoints/a")), 1, None).prepared()
    assert spec.paths.run_dir == tmp_path / "runs" / "a"
    assert read_config(spec.paths.config) == CONFIG


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "--config-json: is not JSON"),
        ("[1]", "--config-json: is list, not an object"),
        ('{"root": "x", "model_flavour": "y", "lr": -1}', "lr"),
        ('{"root": "x", "model_flavour": "y", "bacth_size": 1}', "did you mean 'batch_size'"),
    ],
)
def test_wrong_config_is_refused_with_the_way_out(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        read_config_json(text)


def test_wrong_request_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match="num_workers"):
        read_request_json('{"num_workers": 0}')
