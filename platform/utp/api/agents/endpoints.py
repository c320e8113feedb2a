"""Machines and GPUs over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from utp.api.agents.schemas import Agent, AgentHistory, AgentPage, Gpu, GpuList, Quarantine
from utp.api.agents.service import AgentService
from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.errors import MethodRefused
from utp.api.paging import PageDep
from utp.api.routes import api_router

router = api_router("agents")

NO_AGENTS_BY_HAND = (
    "machines are not added by hand: one joins by itself once it is part of the Ray cluster (`ray start --address=...`)"
)
MAX_MINUTES = 30 * 24 * 60

AgentPath = Annotated[str, Path(pattern="^[0-9A-Za-z_.-]{1,80}$", description="Ray's id of the node.")]
GpuPath = Annotated[str, Path(pattern="^[0-9A-Za-z_.-]{1,120}$", description="UUID of the GPU.")]


@router.get("/agents", operation_id="list_agents")
def list_agents(services: ServicesDep, principal: PrincipalDep, page: PageDep, gone: bool = False) -> AgentPage:
    """List the machines with their GPUs; `gone=true` lists those that have left too."""
    return AgentService(services, principal).list_agents(page, with_gone=gone)


@router.post("/agents", operation_id="create_agent", status_code=405, response_model=None)
def create_agent(_principal: PrincipalDep) -> None:
    """Refuse: machines join the Ray cluster by themselves."""
    raise MethodRefused(NO_AGENTS_BY_HAND)


@router.get("/agents/{agent_id}", operation_id="get_agent")
def get_agent(services: ServicesDep, principal: PrincipalDep, agent_id: AgentPath) -> Agent:
    """Return one machine, also one that is gone."""
    return AgentService(services, principal).get(agent_id)


@router.get("/agents/{agent_id}/gpus", operation_id="list_gpus")
def list_gpus(services: ServicesDep, principal: PrincipalDep, agent_id: AgentPath) -> GpuList:
    """List the GPUs of a machine."""
    return GpuList(items=AgentService(services, principal).get(agent_id).gpus)


@router.get("/agents/{agent_id}/history", operation_id="get_agent_history")
def get_agent_history(
    services: ServicesDep,
    principal: PrincipalDep,
    agent_id: AgentPath,
    minutes: Annotated[int, Query(ge=1, le=MAX_MINUTES)] = 30,
) -> AgentHistory:
    """Return what a machine and its GPUs did lately."""
    return AgentService(services, principal).read_history(agent_id, minutes)


@router.post("/agents/{agent_id}/drain", operation_id="drain_agent")
def drain_agent(services: ServicesDep, principal: PrincipalDep, agent_id: AgentPath) -> Agent:
    """Start nothing new on a machine; what runs there goes on."""
    return AgentService(services, principal).set_draining(agent_id, is_draining=True)


@router.post("/agents/{agent_id}/undrain", operation_id="undrain_agent")
def undrain_agent(services: ServicesDep, principal: PrincipalDep, agent_id: AgentPath) -> Agent:
    """Let a machine take part again."""
    return AgentService(services, principal).set_draining(agent_id, is_draining=False)


@router.post("/gpus/{uuid}/quarantine", operation_id="quarantine_gpu")
def quarantine_gpu(services: ServicesDep, principal: PrincipalDep, uuid: GpuPath, asked: Quarantine) -> Gpu:
    """Offer a GPU to no new run; the first reason stays."""
    return AgentService(services, principal).quarantine(uuid, asked.reason)


@router.post("/gpus/{uuid}/release", operation_id="release_gpu")
def release_gpu(services: ServicesDep, principal: PrincipalDep, uuid: GpuPath) -> Gpu:
    """Offer a GPU again."""
    return AgentService(services, principal).quarantine(uuid, None)
