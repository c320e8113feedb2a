"""Your own access tokens over HTTP."""

from __future__ import annotations

from utp.api.dependencies import IdPath, PrincipalDep, ServicesDep
from utp.api.paging import PageDep, page_in_memory
from utp.api.routes import api_router
from utp.api.schemas import to_time
from utp.api.security.credentials import TOKEN_PREFIX, hash_secret, new_secret
from utp.api.security.permissions import check_own_tokens, check_scope
from utp.api.tokens.schemas import AccessToken, AccessTokenCreate, AccessTokenCreated, AccessTokenPage
from utp.store.recorder.people import DAY_S
from utp.store.repositories.people import PeopleRepository, TokenRow

router = api_router("tokens", "/tokens")

SORTS = {
    "name": lambda row: row.name,
    "created_at": lambda row: row.created_at,
    "expires_at": lambda row: row.expires_at,
}


@router.get("", operation_id="list_tokens")
def list_tokens(services: ServicesDep, principal: PrincipalDep, page: PageDep) -> AccessTokenPage:
    """List your tokens; none shows itself again."""
    rows = PeopleRepository(services.database).list_tokens(principal.id)
    rows = [row for row in rows if (page.q or "").lower() in row.name.lower()]
    items, cursor = page_in_memory(rows, page, SORTS, "-created_at", lambda row: row.id)
    return AccessTokenPage(items=[AccessToken(**_fields(row)) for row in items], next_cursor=cursor, total=len(rows))


@router.post("", operation_id="create_token", status_code=201)
def create_token(services: ServicesDep, principal: PrincipalDep, asked: AccessTokenCreate) -> AccessTokenCreated:
    """Make a token, of no wider scope than what you are signed in with; sent again it makes another one."""
    check_scope(principal, asked.scope)
    token = new_secret(TOKEN_PREFIX)
    token_id = services.recorder.add_token(
        principal.id,
        name=asked.name,
        scope=asked.scope,
        hash=hash_secret(token, services.settings),
        life_s=asked.expires_in_days * DAY_S,
    )
    rows = PeopleRepository(services.database).list_tokens(principal.id)
    row = next(row for row in rows if row.id == token_id)
    return AccessTokenCreated(**_fields(row), token=token)


@router.delete("/{token_id}", operation_id="delete_token", status_code=204)
def delete_token(services: ServicesDep, principal: PrincipalDep, token_id: IdPath) -> None:
    """End one of your tokens, and the sessions it opened."""
    check_own_tokens(principal)
    services.recorder.delete_token(principal.id, token_id)


def _fields(row: TokenRow) -> dict[str, object]:
    times = {name: to_time(getattr(row, name)) for name in ("expires_at", "last_used_at", "created_at")}
    return {"id": row.id, "name": row.name, "scope": row.scope, **times}
