"""Sends made-up requests to every operation of the document, one by one or in chains, and keeps what went wrong."""

from __future__ import annotations

import contextlib
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.generation.stateful import run_state_machine_as_test
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.fuzz.conftest import Target
from tests.api.fuzz.world import Known, put_real_values

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BASE = "http://localhost:8000"
STARTS_PROCESSES = frozenset({"open_tensorboard", "get_tensorboard", "scan_dataset"})
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
SETTINGS = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
CHAINS_A_RUN, MAX_LINKS = 10, 12
Headers = Callable[[], dict[str, str]]


@dataclass
class Outcome:
    """What came of many requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    """Those that answered with success at least once."""
    failures: list[str] = field(default_factory=list)

    def note(self, operation_id: str, status: int) -> None:
        self.statuses[status] += 1
        if status < 400:
            self.operations.add(operation_id)

    def report(self) -> str:
        """Return what to print: how many cases, by status, and all that went wrong."""
        head = f"{self.statuses.total()} cases, {len(self.operations)} operations succeeded, {dict(self.statuses)}"
        return "\n\n".join([head, *self.failures])


def read_schema(target: Target) -> BaseSchema:
    schema = schemathesis.openapi.from_dict(target.app.openapi())
    schema.app = target.app
    return schema


def send_one_by_one(target: Target, num_cases: int, headers: Headers, *, is_slice: bool = False) -> Outcome:
    """Send `num_cases` requests, spread over the operations.

    A slice sends each operation either right or wrong requests, since making ready to make them up takes most of the
    time, and leaves out what starts processes.
    """
    operations = [result.ok() for result in read_schema(target).get_all_operations()]
    if is_slice:
        operations = [one for one in operations if _name(one) not in STARTS_PROCESSES]
    per_mode = math.ceil(num_cases / len(operations) / (1 if is_slice else len(MODES)))
    outcome, known = Outcome(), target.world.make()
    for number, operation in enumerate(operations):
        for mode in (MODES[number % 2],) if is_slice else MODES:
            try:
                _send_some(operation, mode, per_mode, known, headers(), outcome)
            except Unsatisfiable:
                continue  # there is no wrong request to an operation without parameters
            except (Failure, FailureGroup) as error:
                outcome.failures.append(f"{operation.label}, {mode.name}: {error}")
        if operation.method.upper() != "GET":
            known = target.world.make()  # something of it may be gone
    return outcome


def _send_some(
    operation: APIOperation[Any], mode: GenerationMode, num: int, known: Known, headers: dict[str, str], to: Outcome
) -> None:
    @settings(SETTINGS, max_examples=num)
    @given(
        case=operation.as_strategy(generation_mode=mode),
        is_real=st.booleans(),
        is_matched=st.booleans(),
        chosen=st.integers(0, 2**32),
    )
    def send(case: Any, is_real: bool, is_matched: bool, chosen: int) -> None:
        if is_real:
            put_real_values(case, known, chosen)
        extra = {"If-Match": "*"} if is_matched else {}
        response = case.call(base_url=BASE, headers={**headers, **extra})
        to.note(_name(operation), response.status_code)
        case.validate_response(response, checks=CHECKS)

    send()


def send_in_chains(target: Target, num_chains: int, headers: Headers) -> Outcome:
    """Send chains of requests, each of which takes ids out of the answers before."""
    outcome = Outcome()
    machine: type[Any] = read_schema(target).as_state_machine()
    number = 0

    class Chain(machine):  # type: ignore[misc]  # made at run time
        def setup(self) -> None:
            nonlocal number
            number += 1
            self._headers = headers()  # one that was sent may end the token, or the user
            self._known = target.world.make() if number % 10 == 1 else Chain._known
            Chain._known = self._known
            self._random = random.Random(number)

        def before_call(self, case: Any) -> None:
            if self._random.random() < 0.5:
                put_real_values(case, self._known, number)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            extra = {"If-Match": "*"} if self._random.random() < 0.7 else {}
            return {"base_url": BASE, "headers": {**self._headers, **extra}}

        def after_call(self, response: Any, case: Any) -> None:
            outcome.note(_name(case.operation), response.status_code)

        def validate_response(self, response: Any, case: Any, **_options: Any) -> None:
            try:
                case.validate_response(response, checks=CHECKS)
            except (Failure, FailureGroup) as error:
                outcome.failures.append(f"{case.operation.label} in a chain: {error}")

    few = settings(SETTINGS, derandomize=False, max_examples=CHAINS_A_RUN, stateful_step_count=MAX_LINKS)
    while number < num_chains:
        with contextlib.suppress(Flaky):  # the server remembers what was sent, so that the same again differs
            run_state_machine_as_test(seed(number)(Chain), settings=few)
    return outcome


def _name(operation: APIOperation[Any]) -> str:
    return str(operation.definition.raw["operationId"])
