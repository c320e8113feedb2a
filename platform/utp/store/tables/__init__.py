"""All tables; importing them here fills `Base.metadata`."""

from utp.store.tables.agent import Agent
from utp.store.tables.base import Base
from utp.store.tables.checkpoint import Checkpoint
from utp.store.tables.config import Config
from utp.store.tables.dataset import Dataset
from utp.store.tables.dataset_version import DatasetVersion
from utp.store.tables.experiment_group import ExperimentGroup
from utp.store.tables.figure import Figure
from utp.store.tables.gpu import Gpu
from utp.store.tables.job import Job
from utp.store.tables.machine_clock import MachineClock
from utp.store.tables.metric_block import MetricBlock
from utp.store.tables.metric_point import MetricPoint
from utp.store.tables.metric_series import MetricSeries
from utp.store.tables.project import Project
from utp.store.tables.run import Run
from utp.store.tables.run_event import RunEvent

__all__ = [
    "Agent",
    "Base",
    "Checkpoint",
    "Config",
    "Dataset",
    "DatasetVersion",
    "ExperimentGroup",
    "Figure",
    "Gpu",
    "Job",
    "MachineClock",
    "MetricBlock",
    "MetricPoint",
    "MetricSeries",
    "Project",
    "Run",
    "RunEvent",
]
