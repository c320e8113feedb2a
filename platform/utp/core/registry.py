"""Registry: parts by name, declared as data; their code is imported on use, so listing names needs no torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from utp.config.problems import describe_problems
from utp.errors import ConfigError, UnknownName


@dataclass(frozen=True)
class Entry:
    """One part: its name, where its code is (`module:attribute`), a line of help, and its options as a dataclass."""

    name: str
    target: str
    doc: str
    options: type[Any] | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Callable[..., Any]:
        """Import the code of this part and return it."""
        module_name, _, attribute = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
        return loaded

    def check_options(self, raw: Mapping[str, Any], field_name: str) -> Any:
        """Return the options as this part's own dataclass, or None where it has none.

        Raises:
            ConfigError: an option is unknown or has a bad value; names `field_name`, the option and the value.
        """
        if self.options is None:
            if raw:
                raise ConfigError((f"{field_name}: {self.name!r} has no options, got {dict(raw)!r}; leave it empty",))
            return None
        try:
            return self.options(**raw)
        except ValidationError as error:
            raise ConfigError(describe_problems(error, self.options, prefix=f"{field_name}.")) from error


class Registry:
    """Parts of one kind, by name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, target: str, *, doc: str, options: type[Any] | None = None, **traits: Any) -> None:
        """Declare a part. Raises `ValueError` for a name that is taken."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered already, as {self._entries[name].target}")
        self._entries[name] = Entry(name, target, doc, options, traits)

    def get(self, name: str) -> Entry:
        """Return the entry. Raises `UnknownName`, which lists the known ones."""
        if name not in self._entries:
            raise UnknownName(self.kind, name, self.names())
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._entries))
