"""What the environment decides: mounts and caches. No other module reads the environment."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_cache_dir() -> Path:
    return Path.home() / ".cache" / "utp"


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
    """Where dataset manifests are kept between runs; safe to delete."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once. Tests call `get_settings.cache_clear()`."""
    return Settings()
