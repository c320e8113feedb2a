"""Bodies of the audit trail."""

from __future__ import annotations

from typing import Any

from utp.api.schemas import Answer, Page, Time


class AuditEntry(Answer):
    """One act."""

    id: int
    at: Time
    actor: str
    action: str
    object_type: str
    object_id: str
    detail: dict[str, Any] | None


class AuditEntryPage(Page[AuditEntry]):
    """Acts, the newest first."""
