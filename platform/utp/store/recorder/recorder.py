"""`Recorder`: every change of the store, in one transaction with its event; it runs beside the database."""

from __future__ import annotations

from utp.store.recorder.adoption import AdoptionWriter
from utp.store.recorder.annotations import AnnotationWriter
from utp.store.recorder.attempts import AttemptWriter
from utp.store.recorder.datasets import DatasetWriter
from utp.store.recorder.groups import GroupWriter
from utp.store.recorder.housekeeping import HousekeepingWriter
from utp.store.recorder.inventory import InventoryWriter
from utp.store.recorder.machine_samples import SampleWriter
from utp.store.recorder.models import ModelWriter
from utp.store.recorder.people import PeopleWriter
from utp.store.recorder.progress import ProgressWriter
from utp.store.recorder.projects import ProjectWriter
from utp.store.recorder.queueing import QueueWriter
from utp.store.recorder.saved_configs import SavedConfigWriter
from utp.store.recorder.waiting import WaitWriter
from utp.store.recorder.wishes import WishWriter


class Recorder(
    QueueWriter,
    WaitWriter,
    AttemptWriter,
    WishWriter,
    ProgressWriter,
    InventoryWriter,
    SampleWriter,
    HousekeepingWriter,
    AdoptionWriter,
    ProjectWriter,
    PeopleWriter,
    GroupWriter,
    SavedConfigWriter,
    DatasetWriter,
    ModelWriter,
    AnnotationWriter,
):
    """All that may be written, by subject; see the base classes."""
