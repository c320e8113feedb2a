"""Errors of the store that a caller acts on."""

from __future__ import annotations

from utp.errors import FailureKind, UtpError


class StoreError(UtpError):
    """Base of the database's own troubles; nothing of the transaction was written."""

    kind = FailureKind.STORAGE_ERROR

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(database, reason)
        self.database = database
        self.reason = reason


class StoreBusy(StoreError):
    """Another writer held the database, or a query took, longer than one waits; worth another try soon."""

    def __str__(self) -> str:
        return f"the database {self.database} is busy: {self.reason}; try again in a few seconds"


class StoreUnavailable(StoreError):
    """The database can't be reached."""

    def __str__(self) -> str:
        return f"the database {self.database} can't be reached: {self.reason}; start it, or correct UTP_DATABASE_URL"


class StoreFull(StoreError):
    """The disk of the database is full; reading still works."""

    kind = FailureKind.STORAGE_FULL

    def __str__(self) -> str:
        return f"the disk of the database {self.database} is full: {self.reason}; free some space, nothing was lost"


class StoreDamaged(StoreError):
    """The database's file is not what it was; going on would make it worse."""

    def __str__(self) -> str:
        return f"the database {self.database} is damaged: {self.reason}; put a backup in its place"


class NotAtOnce(Exception):
    """A look-up could take longer than an event loop may wait."""


class WrongRevision(StoreError):
    """The tables are of another version than this program."""

    kind = FailureKind.INVALID_CONFIG

    def __init__(self, database: str, found: str, known: str) -> None:
        super().__init__(database, f"revision {found}, not {known}")
        self.args = (database, found, known)
        self.found = found
        self.known = known

    def __str__(self) -> str:
        way_out = "run `utp up`, which upgrades it" if self.found < self.known else "install the newer utp again"
        found = f"of revision {self.found}" if self.found else "empty"
        return f"the database {self.database} is {found}, this utp knows {self.known}: {way_out}"


class RunNotFound(UtpError, LookupError):
    """No run has this id."""

    kind = FailureKind.USER_ERROR

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"run {self.run_id} does not exist"


class RunAmbiguous(UtpError, LookupError):
    """Several runs begin so."""

    kind = FailureKind.USER_ERROR

    def __init__(self, text: str, candidates: tuple[str, ...]) -> None:
        super().__init__(text, candidates)
        self.text = text
        self.candidates = candidates

    def __str__(self) -> str:
        return f"run {self.text} may mean several; write more of one of: {', '.join(self.candidates)}"


class AttemptNotStarted(UtpError):
    """Rows of an attempt came before its start was recorded."""

    def __init__(self, run_id: str, attempt: int) -> None:
        super().__init__(run_id, attempt)
        self.run_id = run_id
        self.attempt = attempt

    def __str__(self) -> str:
        return f"attempt {self.attempt} of run {self.run_id} has not started yet; call mark_running before"


class AlreadyEnded(UtpError):
    """What was asked of a run comes too late."""

    kind = FailureKind.USER_ERROR

    def __init__(self, run_id: str, state: str) -> None:
        super().__init__(run_id, state)
        self.run_id = run_id
        self.state = state

    def __str__(self) -> str:
        return f"run {self.run_id} has ended already: {self.state}"


class IllegalMove(UtpError):
    """A run is in no state from which it could do what was asked."""

    kind = FailureKind.USER_ERROR

    def __init__(self, run_id: str, state: str, wanted: str, way_out: str) -> None:
        super().__init__(run_id, state, wanted, way_out)
        self.run_id = run_id
        self.state = state
        self.wanted = wanted
        self.way_out = way_out

    def __str__(self) -> str:
        return f"run {self.run_id} is {self.state} and can't {self.wanted}; {self.way_out}"


class KeyReused(UtpError):
    """An Idempotency-Key came with another run than the first time."""

    kind = FailureKind.USER_ERROR

    def __init__(self, key: str, run_id: str) -> None:
        super().__init__(key, run_id)
        self.key = key
        self.run_id = run_id

    def __str__(self) -> str:
        return f"the Idempotency-Key {self.key!r} was used for run {self.run_id} with another config; take a new key"


class NotFound(UtpError, LookupError):
    """Something with this id or name does not exist, or is not to be seen by who asks."""

    kind = FailureKind.USER_ERROR

    def __init__(self, noun: str, id: str) -> None:  # noqa: A002
        super().__init__(noun, id)
        self.noun = noun
        self.id = id

    def __str__(self) -> str:
        return f"{self.noun} {self.id} does not exist"


class Conflict(UtpError):
    """The state of things forbids what was asked."""

    kind = FailureKind.USER_ERROR

    def __init__(self, reason: str, way_out: str) -> None:
        super().__init__(reason, way_out)
        self.reason = reason
        self.way_out = way_out

    def __str__(self) -> str:
        return self.reason
