"""What the environment decides: mounts and caches. No other module reads the environment."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "utp"


def _default_home() -> Path:
    return Path.home() / ".local" / "share" / "utp"


def _is_switched_on(value: bool | str) -> bool:
    return str(value).strip().lower() not in ("", "0", "false", "no", "off")


class Settings(BaseSettings):
    """Settings of one process; every field can be set by the environment variable in its alias."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, env_ignore_empty=True)

    datasets_dir: Path | None = Field(default=None, validation_alias="DATASETS_DIR")
    """Mount that every dataset root lies beneath. Unset: dataset roots are ordinary local paths."""

    shared_logs_dir: Path | None = Field(default=None, validation_alias="SHARED_LOGS_DIR")
    """Mount that all runs and checkpoints lie beneath. Unset: ordinary local paths."""

    models_dir: Path | None = Field(default=None, validation_alias="MODELS_DIR")
    """Mount that local model directories lie beneath. Unset: ordinary local paths."""

    cache_dir: Path = Field(default_factory=_default_cache_dir, validation_alias="UTP_CACHE_DIR")
    """Where dataset manifests, decoded pictures and compiled models are kept between runs; safe to delete."""

    home: Path = Field(default_factory=_default_home, validation_alias="UTP_HOME")
    """Where the platform on this machine keeps its database, its copies of logs and what `utp up` started."""

    database_url: str | None = Field(default=None, validation_alias="UTP_DATABASE_URL", repr=False)
    """SQLAlchemy address of the store: `postgresql+psycopg://user:password@host/name`. Unset: SQLite in `home`."""

    native: Annotated[bool, BeforeValidator(_is_switched_on)] = Field(default=True, validation_alias="UTP_NATIVE")
    """Use the compiled code for pictures where it is there; 0, false, no and off switch it off."""

    warm_start: Annotated[bool, BeforeValidator(_is_switched_on)] = Field(
        default=True, validation_alias="UTP_WARM_START"
    )
    """Keep a process on each machine with all imported that trains, which jobs are forked from; 0 switches it off."""

    debug: Annotated[bool, BeforeValidator(_is_switched_on)] = Field(default=False, validation_alias="UTP_DEBUG")
    """Show the traceback of every error, also of a user's mistake; anything but 0, false, no and off switches it on."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once. Tests call `get_settings.cache_clear()`."""
    return Settings()


def let_idle_threads_sleep() -> None:
    """Have OpenMP's idle threads sleep in place of spinning; has no effect once torch is imported.

    A spinning thread takes the core from whoever it waits for as soon as the machine has another job: two trainings of
    two threads on two cores ran at 19 images/s each, and at 491 with sleeping threads. The user's own choice stays.
    """
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def ray_submission_id() -> str:
    """Return the submission id of the Ray job that this process is of; empty where it is of none."""
    try:
        metadata = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("metadata", {})
    except ValueError:
        return ""
    return str(metadata.get("job_submission_id", ""))
