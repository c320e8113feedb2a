"""`cluster.yaml` is what `ray up` takes: checked with Ray's own code, as `ray up` does before it touches a machine."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]

ray_util = pytest.importorskip("ray.autoscaler._private.util")


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


def test_ray_accepts_it(config):
    ray_util.validate_config(ray_util.prepare_config(config))


def test_ray_would_refuse_a_misspelt_field(config):
    with pytest.raises(Exception, match=r"worker_start_ray_command'? "):
        ray_util.validate_config(ray_util.prepare_config({**config, "worker_start_ray_command": []}))


def test_every_node_talks_with_the_token(config):
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert all(". ~/utp.env" in command for command in starts)
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    assert "~/.ray/auth_token" in config["file_mounts"]


def test_the_dashboard_is_not_open_to_the_network(config):
    head = next(command for command in config["head_start_ray_commands"] if "--head" in command)
    assert "--dashboard-host=127.0.0.1" in head


def test_it_runs_targets_and_commands_that_exist(config):
    makefile = (ROOT / "Makefile").read_text()
    assert "make install" in "".join(config["setup_commands"])
    assert "\ninstall:" in makefile
