"""`Prepared`: a query that SQLAlchemy writes once, and that goes straight to the driver from then on.

For what is asked at nearly every request: what SQLAlchemy adds to each execution takes it ten times as long as SQLite
takes to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import JSON, Connection, Dialect, Enum, PoolProxiedConnection, Select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

MAX_PLANS = 256
"""Of one query; each length of a list makes one."""

Make = Callable[[Any], Any]
"""Turns one value of the driver into one of ours, or the other way round."""


@dataclass(slots=True)
class _Plan:
    """One query on one database, with as many members in each of its lists as were asked for."""

    statement: str
    fixed: Mapping[str, Any]
    """Parameters that the query itself holds."""
    lists: Mapping[str, Sequence[str]]
    """Names of the parameters that the members of a list become."""
    bind: Mapping[str, Make]
    order: Sequence[str] | None
    """Of the parameters; None where the driver takes them by name."""
    columns: Sequence[tuple[int, Make]] | None = None
    """Places whose values are made into ours; the first answer tells, since PostgreSQL's types are known with it."""


class Prepared:
    """A query that is asked often.

    Args:
        query: lists among its parameters are `bindparam(..., expanding=True)`.
    """

    def __init__(self, query: Select[*tuple[Any, ...]]) -> None:
        self._query = query
        self._plans: dict[tuple[str, tuple[int, ...]], _Plan] = {}
        self._lists: tuple[str, ...] | None = None

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Return the rows, their columns in the query's order. Raises `DBAPIError` as SQLAlchemy does."""
        dialect = connection.dialect
        try:
            return self.rows_of_driver(connection.connection, dialect, values)
        except dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemy(error, connection) from error

    def rows_of_driver(
        self, driver: DBAPIConnection | PoolProxiedConnection, dialect: Dialect, values: Mapping[str, Any]
    ) -> list[Sequence[Any]]:
        """Return the rows from a connection of the driver's own. Raises the driver's errors."""
        plan = self._plan(dialect, values)
        cursor = driver.cursor()
        try:
            cursor.execute(plan.statement, _parameters(plan, values))
            rows = cursor.fetchall()
            if plan.columns is None:
                plan.columns = _columns(self._query, dialect, cursor.description)
        finally:
            cursor.close()
        return _made(rows, plan.columns)

    def _plan(self, dialect: Dialect, values: Mapping[str, Any]) -> _Plan:
        if self._lists is None:
            binds = self._query.compile(dialect=dialect).binds
            self._lists = tuple(name for name, bind in binds.items() if bind.expanding and bind.required)
        key = (dialect.name, tuple(len(values[name]) for name in self._lists))
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            plan = self._plans[key] = _write(self._query, dialect, values)
        return plan


def _write(query: Select[*tuple[Any, ...]], dialect: Dialect, values: Mapping[str, Any]) -> _Plan:
    compiled = query.compile(dialect=dialect)
    expanded = compiled.construct_expanded_state(values)
    lists = {name: parts for name, parts in expanded.parameter_expansion.items() if name in values}
    given = {*values, *(part for parts in lists.values() for part in parts)}
    bind = expanded.processors
    fixed = {name: value for name, value in expanded.parameters.items() if name not in given}
    return _Plan(
        statement=expanded.statement,
        fixed={name: bind[name](value) if name in bind else value for name, value in fixed.items()},
        lists=lists,
        bind=bind,
        order=expanded.positiontup,
    )


def _columns(
    query: Select[*tuple[Any, ...]], dialect: Dialect, description: Sequence[Any]
) -> Sequence[tuple[int, Make]]:
    makers = [
        _maker(column.type, dialect, described[1])
        for column, described in zip(query.selected_columns, description, strict=True)
    ]
    return [(place, make) for place, make in enumerate(makers) if make is not None]


def _maker(kind: TypeEngine[Any], dialect: Dialect, code: object) -> Make | None:
    make = kind.dialect_impl(dialect).result_processor(dialect, code)
    if make is None:
        return None
    if isinstance(kind, Enum):
        return lru_cache(maxsize=256)(make)
    return partial(_json, make) if isinstance(kind, JSON) else make


def _json(make: Make, text: Any) -> Any:
    return [] if text == "[]" else make(text)  # most runs have no tags


def _parameters(plan: _Plan, values: Mapping[str, Any]) -> Any:
    given = {**plan.fixed}
    for name, value in values.items():
        if name in plan.lists:
            given.update(zip(plan.lists[name], value, strict=True))
        else:
            given[name] = value
    for name, make in plan.bind.items():
        if name not in plan.fixed:
            given[name] = make(given[name])
    return given if plan.order is None else [given[name] for name in plan.order]


def _made(rows: Sequence[Sequence[Any]], columns: Sequence[tuple[int, Make]]) -> list[Sequence[Any]]:
    if not columns:
        return list(rows)
    made = [list(row) for row in rows]
    for place, make in columns:
        for row in made:
            if (value := row[place]) is not None:
                row[place] = make(value)
    return made  # type: ignore[return-value]


def _as_sqlalchemy(error: Exception, connection: Connection) -> BaseException:
    dialect = connection.dialect
    driver = connection.connection.dbapi_connection
    is_gone = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if is_gone:
        connection.invalidate(error)
    return DBAPIError.instance(
        "", None, error, dialect.loaded_dbapi.Error, connection_invalidated=is_gone, dialect=dialect
    )
