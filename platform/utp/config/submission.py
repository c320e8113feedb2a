"""What a config and a request have to be like before a run is queued: else its job could only fail."""

from __future__ import annotations

import json
import shlex

from utp.config.loading import dump_config
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.errors import ConfigError

MAX_CONFIG_BYTES = 100_000
"""Of a config as it stands in a job's command, with quotes; of all of that Linux takes 128 KiB (MAX_ARG_STRLEN)."""


def check_submission(config: TrainConfig, request: RunRequest) -> None:
    """Raise `ConfigError` where a job of these could only fail."""
    check_shares(config, request)
    content = dump_config(config)
    size = len(shlex.quote(json.dumps(content)).encode())
    if size > MAX_CONFIG_BYTES:
        field = max(content, key=lambda name: len(json.dumps(content[name])))
        problem = f"{field}: makes the config {size} bytes long, and a job takes {MAX_CONFIG_BYTES}"
        raise ConfigError((f"{problem}; shorten it, or train with `utp train`",))


def check_shares(config: TrainConfig, request: RunRequest) -> None:
    """Raise `ConfigError` unless the workers get equal shares of a batch; elastic ones take shares as they come."""
    if request.min_workers is None and config.batch_size % request.num_workers:
        size, workers = config.batch_size, request.num_workers
        above = -(-size // workers) * workers
        problem = f"batch_size: {size} images can't be shared out evenly among {workers} workers"
        raise ConfigError((f"{problem}; set it to {above}, or ask for a number of workers that divides it",))
