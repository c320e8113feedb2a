"""What is asked at an address that was noted, which may be somebody else's by now."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from utp.cluster import local_ray
from utp.cluster.local_ray import LocalCluster
from utp.entrypoints.web_address import WebAddress


@pytest.fixture
def port() -> Iterator[int]:
    """A service that speaks no HTTP."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example.org ESMTP\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_address_where_another_service_listens_by_now_does_not_answer(port: int, tmp_path: Path) -> None:
    assert not WebAddress(host="127.0.0.1", port=port).is_answering()
    (tmp_path / "token").write_text("x")
    cluster = LocalCluster(
        pid=1, born_at=0.0, address="", dashboard=f"http://127.0.0.1:{port}", temp_dir="",
        token_file=str(tmp_path / "token"),
    )  # fmt: skip
    assert not local_ray.is_answering(cluster)
