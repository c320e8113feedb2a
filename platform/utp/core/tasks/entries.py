"""Tasks by name."""

from __future__ import annotations

from utp.core.registry import Registry

TASKS = Registry("task")
"""Target: `build(config, settings, on_scan) -> utp.core.task.Task` with all that needs data and model checked."""

TASKS.register(
    "image_classification",
    "utp.core.tasks.image_classification:build",
    doc="One label per image, from a folder per class.",
)
