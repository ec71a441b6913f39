"""A process beside the event loop that judges pairs, so that clients need not wait for it.

It is there from the beginning, or begins with the first pairs. What it does not answer in time is
given back: it may have died, or get nothing of a core that others are busy on.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, Final, NamedTuple, Self, cast

import msgspec

from shadow.errors import where
from shadow.judging import frames
from shadow.judging.frames import LENGTH, Asked, Learned, Pair, Verdict
from shadow.judging.worker import Begun, stay_behind, work
from shadow.model import Divergence

AHEAD: Final = 2
"""Frames that it is given at once: it has the next one when it is done with one."""
LEARNED: Final = 100
"""Lessons that wait for the next pairs; so many are sent by themselves."""
LATE_S: Final = 1.0
"""After which it is given back what has no answer: a frame takes some milliseconds."""
STUCK_S: Final = 300.0
"""A process that answers nothing for so long is ended."""
PAUSE_S: Final = 1.0
"""Before another one is begun in the place of one that died."""
BROKEN_S: Final = 30.0
"""How long none is begun after one could not be."""

_SPAWN: Final = multiprocessing.get_context("spawn")

Done = Callable[[Sequence[Verdict] | None], None]


class Ready(NamedTuple):
    """A process that waits for an `Aside`, what it was started with, and the way to it."""

    begun: Begun
    process: BaseProcess
    connection: socket.socket


@contextmanager
def ready(begun: Begun) -> Iterator[Ready | None]:
    """A process that is ready at once: a copy of this one, with which it shares most memory.

    To be called before there is a loop, a thread or an open store; None where that is too late,
    or not to be had: then an `Aside` begins a process when it needs one. It ends with the block.
    """
    if sys.platform != "linux" or threading.active_count() > 1:
        yield None
        return
    ours, theirs = socket.socketpair()
    process = multiprocessing.get_context("fork").Process(
        target=work, args=(theirs, begun, ours), daemon=True
    )
    try:
        with theirs:
            process.start()
    except OSError:
        ours.close()
        yield None
        return
    try:
        yield Ready(begun, process, ours)
    finally:
        ours.close()
        process.kill()
        process.join()


def _ignore(_: Sequence[Verdict] | None) -> None:
    pass


class _Frame:
    __slots__ = ("asked", "count", "data", "done")

    def __init__(self, data: bytes, count: int, done: Done, asked: float) -> None:
        self.data = data
        self.count = count
        self.done = done
        self.asked = asked
        """When, on the loop's clock."""

    def give_back(self, verdicts: Sequence[Verdict] | None) -> None:
        """Say that there is no answer; one that still comes is nobody's."""
        done, self.done = self.done, _ignore
        done(verdicts)


class Aside:
    """The process, as the loop sees it. An async context manager; to be used on one loop."""

    def __init__(
        self,
        begun: Callable[[], Begun],
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        tell: Callable[[str], None],
        ready: Ready | None = None,
    ) -> None:
        """Take what is `ready`, or start a process with what `begun` gives when one is needed.

        `tell` hears of one that has ended by itself.
        """
        self._ready = ready
        self._begun = begun
        self._spawn = spawn
        self._tell = tell
        self._frames: deque[_Frame] = deque()
        """What it has not answered, the oldest first."""
        self._learned: list[Learned] = []
        """What it does not know yet."""
        self._process: BaseProcess | None = None
        self._connection: _Connection | None = None
        self._is_starting = self._closed = False
        self._broken_until = 0.0
        self._watch: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        if self._ready is not None:
            self._process = self._ready.process
            await self._connect(self._ready.connection)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self._frames.clear()
        if self._watch is not None:
            self._watch.cancel()
        if self._connection is not None:
            self._connection.transport.abort()
        await self._reap(self._process)

    @property
    def helps(self) -> bool:
        """Whether there is a process, or may be one, that does not keep its pairs waiting.

        One that is replaced, or that gets nothing of its core, does.
        """
        now = asyncio.get_running_loop().time()
        if now < self._broken_until:
            return False
        return not self._frames or now - self._frames[0].asked <= LATE_S

    @property
    def has_room(self) -> bool:
        """Whether it takes another frame now."""
        return len(self._frames) < AHEAD and not self._closed

    def ask(self, pairs: Sequence[Pair], done: Done) -> None:
        """Have pairs judged; where there is no process, one begins.

        `done` gets as many verdicts, once, or None where there is none in time. Raises
        UnicodeEncodeError for pairs that cannot be sent.
        """
        data = frames.framed(Asked(self._learned, pairs))
        self._learned = []
        loop = asyncio.get_running_loop()
        self._frames.append(_Frame(data, len(pairs), done, loop.time()))
        if self._connection is not None:
            self._connection.transport.write(data)
        elif not self._is_starting:
            self._is_starting = True
            self._spawn(self._start())
        if self._watch is None:
            self._watch = loop.call_later(LATE_S, self._look_after)

    def learned(self, endpoint: str, differences: tuple[Divergence, ...]) -> None:
        """Tell it, before the next pairs, what two baselines answered differently."""
        if self._process is None and not self._is_starting:
            return
        lesson = Learned(endpoint, differences)
        try:
            frames.framed(Asked([lesson], ()))
        except UnicodeEncodeError:  # a name with half a surrogate pair in it
            return
        self._learned.append(lesson)
        if len(self._learned) >= LEARNED:
            self.ask((), lambda _: None)

    # The process.

    async def _start(self) -> None:
        try:
            await self._begin()
        except Exception as error:  # noqa: BLE001 - no more processes, files or memory
            self._broken_until = asyncio.get_running_loop().time() + BROKEN_S
            self._tell(f"the process that judges could not be started: {where(error)}")
            await self._reap(self._process)
            self._let_go()
        finally:
            self._is_starting = False
        if self._closed and self._connection is not None:
            self._connection.transport.abort()
            await self._reap(self._process)

    async def _begin(self) -> None:
        begun, self._learned = self._begun(), []  # it knows of all that
        ours, theirs = socket.socketpair()
        starter = ThreadPoolExecutor(1)  # of its own, since it stays behind
        try:
            process = _SPAWN.Process(target=work, args=(theirs, begun), daemon=True)
            await asyncio.get_running_loop().run_in_executor(starter, _start_behind, process)
            self._process = process
            await self._connect(ours)
        except BaseException:
            ours.close()
            raise
        finally:
            starter.shutdown(wait=False)
            theirs.close()
        assert self._connection is not None
        for frame in self._frames:
            self._connection.transport.write(frame.data)

    async def _connect(self, ours: socket.socket) -> None:
        _, self._connection = await asyncio.get_running_loop().create_unix_connection(
            lambda: _Connection(self._said, self._lost), sock=ours
        )

    def _said(self, data: bytes) -> None:
        assert self._connection is not None
        try:
            verdicts = frames.verdicts.decode(data)
        except msgspec.MsgspecError:
            verdicts = None
        if verdicts is None or not self._frames or len(verdicts) != self._frames[0].count:
            self._connection.transport.abort()  # it is not what it was
            return
        self._frames.popleft().done(verdicts)

    def _lost(self) -> None:
        """Give back what it had, and have another one begun by what comes next."""
        process = self._process
        self._process = self._connection = None
        if self._closed:
            return
        self._broken_until = asyncio.get_running_loop().time() + PAUSE_S
        self._spawn(self._bury(process))
        if self._frames:
            first = self._frames.popleft()
            first.give_back([Verdict()] * first.count)  # it may be what has killed it
        self._let_go()

    def _let_go(self) -> None:
        left, self._frames = self._frames, deque()
        for frame in left:
            frame.give_back(None)

    async def _bury(self, process: BaseProcess | None) -> None:
        code = await self._reap(process)
        self._tell(f"the process that judges has ended ({code})")

    async def _reap(self, process: BaseProcess | None) -> int | None:
        """End a process, whatever it does; return its exit code."""
        if process is None:
            return None
        process.kill()
        await asyncio.to_thread(process.join)
        return process.exitcode

    def _look_after(self) -> None:
        """Give back what waits for long, and end a process that is stuck."""
        self._watch = None
        if not self._frames:
            return
        loop = asyncio.get_running_loop()
        waited_s = loop.time() - self._frames[0].asked
        if waited_s > STUCK_S and self._connection is not None:
            self._connection.transport.abort()
        elif waited_s > LATE_S:
            for frame in list(self._frames):
                frame.give_back(None)
        self._watch = loop.call_later(LATE_S, self._look_after)


def _start_behind(process: BaseProcess) -> None:
    """Start it with its imports behind the others: a thread hands down how it is scheduled."""
    if sys.platform == "linux":
        stay_behind()
    process.start()


class _Connection(asyncio.Protocol):
    """Takes frames apart."""

    transport: asyncio.Transport

    def __init__(self, said: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._said = said
        self._lost = lost
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it

    def data_received(self, data: bytes) -> None:
        held = self._data
        held += data
        while len(held) >= LENGTH and not self.transport.is_closing():
            end = LENGTH + int.from_bytes(held[:LENGTH], "big")
            if len(held) < end:
                return
            frame = bytes(held[LENGTH:end])
            del held[:end]
            self._said(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._lost()
