"""Tasks by name."""

from __future__ import annotations

from utp.core.registry import Registry

TASKS = Registry("task")
"""Target: `build(config, settings, on_scan, *, evaluates=None) -> utp.core.task.Task`, data and model checked.

`evaluates` names the only split that will be read; none means training.
"""

TASKS.register(
    "image_classification",
    "utp.core.tasks.image_classification:build",
    doc="One label per image, from a folder per class.",
)
