"""Wrong tokens and codes: counted by address, and a flood of them is in the audit trail."""

from __future__ import annotations

import logging

from utp.api.security.rate_limit import RateLimits
from utp.store.errors import StoreError
from utp.store.recorder import Recorder

ACTION = "failed_sign_ins"

_log = logging.getLogger(__name__)


class FailedSignIns:
    """Counts in this process; notes in the store."""

    def __init__(self, limits: RateLimits, recorder: Recorder) -> None:
        self._limits = limits
        self._recorder = recorder

    def count(self, address: str) -> int | None:
        """Count one; return the seconds to wait where it is one too many. It may write, so it is called in a thread."""
        wait_s = self._limits.hit_failure(address)
        if wait_s is not None and self._limits.is_new_flood(address):
            _log.warning("too many failed sign-ins from %s", address)
            self._note(address)
        return wait_s

    def _note(self, address: str) -> None:
        try:
            self._recorder.add_audit_entry(actor="", action=ACTION, object_type="address", object_id=address)
        except StoreError as error:
            _log.error("failed sign-ins from %s are not in the audit trail: %s", address, error)
