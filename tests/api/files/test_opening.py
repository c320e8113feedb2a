"""Nothing outside a folder is opened, whatever it is called and whatever is swapped meanwhile."""

from __future__ import annotations

import os
import threading
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


def test_link_swapped_in_at_any_moment_never_leads_outside(root: Path) -> None:
    place, stop = root / "swapped", threading.Event()
    place.symlink_to(root / "below" / "a.txt")

    def swap() -> None:
        while not stop.is_set():
            for target in (root.parent / "secret.txt", root / "below" / "a.txt"):
                (root / "next").symlink_to(target)
                (root / "next").rename(place)

    thread = threading.Thread(target=swap)
    thread.start()
    opened = refused = 0
    try:
        for _ in range(20_000):
            try:
                with open_beneath(root, "swapped", may_be_link=True) as file:
                    assert file.read() == b"hello"
                opened += 1
            except FileRefused:
                refused += 1
            if min(opened, refused) >= 20:
                break
    finally:
        stop.set()
        thread.join()
    assert min(opened, refused) > 0, "the swap was never met"
