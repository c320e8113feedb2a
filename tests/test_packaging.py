"""The repository as a package: what the wheel holds, and that neither lock nor tree names a package registry."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "platform"
REGISTRIES = re.compile(r"pypi[.]org|pythonhosted[.]org|registry[.](?:npmjs|yarnpkg)")  # does not match itself


@pytest.fixture(scope="module")
def files_in_wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("utp-*.whl"))) as wheel:
        return set(wheel.namelist())


@pytest.mark.process
def test_wheel_holds_every_source_and_data_file(files_in_wheel: set[str]) -> None:
    wanted = {
        str(path.relative_to(SOURCE))
        for path in (SOURCE / "utp").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"utp/entrypoints/cli.py", "utp/py.typed"} < wanted
    assert wanted <= files_in_wheel


@pytest.mark.process
def test_wheel_holds_nothing_beside_the_package(files_in_wheel: set[str]) -> None:
    assert {name.split("/")[0].partition("-")[0] for name in files_in_wheel} == {"utp"}
    assert any(name.endswith("licenses/LICENSE") for name in files_in_wheel)


@pytest.mark.process
def test_wheel_holds_the_page_where_it_is_built(files_in_wheel: set[str]) -> None:
    built = REPOSITORY / "web_ui" / "out"
    page = {f"utp/ui/{path.relative_to(built)}" for path in built.rglob("*") if path.is_file()}
    assert {name for name in files_in_wheel if name.startswith("utp/ui/")} == page


def test_lock_names_no_address() -> None:
    assert "://" not in (REPOSITORY / "requirements.lock").read_text()


@pytest.mark.process
def test_tree_names_no_package_registry() -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    paths = [REPOSITORY / name for name in listed.split("\0") if name]
    texts = {path: path.read_bytes().decode(errors="ignore") for path in paths if path.is_file()}
    assert texts
    assert [str(path) for path, text in texts.items() if REGISTRIES.search(text)] == []


def test_source_root_is_no_package() -> None:
    assert not (SOURCE / "__init__.py").exists(), "platform/__init__.py would hide Python's own platform module"
