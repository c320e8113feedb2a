import os
import subprocess
from pathlib import Path

import pytest

from tools import environment

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.venv` that holds one package, `demo`, of one file."""
    site_packages = tmp_path / "lib" / "python3.11" / "site-packages"
    (site_packages / "demo-1.dist-info").mkdir(parents=True)
    (site_packages / "demo.py").write_text("x = 1\n")
    (site_packages / "demo-1.dist-info" / "RECORD").write_text("demo.py,sha256=abc,6\ndemo-1.dist-info/RECORD,,\n")
    monkeypatch.setattr(environment, "VENV", tmp_path)
    return site_packages


def test_small_disk_is_refused_with_figures() -> None:
    with pytest.raises(SystemExit, match=r"has 3\.5 GiB free, and 8 GiB are needed"):
        environment.refuse_small_disk(int(3.5 * environment.GIB), is_installed=False)


def test_installed_environment_needs_no_room() -> None:
    environment.refuse_small_disk(environment.GIB, is_installed=True)
    environment.refuse_small_disk(9 * environment.GIB, is_installed=False)


def test_uv_of_the_lock_comes_with_its_hashes_alone() -> None:
    lines = environment.locked_requirement((REPOSITORY / "requirements.lock").read_text(), "uv").splitlines()
    assert lines[0].startswith("uv==")
    assert len(lines) > 1
    assert all(line.lstrip().startswith("--hash=sha256:") for line in lines[1:])


def test_whole_package_is_not_torn(venv: Path) -> None:
    assert not environment.has_torn_package()


@pytest.mark.parametrize("content", [None, "x = "])
def test_missing_or_short_file_is_seen_as_torn(venv: Path, content: str | None) -> None:
    (venv / "demo.py").unlink()
    if content is not None:
        (venv / "demo.py").write_text(content)
    assert environment.has_torn_package()


def test_cut_or_missing_record_is_seen_as_torn(venv: Path) -> None:
    record = venv / "demo-1.dist-info" / "RECORD"
    record.write_text("demo.py,sha256=abc,6\ndemo-1.dist-in")
    assert environment.has_torn_package()
    record.unlink()
    assert environment.has_torn_package()


def test_index_of_uv_wins_over_that_of_pip(tmp_path: Path) -> None:
    assert environment.index_of_pip({"UV_INDEX_URL": "own"}) == {}
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").touch()
    assert environment.index_of_pip({"XDG_CONFIG_HOME": str(tmp_path)}) == {}


def test_hard_link_is_tried_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    assert environment.can_hard_link(tmp_path / "cache", tmp_path / "target")
    assert list((tmp_path / "cache").iterdir()) == list((tmp_path / "target").iterdir()) == []
    assert not environment.can_hard_link(tmp_path / "cache", tmp_path / "absent")


@pytest.mark.process
def test_make_says_which_python_is_needed(tmp_path: Path) -> None:
    done = subprocess.run(
        ["make", "demo", "CANDIDATES=/bin/false", f"VENV={tmp_path}"],
        cwd=REPOSITORY,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed" in done.stderr
