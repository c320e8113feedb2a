"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = Path(os.environ.get("UTP_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `gpu`, or `gpu(2)`, where there are fewer CUDA devices."""
    needed = max((mark.args[0] if mark.args else 1 for mark in item.iter_markers("gpu")), default=0)
    if needed:
        import torch  # noqa: PLC0415  seconds, which other tests need not pay

        if (found := torch.cuda.device_count()) < needed:
            pytest.skip(f"needs {needed} CUDA device{'s' if needed > 1 else ''}, found {found}")


@pytest.fixture(scope="session")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that unpacks `NAME.tar` of the real data once and gives its folder, or skips."""
    unpacked: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        archive = REAL_DATA / f"{name}.tar"
        if not archive.exists():
            pytest.skip(f"{archive} is not here; set UTP_TEST_DATA to the folder that holds {name}.tar")
        if name not in unpacked:
            folder = tmp_path_factory.mktemp("real-data")
            with tarfile.open(archive) as tar:
                tar.extraction_filter = getattr(tarfile, "data_filter", None)  # `filter=` came with 3.11.4
                tar.extractall(folder)
            unpacked[name] = folder / name
        return unpacked[name]

    return unpack
