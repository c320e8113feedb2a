"""`Parameters`: what an endpoint asks for, read from a request by a plan that is made at the start.

FastAPI finds out anew at each request what each parameter of each dependency is: a quarter of the time of a short GET.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from fastapi._compat import ModelField, is_scalar_field
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

Values = dict[str, Any]
Errors = list[Any]


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    place: str
    """`path`, `query` or `header`."""
    field: ModelField
    is_required: bool
    default: Any

    def read(self, sources: Mapping[str, Mapping[str, Any]], values: Values, errors: Errors) -> None:
        alias = self.field.alias
        given = sources[self.place].get(alias)
        if given is not None:
            values[self.name], wrong = self.field.validate(given, values, loc=(self.place, alias))
            errors.extend(wrong)
        elif self.is_required:
            errors.append({"type": "missing", "loc": (self.place, alias), "msg": "Field required", "input": None})
        else:
            values[self.name] = self.default


class Parameters:
    """The plan of an endpoint or of a dependency; only for those that `can_plan` takes."""

    def __init__(self, dependant: Dependant) -> None:
        self._call = dependant.call
        self._dependencies = [(one.name, Parameters(one)) for one in dependant.dependencies]
        self._own = [_plan(place, field) for place, fields in _places(dependant).items() for field in fields]
        self._request_names = [
            name for name in (dependant.request_param_name, dependant.http_connection_param_name) if name is not None
        ]
        self._response_name = dependant.response_param_name
        self._used: set[str] = {one.place for one in self._own}.union(*(one._used for _, one in self._dependencies))

    async def read(self, request: Request, response: Response) -> Values:
        """Return the arguments of the endpoint. Raises `RequestValidationError` with all that is wrong."""
        sources: dict[str, Mapping[str, Any]] = {"path": request.path_params}
        if "query" in self._used:
            sources["query"] = request.query_params
        if "header" in self._used:
            sources["header"] = request.headers
        values, errors = await self._read(request, response, sources, {})
        if errors:
            raise RequestValidationError(errors)
        return values

    async def _read(
        self, request: Request, response: Response, sources: Mapping[str, Mapping[str, Any]], known: dict[Any, Any]
    ) -> tuple[Values, Errors]:
        values: Values = {}
        errors: Errors = []
        for name, one in self._dependencies:
            if one._call not in known:
                given, wrong = await one._read(request, response, sources, known)
                if wrong:
                    errors += wrong
                    continue
                assert one._call is not None
                known[one._call] = await one._call(**given)
            if name is not None:
                values[name] = known[one._call]
        for parameter in self._own:
            parameter.read(sources, values, errors)
        for name in self._request_names:
            values[name] = request
        if self._response_name is not None:
            values[self._response_name] = response
        return values, errors


def can_plan(dependant: Dependant) -> bool:
    """Whether it asks for no more than single values of path, query and headers, and dependencies that wait for nothing
    but their own."""
    if dependant.body_params or dependant.cookie_params or dependant.background_tasks_param_name:
        return False
    if not all(is_scalar_field(field) for fields in _places(dependant).values() for field in fields):
        return False
    return all(_is_plain(one.call) and can_plan(one) for one in dependant.dependencies)


def _is_plain(call: Callable[..., Any] | None) -> bool:
    return call is not None and iscoroutinefunction(call)


def _places(dependant: Dependant) -> dict[str, list[ModelField]]:
    return {"path": dependant.path_params, "query": dependant.query_params, "header": dependant.header_params}


def _plan(place: str, field: ModelField) -> _Parameter:
    is_required = field.field_info.is_required()
    return _Parameter(field.name, place, field, is_required, None if is_required else field.get_default())
