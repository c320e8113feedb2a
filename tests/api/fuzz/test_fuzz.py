"""Made-up requests to every operation of the document: no 5xx, no undocumented status, no answer of another shape.

`make test-api-fuzz` runs thousands, alone; `make test` a short slice.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.fuzz.conftest import Target

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SLICE = 300
WHOLE = 6000
BASE = "http://localhost:8000"


def send_all(target: Target, num_cases: int, *, headers: dict[str, str], is_slice: bool = False) -> Counter[int]:
    """Send `num_cases` requests, spread over the operations, and return how often which status came.

    A slice sends each operation either right or wrong requests: making ready to make them up takes most of the time.
    """
    schema = schemathesis.openapi.from_dict(target.app.openapi())
    schema.app = target.app
    operations = [result.ok() for result in schema.get_all_operations()]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    per_mode = math.ceil(num_cases / len(operations) / (1 if is_slice else len(modes)))
    seen: Counter[int] = Counter()
    for number, operation in enumerate(operations):
        known = target.refill()
        for mode in (modes[number % 2],) if is_slice else modes:
            try:
                send_some(operation.as_strategy(generation_mode=mode), per_mode, known, headers, seen)
            except Unsatisfiable:
                continue  # there is no wrong request to an operation without parameters
    return seen


def send_some(
    strategy: st.SearchStrategy[Any], num: int, known: dict[str, str], headers: dict[str, str], seen: Counter[int]
) -> None:
    @settings(
        max_examples=num,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=strategy, is_real=st.booleans(), is_matched=st.booleans())
    def send(case: Any, is_real: bool, is_matched: bool) -> None:
        for name in case.path_parameters or {}:
            if is_real and name in known:
                case.path_parameters[name] = known[name]
        extra = {"If-Match": "*"} if is_matched else {}
        response = case.call(base_url=BASE, headers={**headers, **extra})
        seen[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    send()


def test_slice_of_made_up_requests_is_answered_as_documented(target: Target) -> None:
    seen = send_all(target, SLICE, headers=dict(target.client.headers), is_slice=True)
    assert seen.total() >= SLICE * 0.8
    assert {200, 404, 422} <= seen.keys()


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
def test_thousands_of_made_up_requests_are_answered_as_documented(target: Target) -> None:
    seen = send_all(target, WHOLE, headers=dict(target.client.headers))
    assert seen.total() >= 5000
    assert {200, 201, 204, 404, 409, 412, 422, 428} <= seen.keys(), seen


@pytest.mark.fuzz
@pytest.mark.timeout(1800)
def test_strangers_get_nothing_by_made_up_requests(target: Target) -> None:
    seen = send_all(target, 1000, headers={})
    assert seen.keys() <= {200, 400, 401, 404, 405, 413, 415, 422, 429}, seen
