"""The wire transport: rendered bytes to one service, one observation back. HTTP/1.1."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from shadow.model import Answer, NoAnswer, Observation, Timing
from shadow.sending.connect import connect, tls_context
from shadow.sending.connection import Connection
from shadow.sending.limits import Limits
from shadow.sending.pool import Pool
from shadow.sending.target import Target

NO_FREE_CONNECTION = "pool: "
"""How the detail of a timeout begins when no connection was free in all that time."""

_NOT_REPEATED = "the connection was a reused one, and an unsafe request is not sent twice"


class Wire:
    """Sends to one target over its own pool of kept-alive connections.

    An async context manager; leaving it closes every connection and cancels what is still in
    flight. Nothing is decoded, redirected, or stored between requests.
    """

    def __init__(self, target: Target, *, limits: Limits | None = None) -> None:
        self.target = target
        self._limits = limits or Limits()
        self._tls = tls_context(target)
        self._pool = Pool(self._limits.connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; cancels what is in flight."""
        await self._pool.aclose()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._pool)

    async def send(
        self,
        message: bytes,
        *,
        method: str,
        safe: bool,
        due: float | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  one timer inside, cheaper than a scope
    ) -> Observation:
        """Send a message as `rewrite.render` made it and observe what the service does.

        `due` and the timing of the observation are on `time.perf_counter`'s clock; `due` is
        the moment of sending by default. `timeout` in seconds stands in for the limit's. What
        the service does is never an exception. A `safe` request that was lost on a reused
        connection, before a byte of answer, is sent once more on a new one; others are not.
        Raises `UnfinishedError` when this machine is out of file descriptors.
        """
        started = time.perf_counter()
        timeout_s = self._limits.timeout_s if timeout is None else timeout
        deadline = asyncio.get_running_loop().time() + timeout_s
        connection: Connection | None = self._pool.take(safe=safe)
        fresh = False
        while True:
            if connection is None:
                claimed = await self._claim(safe=safe, fresh=fresh, by=deadline, wait_s=timeout_s)
                if isinstance(claimed, NoAnswer):
                    return _timed(claimed, started if due is None else due, started)
                connection = claimed
            future = connection.exchange(
                message, method=method, due=due, deadline=deadline, timeout_s=timeout_s
            )
            try:
                observation = await future
            finally:
                connection.abandon(future)
            if isinstance(observation, Answer) or not connection.stale:
                return observation
            if not safe:
                return replace(observation, detail=f"{observation.detail}; {_NOT_REPEATED}")
            connection, fresh = None, True

    async def _claim(
        self, *, safe: bool, fresh: bool, by: float, wait_s: float
    ) -> Connection | NoAnswer:
        """Get a connection, idle or new, `by` a time on the loop's clock."""
        try:
            async with asyncio.timeout_at(by):
                idle = await self._pool.claim(safe=safe, fresh=fresh)
        except TimeoutError:
            detail = f"{NO_FREE_CONNECTION}no free connection within {wait_s:g} s"
            return NoAnswer(kind="timeout", detail=detail)
        if idle is not None:
            return idle
        left_s = by - asyncio.get_running_loop().time()
        try:
            opened = await connect(
                self.target,
                limits=self._limits,
                tls=self._tls,
                timeout_s=min(self._limits.connect_s, max(left_s, 0)),
            )
        except BaseException:
            self._pool.free()
            raise
        if isinstance(opened, NoAnswer):
            self._pool.free()
        else:
            self._pool.fill(opened)
        return opened


def _timed(observation: NoAnswer, due: float, started: float) -> NoAnswer:
    """Add the timing of a request that was never sent: `sent` is when it was asked for."""
    return replace(observation, timing=Timing(due=due, sent=started, done=time.perf_counter()))
