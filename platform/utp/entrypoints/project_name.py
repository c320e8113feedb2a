"""Names of projects on the command line, by the rule of the API: what one takes the other takes."""

from __future__ import annotations

import typer
from pydantic import TypeAdapter, ValidationError

from utp.api.schemas import Name

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def check_project_name(name: str) -> str:
    """Return the name as it is kept; the callback of an option. Raises `BadParameter` for a blank or too long one."""
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
