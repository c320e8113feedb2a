"""What has to hold before the dashboard listens: somebody can sign in, and strangers can't."""

from __future__ import annotations

import ipaddress

from utp.api.security.credentials import LINK_PREFIX, hash_secret, new_secret
from utp.errors import ConfigError
from utp.settings import Settings
from utp.store.recorder import Recorder


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings, host: str, *, is_ray_token_on: bool) -> None:
    """Refuse to listen where others reach it, unless it is closed to them.

    Args:
        settings: of this process.
        host: address to listen on.
        is_ray_token_on: whether Ray asks everyone for its token; True where there is no Ray.

    Raises:
        ConfigError: names each setting that is missing.
    """
    if is_loopback(host):
        return
    problems = []
    if settings.secret is None:
        problems.append(
            f"UTP_SECRET: is not set, and {host} can be reached by others; "
            "set it to 32 random characters or more (python -c 'import secrets; print(secrets.token_urlsafe(32))')"
        )
    if not is_ray_token_on:
        problems.append(
            f"RAY_AUTH_MODE: is {settings.ray_auth_mode!r}, so that whoever reaches Ray's ports runs code here; "
            "start Ray with `utp up`, or set it to 'token' for all its processes"
        )
    if "*" in settings.allowed_hosts or "*" in settings.cors_origins:
        problems.append("UTP_ALLOWED_HOSTS, DASHBOARD_CORS_ORIGINS: '*' lets every site in; name each one")
    if problems:
        raise ConfigError(tuple(problems))


def first_login_url(recorder: Recorder, settings: Settings, base_url: str) -> str | None:
    """Return a one-time link for the first admin, as long as nobody has ever signed in; None afterwards."""
    code = new_secret(LINK_PREFIX)
    if not recorder.add_first_admin(hash_secret(code, settings)):
        return None
    return login_url(base_url, code)


def login_url(base_url: str, code: str) -> str:
    """Return the link with its code in the fragment, which browsers send nowhere and no log holds."""
    return f"{base_url.rstrip('/')}/login#code={code}"
