"""Holds back what transformers prints while it loads or saves: the run's own display says what matters."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as transformers_logging


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without progress bars, and without the table of missing weights, which `build_classifier` judges itself."""
    report = logging.getLogger("transformers.modeling_utils")
    was_disabled, had_bar = report.disabled, transformers_logging.is_progress_bar_enabled()
    report.disabled = True  # a higher level would do worse: from WARNING on, loading lists layers that are not sharded
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        report.disabled = was_disabled
        if had_bar:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
