"""What the environment decides: mounts and caches. No other module reads the environment."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MAX_LOG_BYTES = 1 << 30
"""Of one log, unless UTP_MAX_LOG_BYTES says otherwise."""


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "utp"


def _default_home() -> Path:
    return Path.home() / ".local" / "share" / "utp"


def _split(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _is_switched_on(value: bool | str) -> bool:
    return str(value).strip().lower() not in ("", "0", "false", "no", "off")


class Settings(BaseSettings):
    """Settings of one process; every field can be set by the environment variable in its alias."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,  # a token or key that is refused must not stand in a log
    )

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

    secrets_file: Path | None = Field(default=None, validation_alias="UTP_SECRETS_FILE")
    """File of mode 0600 with lines `NAME=VALUE`, such as HF_TOKEN, that the cluster's workers set for themselves."""

    max_runs_per_user: PositiveInt | None = Field(default=None, validation_alias="UTP_MAX_RUNS_PER_USER")
    """Runs that a user may have active at a time; the others wait. Unset: any number."""

    max_gpus_per_user: NonNegativeInt | None = Field(default=None, validation_alias="UTP_MAX_GPUS_PER_USER")
    """GPUs that a user's runs may hold at a time. Unset: any number."""

    max_runs_per_project: PositiveInt | None = Field(default=None, validation_alias="UTP_MAX_RUNS_PER_PROJECT")
    """Runs that a project may have active at a time. Unset: any number."""

    max_gpus_per_project: NonNegativeInt | None = Field(default=None, validation_alias="UTP_MAX_GPUS_PER_PROJECT")
    """GPUs that a project's runs may hold at a time, unless `utp projects set` says otherwise. Unset: any number."""

    preemption: Annotated[bool, BeforeValidator(_is_switched_on)] = Field(
        default=False, validation_alias="UTP_PREEMPTION"
    )
    """Let a run of higher priority have others save and make room, which are queued again at once."""

    hang_limit_s: PositiveFloat = Field(default=1800.0, validation_alias="UTP_HANG_LIMIT_S")
    """Seconds without a step, or a batch of an evaluation, after which a run is killed and tried again."""

    max_log_bytes: int = Field(default=MAX_LOG_BYTES, ge=1 << 20, validation_alias="UTP_MAX_LOG_BYTES")
    """Size of one log of one attempt on the disk; a longer one keeps its beginning and its newest lines."""

    cors_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("http://localhost:3000",), validation_alias="DASHBOARD_CORS_ORIGINS"
    )
    """Origins, as `https://host:port` and separated by commas, whose pages may use the API beside its own page."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("localhost", "127.0.0.1", "[::1]"), validation_alias="UTP_ALLOWED_HOSTS"
    )
    """Names, without ports, under which the dashboard is reached; any other Host is refused (DNS rebinding)."""

    secret: str | None = Field(default=None, validation_alias="UTP_SECRET", min_length=32, repr=False)
    """Key of the hashes that tokens are kept as; the dashboard needs it on an address that others reach."""

    rate_limit: str = Field(default="6000/minute", validation_alias="UTP_RATE_LIMIT")
    """Requests that one user may make, as `NUMBER/second`, `/minute` or `/hour`."""

    server: str | None = Field(default=None, validation_alias="UTP_SERVER")
    """Address of a platform elsewhere, which `utp run` speaks of in place of the one on this machine."""

    token: str | None = Field(default=None, validation_alias="UTP_TOKEN", repr=False)
    """Personal access token for UTP_SERVER."""

    ui_dir: Path | None = Field(default=None, validation_alias="UTP_UI_DIR")
    """Folder of the built page. Unset: the one that the package brings, or the repository's `web_ui/out`."""

    ray_auth_mode: str = Field(default="", validation_alias="RAY_AUTH_MODE")
    """`token`: Ray asks everyone for its token."""

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
