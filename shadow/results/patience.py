"""Connections to PostgreSQL that give up on a server that has gone silent.

Imports psycopg, an extra: `postgres` imports this where there is one. A server that hangs ends no
statement, whatever its timeouts, and its machine keeps the connection alive.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Final

import psycopg

ANSWER_S: Final = 10.0
"""How long a server that says nothing is waited for."""


class Silent(psycopg.OperationalError):
    """The server has said nothing for `ANSWER_S`."""


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection each of whose calls ends in time."""

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
        """Wait as psycopg does for all it asks; closed where that raises Silent."""
        try:
            return super().wait(_limited(gen), *args, **options)
        except Silent:
            self.close()
            raise


def _limited(gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Go on with what psycopg asks until it is done, or time is up."""
    deadline = time.monotonic() + ANSWER_S
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted  # nothing is, after each tenth of a second
            if not ready and time.monotonic() > deadline:
                raise Silent(f"no answer in {ANSWER_S:.0f} s")
            wanted = gen.send(ready)
    except StopIteration as done:
        return done.value
