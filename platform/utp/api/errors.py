"""Errors as RFC 9457 problem documents, and THE ONE TABLE of their HTTP statuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from utp.errors import ConfigError, DatasetError, ModelError, PathRefused, UnknownName, UtpError
from utp.store.errors import (
    AlreadyEnded,
    Conflict,
    IllegalMove,
    KeyReused,
    NotFound,
    RunAmbiguous,
    RunNotFound,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:utp:problem:"
MAX_SHOWN = 200
"""Characters of a refused value that are sent back."""


class NotSignedIn(UtpError):
    """The request names nobody that is known."""

    def __str__(self) -> str:
        return "sign in, or send `Authorization: Bearer TOKEN`"


class TooManyFailures(UtpError):
    """Too many wrong codes from one address."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s

    def __str__(self) -> str:
        return f"too many failed sign-ins; wait {self.wait_s} s"


class Forbidden(UtpError):
    """Somebody known asks for what their role or their token does not allow."""

    def __init__(self, action: str, way_out: str) -> None:
        super().__init__(action, way_out)
        self.action = action
        self.way_out = way_out

    def __str__(self) -> str:
        return f"you may not {self.action}"


class PreconditionMissing(UtpError):
    """An edit without `If-Match`: it could undo somebody else's."""

    way_out = "send the ETag of the last GET as If-Match"

    def __str__(self) -> str:
        return "If-Match is missing"


class PreconditionFailed(UtpError):
    """Somebody else has changed it since it was read."""

    way_out = "read it again, then repeat the change"

    def __str__(self) -> str:
        return "it was changed in the meantime; If-Match names an older state"


class InvalidRequest(UtpError):
    """A value of the request that can't be used."""

    def __init__(self, field: str, value: object, message: str, way_out: str = "") -> None:
        super().__init__(field, value, message, way_out)
        self.field = field
        self.value = value
        self.message = message
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class MethodRefused(UtpError):
    """A route that exists to say why there is no such thing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class FileRefused(UtpError):
    """A name that leads out of the folder it was asked of, or to what is no ordinary file."""

    way_out = "ask for a file of the list, by its name"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"the file {self.name[:MAX_SHOWN]!r} is not served"


class NotAPicture(UtpError):
    """A file that can't be shown as an image."""

    way_out = "scan the dataset: its problems list every such file"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the image can't be decoded: {self.reason}"


class DecoderBusy(UtpError):
    """Thumbnails are asked for faster than they are made."""

    way_out = "try again in a few seconds"

    def __str__(self) -> str:
        return "no image decoder was free for long"


class TensorBoardsBusy(UtpError):
    """As many TensorBoards, or requests of one, as may be are under way."""

    way_out = "close one that you do not need, or try again in a minute"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"TensorBoard is busy: {self.count} are in use"


class TensorBoardFailed(UtpError):
    """TensorBoard ended or did not answer."""

    way_out = "try again; the server's log has its last words"

    def __str__(self) -> str:
        return "TensorBoard did not answer"


class LibraryMissing(UtpError):
    """A library that this answer needs is not installed beside the API."""

    def __init__(self, library: str, what: str) -> None:
        super().__init__(library, what)
        self.library = library
        self.what = what
        self.way_out = f"install {library} into the environment of the API"

    def __str__(self) -> str:
        return f"{self.what} can't be read: {self.library} is not installed"


STATUSES: Mapping[type[Exception], HTTPStatus] = {
    NotSignedIn: HTTPStatus.UNAUTHORIZED,
    TooManyFailures: HTTPStatus.TOO_MANY_REQUESTS,
    Forbidden: HTTPStatus.FORBIDDEN,
    FileRefused: HTTPStatus.FORBIDDEN,
    RunNotFound: HTTPStatus.NOT_FOUND,
    NotFound: HTTPStatus.NOT_FOUND,
    MethodRefused: HTTPStatus.METHOD_NOT_ALLOWED,
    RunAmbiguous: HTTPStatus.CONFLICT,
    AlreadyEnded: HTTPStatus.CONFLICT,
    IllegalMove: HTTPStatus.CONFLICT,
    Conflict: HTTPStatus.CONFLICT,
    KeyReused: HTTPStatus.CONFLICT,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    PreconditionMissing: HTTPStatus.PRECONDITION_REQUIRED,
    ConfigError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PathRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnknownName: HTTPStatus.UNPROCESSABLE_ENTITY,
    DatasetError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModelError: HTTPStatus.UNPROCESSABLE_ENTITY,
    InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotAPicture: HTTPStatus.UNPROCESSABLE_ENTITY,
    LibraryMissing: HTTPStatus.NOT_IMPLEMENTED,
    DecoderBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    TensorBoardsBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    TensorBoardFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreFull: HTTPStatus.INSUFFICIENT_STORAGE,
    StoreError: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The nearest class in an error's ancestry decides; what is not here is a bug, 500."""

RETRY_AFTER_S: Mapping[type[Exception], int] = {
    StoreBusy: 2,
    StoreUnavailable: 5,
    DecoderBusy: 2,
    TensorBoardsBusy: 30,
    TensorBoardFailed: 5,
    TooManyFailures: 60,
}

_STORE_SENTENCES: Mapping[type[StoreError], tuple[str, str]] = {
    StoreBusy: ("the database is busy", "try again in a few seconds"),
    StoreUnavailable: ("the database can't be reached", "it is tried again by itself; see the server's log"),
    StoreFull: ("the disk of the database is full; nothing was lost", "free some space on the server"),
}
"""Said in place of the error's own words, which name the database's address."""


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    value: Any = None
    message: str
    way_out: str = ""


class Problem(BaseModel):
    """RFC 9457 problem document; what does not apply is left out."""

    type: str
    title: str
    status: int
    detail: str
    way_out: str | None = None
    errors: list[FieldProblem] | None = None


def problem_of(error: Exception) -> Problem:
    """Return the document of an error; of one that is not in the table nothing but that it is ours."""
    kind = next((one for one in type(error).__mro__ if one in STATUSES), None)
    if kind is None:
        return internal_problem()
    status = STATUSES[kind]
    detail, way_out = _STORE_SENTENCES.get(kind, (str(error), getattr(error, "way_out", None) or None))
    if kind is StoreError:
        return internal_problem()
    return Problem(
        type=TYPE_PREFIX + _kebab(type(error).__name__),
        title=status.phrase,
        status=status,
        detail=detail,
        way_out=way_out,
        errors=_fields_of(error),
    )


def status_problem(status: int, detail: str, way_out: str | None = None) -> Problem:
    """Return a document for a bare HTTP status."""
    phrase = HTTPStatus(status).phrase
    return Problem(type="about:blank", title=phrase, status=status, detail=detail or phrase, way_out=way_out)


def internal_problem() -> Problem:
    """Return the document of a bug: it tells nothing of the inside."""
    return status_problem(500, "the server failed; its log says where", "report it with the time of day")


def invalid_problem(errors: Sequence[FieldProblem]) -> Problem:
    """Return the document of a request that does not have the documented shape."""
    detail = errors[0].message if len(errors) == 1 else f"{len(errors)} fields are wrong"
    return status_problem(422, detail).model_copy(
        update={"type": TYPE_PREFIX + "invalid-request", "errors": list(errors)}
    )


def field_problems(sentences: Sequence[str]) -> list[FieldProblem]:
    """Split `field: message, got VALUE; way out`, the sentences of `config/problems.py`."""
    return [_split(sentence) for sentence in sentences]


def _split(sentence: str) -> FieldProblem:
    field, colon, rest = sentence.partition(": ")
    if not colon or " " in field:
        field, rest = "", sentence
    message, _, way_out = rest.partition("; ")
    said, got, value = message.rpartition(", got ")
    return FieldProblem(field=field, value=value if got else None, message=said if got else message, way_out=way_out)


def _fields_of(error: Exception) -> list[FieldProblem] | None:
    if isinstance(error, ConfigError):
        return field_problems(error.problems)
    if isinstance(error, PathRefused):
        return [FieldProblem(field=error.field, value=error.value[:MAX_SHOWN], message=error.reason)]
    if isinstance(error, InvalidRequest):
        shown = error.value if isinstance(error.value, int | float | None) else str(error.value)[:MAX_SHOWN]
        return [FieldProblem(field=error.field, value=shown, message=error.message, way_out=error.way_out)]
    return None


def _kebab(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
