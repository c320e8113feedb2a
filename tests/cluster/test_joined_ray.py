"""A Ray that others started, and ended."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from utp.cluster import joined_ray
from utp.cluster.job_client import ClusterUnreachable
from utp.cluster.joined_cluster import JoinedCluster


def test_ray_that_is_gone_for_good_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setattr(joined_ray, "connected", lambda address: pytest.fail("Ray's client was asked"))
    cluster = JoinedCluster(address=f"127.0.0.1:{port}", dashboard=f"http://127.0.0.1:{port}")
    with pytest.raises(ClusterUnreachable):
        joined_ray.leave(cluster, tmp_path)
