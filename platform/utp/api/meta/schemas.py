"""What the page needs to know before anything else."""

from __future__ import annotations

from utp.api.schemas import Answer, Time


class Meta(Answer):
    """The server."""

    version: str
    started_at: Time
    ray_dashboard_url: str | None
    """Address of Ray's own dashboard, where there is one."""
    is_cluster_up: bool
    tensorboard: bool
    """Whether TensorBoard can be opened here."""
    is_login_needed: bool
    role_names: list[str]
