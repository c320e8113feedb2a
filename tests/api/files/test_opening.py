"""Nothing outside a folder is opened, whatever it is called and whatever is swapped meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from utp.api.errors import FileRefused
from utp.api.files.opening import open_beneath, read_beneath
from utp.store.errors import NotFound


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "below").mkdir(parents=True)
    (root / "below" / "a.txt").write_text("hello")
    (root / "out").symlink_to(tmp_path)
    (root / "secret").symlink_to(tmp_path / "secret.txt")
    (root / "inner").symlink_to(root / "below")
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    return root


def test_file_below_is_opened(root: Path) -> None:
    with open_beneath(root, "below/a.txt") as file:
        assert file.read() == b"hello"
    assert read_beneath(root, "below/a.txt", 5) == b"hello"
    with pytest.raises(FileRefused):
        read_beneath(root, "below/a.txt", 4)


@pytest.mark.parametrize("may_be_link", [False, True])
@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "below/../../secret.txt", "/etc/passwd", "", ".", "below//a.txt", "out/secret.txt", "secret",
     "loop", "pipe", "below", "below/a.txt/x", "a\0b", "x" * 300, "\udce4.txt", "below/./a.txt"],
)  # fmt: skip
def test_nothing_else_is_opened(root: Path, name: str, may_be_link: bool) -> None:
    with pytest.raises((FileRefused, NotFound)):
        open_beneath(root, name, may_be_link=may_be_link)


def test_links_within_the_folder_are_taken_only_on_request(root: Path) -> None:
    with pytest.raises(FileRefused):
        open_beneath(root, "inner/a.txt")
    with open_beneath(root, "inner/a.txt", may_be_link=True) as file:
        assert file.read() == b"hello"


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("below/a.txt", "out/secret.txt", "pipe", "none/none/none"):
        try:
            open_beneath(root, name).close()
        except (FileRefused, NotFound):
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before
