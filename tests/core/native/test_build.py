"""Building and loading the compiled code: whatever is missing, broken or stale is a sentence, never a crash."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.core.native import build, library

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for source in (name for names in build.SOURCES.values() for name in names):
        shutil.copy(build.FOLDER / source, tmp_path)
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    library.forget_libraries()
    yield tmp_path
    library.forget_libraries()


@needs_compiler
@pytest.mark.process
def test_built_library_loads_until_its_source_changes(folder: Path) -> None:
    assert build.build("resize") == ""
    assert library.problem_of("resize") == ""
    with (folder / "resize.c").open("a") as source:
        source.write("/* newer */")
    library.forget_libraries()
    assert library.problem_of("resize") == "libresize.so was built of other sources"
    assert library.load_library("resize") is None


def test_library_that_was_never_built_is_said_so(folder: Path) -> None:
    assert library.problem_of("resize") == "libresize.so is not built"


def test_torn_library_is_said_so(folder: Path) -> None:
    (folder / "libresize.so").write_bytes(b"\x7fELF torn")
    assert library.problem_of("resize").startswith("libresize.so can't be loaded (")


def test_without_a_compiler_the_way_to_one_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    assert build.build("resize").startswith("no libresize.so: there is no C compiler (Debian, Ubuntu: gcc")
    monkeypatch.setenv("CC", str(folder / "none"))
    assert "can't be started (No such file or directory)" in build.build("resize")


@needs_compiler
@pytest.mark.process
def test_source_that_does_not_compile_gives_the_compilers_words_and_no_library(folder: Path) -> None:
    (folder / "libresize.so").write_bytes(b"of an older source")
    (folder / "resize.c").write_text("int main(void) { return nothing; }\n")
    assert "undeclared" in build.build("resize")
    assert not (folder / "libresize.so").exists()
