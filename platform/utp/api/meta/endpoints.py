"""`GET /meta`."""

from __future__ import annotations

import time
from importlib.metadata import version
from importlib.util import find_spec

from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.meta.schemas import Meta
from utp.api.routes import api_router
from utp.api.schemas import to_time
from utp.store.access import Role

router = api_router("meta", "/meta")
_STARTED_AT = time.time()


@router.get("", operation_id="get_meta")
def get_meta(services: ServicesDep, _principal: PrincipalDep) -> Meta:
    """Return version, state of the cluster and what is switched on."""
    return Meta(
        version=version("utp"),
        started_at=to_time(_STARTED_AT),
        ray_dashboard_url=services.cluster.dashboard_url(),
        is_cluster_up=services.cluster.is_up(),
        tensorboard=find_spec("tensorboard") is not None,
        is_login_needed=True,
        role_names=[str(role) for role in Role],
    )
