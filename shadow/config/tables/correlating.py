"""`[sessions]`, `[[correlate]]` and `[[shift]]`: how sessions are replayed."""

from __future__ import annotations

import msgspec


class SinkTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[correlate.sinks]]`: where the value goes."""

    place: str
    """Place in the request: `header:authorization`, `path:3` (the third segment), `query:cursor`,
    `cookie:sid`, `form:csrf`, `$.parent_id`."""
    endpoint: str = "*"
    """Endpoint, or `*` for every one."""


class CorrelateTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[correlate]]`: a value of an answer that later requests of the session carry.

    `shadow sessions learn` writes these.
    """

    name: str
    """What it is called in reports."""
    endpoint: str
    """Endpoint whose answer gives it."""
    place: str
    """Place in the answer: `$.token`, `header:location`, `cookie:sid`."""
    pattern: str | None = None
    """RE2 expression with one group, where the value is only a part of the text there."""
    sinks: list[SinkTable] = []
    """Where it goes; without any, both sides' values are only compared as one."""


class SessionsTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[sessions]`: how sessions of a capture are replayed."""

    cookies: bool = False
    """Send each side the cookies that it set in the session, in place of the recorded ones."""


class ShiftTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[shift]]`: a recorded time in requests that is moved to now, for both sides alike."""

    place: str
    """Place in the request, as of a sink."""
    endpoint: str = "*"
    """Endpoint, or `*` for every one."""
    key: str | None = None
    """Key that a JSON Web Token there (HS256, HS384, HS512) is signed with again, from the
    environment: `${JWT_KEY}`."""
