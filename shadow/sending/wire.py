"""The wire transport: rendered bytes to one service, one observation back. HTTP/1.1."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import Self

from shadow.model import NoAnswer, Observation, Request
from shadow.sending.connect import connect, tls_context
from shadow.sending.connection import Connection
from shadow.sending.limits import Limits
from shadow.sending.no_answer import no_free_connection, timed
from shadow.sending.pool import Pool
from shadow.sending.reader import Heads
from shadow.sending.rewriter import Rewriter
from shadow.sending.service import Done, Receiver
from shadow.sending.target import Target


class Wire:
    """Sends to one target over its own pool of kept-alive connections: a `service.Service`.

    An async context manager; leaving it closes every connection and cancels what is still in
    flight. Nothing is decoded, redirected, or stored between requests.
    """

    def __init__(self, target: Target, *, limits: Limits | None = None) -> None:
        self.target = target
        self._limits = limits or Limits()
        self._timeout_s = self._limits.timeout_s
        self._rewriter = Rewriter(target)
        self._tls = tls_context(target)
        self._pool = Pool(self._limits.connections)
        self._heads = Heads()
        self._sending: set[asyncio.Future[Observation | None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._watched = inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._short = 0
        """How often `start` found no idle connection where another could be opened."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; cancels what is in flight, and no `done` is called any more."""
        if self._timer is not None:
            self._timer.cancel()
        for future in self._sending:
            future.cancel()
        await self._pool.aclose()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._pool)

    def render(self, request: Request) -> bytes:
        """Make the message of a request. Raises `rewrite.Unsendable`."""
        return self._rewriter.render(request)

    def start(
        self,
        message: bytes,
        *,
        method: str,
        safe: bool,
        due: float | None,
        done: Done,
        receiver: Receiver | None = None,
    ) -> bool:
        """Send a message at once where a connection is idle, else do nothing: False.

        Opens no connection: `send` does. `done` takes the observation as `send` returns it, on
        the event loop, or None for a safe request that was lost on a reused connection before
        a byte of answer. What `done` raises goes to the loop's exception handler.
        """
        loop = self._loop  # to ask for it is a system call
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        now = loop.time()
        connection = self._pool.take(safe=safe, now=now)
        if connection is None:
            self._short += self._pool.has_room
            return False
        timeout_s = self._timeout_s
        deadline = now + timeout_s
        if deadline < self._watched:  # from here on as in `_observe`: a call less an exchange
            self._watch(deadline)
        connection.exchange(
            message,
            method=method,
            safe=safe,
            due=due,
            deadline=deadline,
            timeout_s=timeout_s,
            done=done,
            receiver=receiver,
        )
        return True

    async def send(
        self,
        message: bytes,
        *,
        method: str,
        safe: bool,
        due: float | None = None,
        fresh: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109  one timer inside, cheaper than a scope
        receiver: Receiver | None = None,
    ) -> Observation:
        """Send a message as `render` made it and observe what the service does.

        `due` and the timing of the observation are on `time.perf_counter`'s clock; `due` is
        the moment of sending by default. `timeout` in seconds stands in for the limit's;
        `fresh` asks for a new connection. What the service does is never an exception. A `safe`
        request that was lost on a reused connection, before a byte of answer, is sent once more
        on a new one; others are not. Raises `UnfinishedError` when this machine is out of file
        descriptors.
        """
        started = time.perf_counter()
        timeout_s = self._timeout_s if timeout is None else timeout
        now = asyncio.get_running_loop().time()
        deadline = now + timeout_s
        if self._short and self._pool.has_room:
            # `start` found too few connections. Whoever was to wait for one opens one: to take
            # what falls idle meanwhile would leave the next `start` without, and so for ever.
            self._short -= 1
            fresh = True
        connection = None if fresh else self._pool.take(safe=safe, now=now)
        while True:
            if connection is None:
                claimed = await self._claim(safe=safe, fresh=fresh, by=deadline, wait_s=timeout_s)
                if isinstance(claimed, NoAnswer):
                    return timed(claimed, due, started)
                connection = claimed
            observation = await self._observe(
                connection,
                message,
                method=method,
                safe=safe,
                due=due,
                deadline=deadline,
                timeout_s=timeout_s,
                receiver=receiver,
            )
            if observation is not None:
                return observation
            connection, fresh = None, True

    async def _observe(
        self,
        connection: Connection,
        message: bytes,
        *,
        method: str,
        safe: bool,
        due: float | None,
        deadline: float,
        timeout_s: float,
        receiver: Receiver | None,
    ) -> Observation | None:
        """Await what `Connection.exchange` says. Giving up closes the connection."""
        future: asyncio.Future[Observation | None] = asyncio.get_running_loop().create_future()

        def done(observation: Observation | None) -> None:
            if not future.done():
                future.set_result(observation)

        if deadline < self._watched:
            self._watch(deadline)
        self._sending.add(future)
        try:
            connection.exchange(
                message,
                method=method,
                safe=safe,
                due=due,
                deadline=deadline,
                timeout_s=timeout_s,
                done=done,
                receiver=receiver,
            )
            return await future
        finally:
            self._sending.discard(future)
            connection.abandon(done)

    async def _claim(
        self, *, safe: bool, fresh: bool, by: float, wait_s: float
    ) -> Connection | NoAnswer:
        """Get a connection, idle or new, `by` a time on the loop's clock."""
        try:
            async with asyncio.timeout_at(by):
                idle = await self._pool.claim(safe=safe, fresh=fresh)
        except TimeoutError:
            return no_free_connection(wait_s)
        if idle is not None:
            return idle
        left_s = by - asyncio.get_running_loop().time()
        try:
            opened = await connect(
                self.target,
                limits=self._limits,
                tls=self._tls,
                timeout_s=min(self._limits.connect_s, max(left_s, 0)),
                heads=self._heads,
            )
        except BaseException:
            self._pool.free()
            raise
        if isinstance(opened, NoAnswer):
            self._pool.free()
        else:
            self._pool.fill(opened)
        return opened

    # One timer for all connections, set for the earliest deadline when it was set: most requests
    # have ended long before theirs, so it fires once in a while and looks who is late.

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._watched = deadline
        self._timer = asyncio.get_running_loop().call_at(deadline, self._expire)

    def _expire(self) -> None:
        """End the requests whose time has passed, and watch over the others."""
        now = max(self._watched, asyncio.get_running_loop().time())
        self._timer, self._watched = None, inf
        for connection in self._pool.open:
            if connection.deadline <= now:
                connection.expire()
        earliest = min((one.deadline for one in self._pool.open), default=inf)
        if earliest < self._watched:
            self._watch(earliest)
