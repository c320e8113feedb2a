"""The audit trail over HTTP."""

from __future__ import annotations

from utp.api.audit.schemas import AuditEntry, AuditEntryPage
from utp.api.dependencies import PrincipalDep, ServicesDep
from utp.api.paging import PageDep, cut_page, wrong_cursor
from utp.api.routes import api_router
from utp.api.schemas import to_time
from utp.api.security.permissions import Action
from utp.store.repositories.people import AuditRow, PeopleRepository

router = api_router("audit", "/audit")


@router.get("", operation_id="list_audit_entries")
def list_audit_entries(services: ServicesDep, principal: PrincipalDep, page: PageDep) -> AuditEntryPage:
    """List who did what, the newest first; for admins."""
    principal.require(None, Action.ADMINISTER)
    page.sort_key(("id",), "-id")
    after = page.after(1)
    if after is not None and not isinstance(after[0], int):
        raise wrong_cursor(page.cursor)
    before_id = None if after is None else after[0]
    people = PeopleRepository(services.database)
    rows, cursor = cut_page(
        people.list_audit(before_id=before_id, search=page.q, limit=page.limit + 1), page.limit, lambda row: (row.id,)
    )
    return AuditEntryPage(items=[_to_entry(row) for row in rows], next_cursor=cursor)


def _to_entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=to_time(row.at),
        actor=row.actor,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        detail=None if row.detail is None else dict(row.detail),
    )
