"""`/healthz` and `/readyz`: for whoever restarts or routes; they tell strangers nothing else."""

from __future__ import annotations

from fastapi import APIRouter, Response

from utp.api.dependencies import ServicesDep
from utp.api.schemas import Answer
from utp.store.errors import StoreError

router = APIRouter(tags=["health"])


class Health(Answer):
    """Whether the server can work."""

    status: str


@router.get("/healthz", operation_id="get_health")
async def get_health() -> Health:
    """Answer as long as the process does; the database may be away."""
    return Health(status="ok")


@router.get("/readyz", operation_id="get_readiness", responses={503: {"model": Health}})
def get_readiness(services: ServicesDep, response: Response) -> Health:
    """Answer 200 where the database answers, 503 where it does not."""
    try:
        services.database.check_revision()
    except StoreError:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
        return Health(status="the database does not answer")
    return Health(status="ok")
