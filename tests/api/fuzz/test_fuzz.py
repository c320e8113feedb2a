"""Made-up requests to every operation of the document: no 5xx, no undocumented status, no answer of another shape.

`make test-api-fuzz` runs thousands, alone; `make test` a short slice.
"""

from __future__ import annotations

import pytest
from tests.api.fuzz.conftest import Target
from tests.api.fuzz.sending import Outcome, send_in_chains, send_one_by_one

from utp.store.access import Role

SLICE = 300
WHOLE = 5600
OUTSIDE = {200, 303, 400, 401, 404, 405, 413, 415, 422, 429}
"""What strangers may be told."""


def check(outcome: Outcome) -> None:
    print(outcome.report())
    assert not outcome.failures


def test_slice_of_made_up_requests_is_answered_as_documented(target: Target) -> None:
    headers = target.sign_in(Role.ADMIN)
    outcome = send_one_by_one(target, SLICE, lambda: headers, is_slice=True)
    check(outcome)
    assert outcome.statuses.total() >= SLICE * 0.8
    assert {200, 404, 422} <= outcome.statuses.keys()


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
def test_thousands_of_made_up_requests_are_answered_as_documented(target: Target) -> None:
    outcome = send_one_by_one(target, WHOLE, lambda: target.sign_in(Role.ADMIN))
    check(outcome)
    assert outcome.statuses.total() >= 5000
    assert {200, 201, 204, 404, 409, 412, 422, 428} <= outcome.statuses.keys()


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_chains_of_requests_are_answered_as_documented(target: Target, role: Role) -> None:
    outcome = send_in_chains(target, 60, lambda: target.sign_in(role))
    check(outcome)
    assert outcome.statuses.total() >= 200


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
def test_strangers_get_nothing_by_made_up_requests(target: Target) -> None:
    outcome = send_one_by_one(target, 1000, dict)
    check(outcome)
    assert outcome.statuses.keys() <= OUTSIDE
    assert outcome.operations == {"get_health", "get_readiness"}
