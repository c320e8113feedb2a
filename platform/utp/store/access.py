"""Roles of users, scopes of tokens, stages of models; what they allow is said by who asks."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a user is on this platform."""

    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Scope(StrEnum):
    """How much of its user's rights a token carries."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Stage(StrEnum):
    """How far a version of a model has come."""

    NONE = "none"
    CANDIDATE = "candidate"
    PRODUCTION = "production"
    ARCHIVED = "archived"
