"""Users, credentials, members and the audit trail, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.store.conftest import Clock

from utp.store.access import Role, Scope
from utp.store.database import Database
from utp.store.errors import Conflict, NotFound
from utp.store.recorder import Recorder
from utp.store.recorder.people import DAY_S, SESSION_LIFE_S
from utp.store.repositories.people import PeopleRepository


@pytest.fixture
def people(database: Database) -> PeopleRepository:
    return PeopleRepository(database)


@pytest.fixture
def user_id(recorder: Recorder) -> str:
    return recorder.add_user("ada", Role.ADMIN)


def test_code_opens_one_session_even_in_a_race(recorder: Recorder, people: PeopleRepository, user_id: str) -> None:
    recorder.add_login_link(user_id, "code")
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda number: recorder.open_session("code", f"session{number}"), range(8)))
    assert sum(one is not None for one in opened) == 1
    assert sum(people.find_session(f"session{number}") is not None for number in range(8)) == 1


def test_new_link_ends_the_one_before(recorder: Recorder, user_id: str) -> None:
    recorder.add_login_link(user_id, "old")
    recorder.add_login_link(user_id, "new")
    assert recorder.open_session("old", "a") is None
    assert recorder.open_session("new", "b") is not None
    with pytest.raises(NotFound):
        recorder.add_login_link("nobody", "x")


def test_links_sessions_and_tokens_expire(
    recorder: Recorder, people: PeopleRepository, user_id: str, clock: Clock
) -> None:
    recorder.add_login_link(user_id, "late")
    recorder.add_token(user_id, name="t", scope=Scope.READ, hash="token", life_s=2 * DAY_S)
    clock.now += DAY_S
    assert recorder.open_session("late", "a") is None
    session = recorder.open_session("token", "b")
    assert session is not None
    assert session.expires_at == clock.now + DAY_S
    assert people.find_session("b") is not None
    clock.now += DAY_S
    assert people.find_session("b") is None
    assert people.find_token("token") is None
    recorder.add_login_link(user_id, "link")
    session = recorder.open_session("link", "c")
    assert session is not None
    assert session.expires_at == clock.now + SESSION_LIFE_S


def test_disabled_user_is_out_at_once(recorder: Recorder, people: PeopleRepository, user_id: str) -> None:
    recorder.add_user("other", Role.ADMIN)
    recorder.add_token(user_id, name="t", scope=Scope.ADMIN, hash="token", life_s=DAY_S)
    recorder.open_session("token", "session")
    recorder.change_user(user_id, {"is_disabled": True})
    assert people.find_token("token") is None
    assert people.find_session("session") is None
    assert recorder.open_session("token", "again") is None


def test_what_a_disabled_user_signed_in_with_stays_ended_when_they_come_back(
    recorder: Recorder, people: PeopleRepository, user_id: str
) -> None:
    other = recorder.add_user("other", Role.ADMIN)
    for owner, name in ((user_id, "token"), (other, "theirs")):
        recorder.add_token(owner, name="t", scope=Scope.ADMIN, hash=name, life_s=DAY_S)
    recorder.open_session("token", "session")
    recorder.add_login_link(user_id, "link")
    recorder.change_user(user_id, {"is_disabled": True})
    with pytest.raises(Conflict, match="disabled"):
        recorder.add_login_link(user_id, "useless")
    recorder.change_user(user_id, {"is_disabled": False})
    assert people.find_token("token") is None
    assert people.find_session("session") is None
    assert [recorder.open_session(code, "new") for code in ("token", "link")] == [None, None]
    assert people.find_token("theirs") is not None


def test_first_admin_is_added_once_and_never_after_a_sign_in(recorder: Recorder, people: PeopleRepository) -> None:
    assert [recorder.add_first_admin(code) for code in ("a", "b")] == [True, True]
    assert [(user.name, user.role) for user in people.list_users()] == [("admin", Role.ADMIN)]
    assert recorder.open_session("a", "x") is None
    assert recorder.open_session("b", "x") is not None
    assert recorder.add_first_admin("c") is False


def test_use_of_a_token_is_noted_once_a_minute(
    recorder: Recorder, people: PeopleRepository, user_id: str, clock: Clock
) -> None:
    token_id = recorder.add_token(user_id, name="t", scope=Scope.READ, hash="token", life_s=DAY_S)
    used = []
    for _ in range(3):
        recorder.note_token_use(token_id)
        used.append(people.list_tokens(user_id)[0].last_used_at)
        clock.now += 40
    assert used == [clock.now - 120, clock.now - 120, clock.now - 40]


def test_sign_in_knows_the_projects_of_the_user(recorder: Recorder, people: PeopleRepository, user_id: str) -> None:
    recorder.add_token(user_id, name="t", scope=Scope.READ, hash="token", life_s=DAY_S)
    project_id = recorder.add_project("fruit", member_id=user_id)
    other = recorder.add_project("other")
    for _ in range(2):
        recorder.set_member(other, user_id, is_member=True)
    found = people.find_token("token")
    assert found is not None
    assert found.project_ids == {project_id, other}
    recorder.set_member(other, user_id, is_member=False)
    found = people.find_token("token")
    assert found is not None
    assert found.project_ids == {project_id}


def test_audit_trail_is_found_by_text_and_page(recorder: Recorder, people: PeopleRepository) -> None:
    for number in range(5):
        recorder.add_audit_entry(actor="ada", action="stop_run", object_type="runs", object_id=f"r{number}")
    first = people.list_audit(before_id=None, search=None, limit=3)
    rest = people.list_audit(before_id=first[-1].id, search=None, limit=3)
    assert [row.object_id for row in (*first, *rest)] == ["r4", "r3", "r2", "r1", "r0"]
    assert [row.object_id for row in people.list_audit(before_id=None, search="R3", limit=9)] == ["r3"]
    assert people.list_audit(before_id=None, search="%", limit=9) == []


def test_last_admin_can_not_be_taken_away(recorder: Recorder, user_id: str) -> None:
    for change in ({"role": Role.MEMBER}, {"is_disabled": True}):
        with pytest.raises(Conflict, match="last admin"):
            recorder.change_user(user_id, change)
