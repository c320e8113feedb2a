"""`JobSpec`: all that a job's processes need to know, plain enough to be handed on. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from utp.config.loading import dump_config, parse_config
from utp.config.paths import RunPaths
from utp.config.problems import describe_problems
from utp.config.request import RunRequest
from utp.config.train import TrainConfig
from utp.core.durable import write_json_durably
from utp.errors import ConfigError

STOP_FILE = "stop"
"""In the attempt's directory: its workers save and leave once it is there."""

EXIT_STORAGE = 74
"""Exit code of a job that can't so much as begin in its run's folder: EX_IOERR of sysexits.h."""


@dataclass(frozen=True)
class JobSpec:
    """One attempt to train: what, with what, where its files lie, and who it is."""

    config: TrainConfig
    request: RunRequest
    paths: RunPaths
    attempt: int
    run_id: str | None
    """Its row in the store; none where there is no platform, so that it is recorded in its files only."""

    @property
    def attempt_dir(self) -> Path:
        """Where the attempt's journal lies."""
        return self.paths.attempt(self.attempt).directory

    @property
    def stop_file(self) -> Path:
        """What the driver makes to have the workers stop."""
        return self.attempt_dir / STOP_FILE

    def prepared(self) -> JobSpec:
        """Make the directories, leave the config in them, and return this with paths that every process reads alike."""
        paths = RunPaths(self.paths.run_dir.absolute(), self.paths.checkpoint_dir.absolute())
        paths.run_dir.mkdir(parents=True, exist_ok=True)
        paths.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        if not paths.config.exists():
            write_json_durably(paths.config, dump_config(self.config))
        return replace(self, paths=paths)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "config": dump_config(self.config),
            "request": TypeAdapter(RunRequest).dump_python(self.request, mode="json"),
            "run_dir": str(self.paths.run_dir),
            "checkpoint_dir": str(self.paths.checkpoint_dir),
            "attempt": self.attempt,
            "run_id": self.run_id,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> JobSpec:
        """Return what `to_json` gave."""
        return cls(
            config=parse_config(data["config"]),
            request=RunRequest(**data["request"]),
            paths=RunPaths(Path(data["run_dir"]), Path(data["checkpoint_dir"])),
            attempt=data["attempt"],
            run_id=data["run_id"],
        )


def read_config_json(text: str) -> TrainConfig:
    """Return the config of a JSON document. Raises `ConfigError`."""
    return parse_config(_parse_object(text, "--config-json"), "--config-json")


def read_request_json(text: str) -> RunRequest:
    """Return the request of a JSON document. Raises `ConfigError`."""
    values = _parse_object(text, "--request-json")
    try:
        return RunRequest(**values)
    except ValidationError as error:
        raise ConfigError(describe_problems(error, RunRequest), "--request-json") from error


def _parse_object(text: str, source: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError((f"is not JSON: {error}; quote it for the shell as one argument",), source) from error
    if not isinstance(values, dict):
        raise ConfigError((f"is {type(values).__name__}, not an object; write {{...}}",), source)
    return values
