"""All tables; importing them here fills `Base.metadata`."""

from utp.store.tables.access_token import AccessToken
from utp.store.tables.agent import Agent
from utp.store.tables.agent_sample import AgentSample
from utp.store.tables.audit_entry import AuditEntry
from utp.store.tables.base import Base
from utp.store.tables.checkpoint import Checkpoint
from utp.store.tables.config import Config
from utp.store.tables.dataset import Dataset
from utp.store.tables.dataset_scan import DatasetScan
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.figure import Figure
from utp.store.tables.gpu import Gpu
from utp.store.tables.idempotency_key import IdempotencyKey
from utp.store.tables.job import Job
from utp.store.tables.login_link import LoginLink
from utp.store.tables.machine_clock import MachineClock
from utp.store.tables.metric_block import MetricBlock
from utp.store.tables.metric_point import MetricPoint
from utp.store.tables.metric_series import MetricSeries
from utp.store.tables.model_stage_change import ModelStageChange
from utp.store.tables.model_version import ModelVersion
from utp.store.tables.project import Project
from utp.store.tables.project_dataset import ProjectDataset
from utp.store.tables.project_member import ProjectMember
from utp.store.tables.registered_model import RegisteredModel
from utp.store.tables.run import Run
from utp.store.tables.run_event import RunEvent
from utp.store.tables.saved_config import SavedConfig
from utp.store.tables.session import Session
from utp.store.tables.user import User

__all__ = [
    "AccessToken",
    "Agent",
    "AgentSample",
    "AuditEntry",
    "Base",
    "Checkpoint",
    "Config",
    "Dataset",
    "DatasetScan",
    "DatasetVersion",
    "ExperimentGroup",
    "Figure",
    "Gpu",
    "IdempotencyKey",
    "Job",
    "LoginLink",
    "MachineClock",
    "MetricBlock",
    "MetricPoint",
    "MetricSeries",
    "ModelStageChange",
    "ModelVersion",
    "Project",
    "ProjectDataset",
    "ProjectMember",
    "RegisteredModel",
    "Run",
    "RunEvent",
    "SavedConfig",
    "Session",
    "User",
]
