"""The queue over HTTP."""

from __future__ import annotations

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.paging import PageDep
from utp.api.routes import api_router
from utp.api.run_queue.schemas import QueueMove, QueueOut
from utp.api.run_queue.service import QueueService

router = api_router("queue", "/queue")


@router.get("", operation_id="get_queue")
def get_queue(services: ServicesDep, principal: PrincipalDep, page: PageDep) -> QueueOut:
    """Return who waits, why and until about when, and who runs."""
    return QueueService(services, principal).read(page)


@router.post("/{run_id}/move", operation_id="move_in_queue")
def move_in_queue(services: ServicesDep, principal: PrincipalDep, run_id: IdPath, asked: QueueMove) -> QueueOut:
    """Put a run ahead of another, with that one's priority; within it users take turns."""
    return QueueService(services, principal).move(run_id, asked.before_run_id)
