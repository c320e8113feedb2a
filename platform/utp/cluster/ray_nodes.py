"""The machines as Ray lists them."""

from __future__ import annotations

from collections.abc import Mapping

import ray
from ray._private.state import available_resources_per_node, state

from utp.cluster.gpu_registry import RayNode

HEAD_RESOURCE = "node:__internal_head__"


def list_ray_nodes() -> tuple[RayNode, ...]:
    """Return the nodes of the cluster this process is connected to, dead ones too; asks Ray's head, some ms."""
    free: Mapping[str, Mapping[str, float]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    draining = state.get_draining_nodes()
    return tuple(
        RayNode(
            node_id=node["NodeID"],
            hostname=node["NodeManagerHostname"],
            address=node["NodeManagerAddress"],
            is_alive=node["Alive"],
            is_head=HEAD_RESOURCE in node["Resources"],
            is_draining=node["NodeID"] in draining,
            resources=node["Resources"],
            free_resources=free.get(node["NodeID"], {}),
        )
        for node in ray.nodes()  # type: ignore[no-untyped-call]
    )
