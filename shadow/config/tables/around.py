"""`[[state]]`: what writes left behind."""

from __future__ import annotations

from typing import Literal

import msgspec


class StateTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[[state]]`: what writes left behind, asked of both sides and compared.

    One of `request` and `sql`.
    """

    name: str
    """What it is called in reports: its endpoint is `STATE name`."""
    request: str | None = None
    """Method, which must only read, and target: `"GET /v1/items?owner=me"`."""
    headers: dict[str, str] = {}
    """Headers of the request; `{token}` is what the side gave last by the [[correlate]] rule of
    that name, in the session."""
    sql: str | None = None
    """SELECT on `database` of each side; `:session` is the session's name."""
    after: Literal["session", "run"] = "session"
    """For each session that wrote, or once; at the end of the run."""
