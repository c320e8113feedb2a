"""The security layers around the app, the outermost first; each is pure ASGI, so that none skips WebSockets."""

from __future__ import annotations

from fastapi import FastAPI

from utp.api.security.audit import Audit
from utp.api.security.authentication import Authentication
from utp.api.security.bugs import Bugs
from utp.api.security.headers import Hashes, SecurityHeaders
from utp.api.security.hosts_and_origins import HostsAndOrigins
from utp.api.security.rate_limit import RateLimits
from utp.api.security.strict_requests import StrictRequests
from utp.api.security.untrusted_headers import UntrustedHeaders
from utp.api.services import Services


def add_layers(app: FastAPI, services: Services, limits: RateLimits, script_hashes: Hashes) -> None:
    """Put the layers around the app; what is added last is outermost."""
    settings = services.settings
    app.add_middleware(Audit, services=services)
    app.add_middleware(StrictRequests)  # behind the log-in: strangers cannot make the server read much
    app.add_middleware(Authentication, services=services, limits=limits)
    app.add_middleware(HostsAndOrigins, hosts=settings.allowed_hosts, origins=settings.cors_origins)
    app.add_middleware(Bugs)
    app.add_middleware(SecurityHeaders, script_hashes=script_hashes)
    app.add_middleware(UntrustedHeaders)
