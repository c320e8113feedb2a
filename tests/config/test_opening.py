"""Opening beneath a folder: links inside are followed, none leads out, whenever it was put there (row 52)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from utp.config.opening import open_beneath
from utp.errors import PathRefused

INSIDE, OUTSIDE = b"inside", b"secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    (folder / "a.png").write_bytes(INSIDE)
    (tmp_path / "secret").write_bytes(OUTSIDE)
    return folder


def test_file_and_link_inside_are_opened(folder: Path) -> None:
    (folder / "link.png").symlink_to("a.png")
    for name in ("a.png", "link.png"):
        with open_beneath(folder, folder / name, "image") as file:
            assert file.read() == INSIDE


def test_folder_that_is_a_link_itself_is_no_way_out(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mount").symlink_to(folder)
    with open_beneath(tmp_path / "mount", tmp_path / "mount" / "a.png", "image") as file:
        assert file.read() == INSIDE


@pytest.mark.parametrize("name", ["file.png", "folder/secret"])
def test_link_that_leads_outside_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "file.png").symlink_to(tmp_path / "secret")
    (folder / "folder").symlink_to(tmp_path)
    with pytest.raises(PathRefused, match=r"image: .* leads outside"):
        open_beneath(folder, folder / name, "image")


def test_what_is_no_regular_file_is_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(PathRefused, match="no regular file"):
            open_beneath(folder, folder / name, "image")


def test_refused_file_leaves_no_descriptor_open(folder: Path, tmp_path: Path) -> None:
    (folder / "file.png").symlink_to(tmp_path / "secret")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(PathRefused):
            open_beneath(folder, folder / "file.png", "image")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_link_swapped_between_check_and_opening_never_leads_outside(folder: Path, tmp_path: Path) -> None:
    place, stop = folder / "swapped.png", threading.Event()
    place.symlink_to(folder / "a.png")

    def swap() -> None:
        while not stop.is_set():
            for target in (tmp_path / "secret", folder / "a.png"):
                (folder / "next").symlink_to(target)
                (folder / "next").rename(place)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = {"opened": 0, "refused": 0}
    try:
        for _ in range(20_000):
            try:
                with open_beneath(folder, place, "image") as file:
                    assert file.read() == INSIDE
                seen["opened"] += 1
            except PathRefused:
                seen["refused"] += 1
            if min(seen.values()) >= 20:
                break
    finally:
        stop.set()
        thread.join()
    assert min(seen.values()) > 0, "the swap was never met"
