"""A process beside the event loop that judges pairs, so that clients need not wait for it.

It is there from the beginning, or begins with the first pairs. One that dies is replaced, and
asked again what it has not answered; of what kills it twice it is said that nothing is known.
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
"""That pairs may wait for it: it is being replaced, or gets nothing of its core."""
STUCK_S: Final = 30.0
"""A process that answers nothing for so long is ended; a frame takes some milliseconds."""
TRIES: Final = 2
"""Processes that may die of one frame before it is let go."""
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


class _Frame:
    __slots__ = ("asked", "done", "pairs", "tries")

    def __init__(self, pairs: Sequence[Pair], done: Done, asked: float) -> None:
        self.pairs = pairs
        self.done = done
        self.asked = asked
        """When, on the loop's clock."""
        self.tries = 0
        """Processes that have died of it, maybe."""


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
        await self._reap()

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

        `done` gets as many verdicts, or None where nobody has looked at them. Raises
        UnicodeEncodeError for pairs that cannot be sent.
        """
        data = frames.framed(Asked(self._learned, pairs))
        self._learned = []
        self._frames.append(_Frame(pairs, done, asyncio.get_running_loop().time()))
        if self._connection is not None:
            self._connection.transport.write(data)
        elif not self._is_starting:
            self._is_starting = True
            self._spawn(self._start())
        if self._watch is None:
            self._look_after()

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
            await self._reap()
            left, self._frames = self._frames, deque()
            for frame in left:
                frame.done(None)
            return
        finally:
            self._is_starting = False
        if self._closed and self._connection is not None:
            self._connection.transport.abort()
            await self._reap()

    async def _begin(self) -> None:
        begun, self._learned = self._begun(), []  # it knows all of that
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
        for frame in self._frames:  # what they told of the noise is known, too
            self._connection.transport.write(frames.framed(Asked((), frame.pairs)))

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
        if verdicts is None or not self._frames or len(verdicts) != len(self._frames[0].pairs):
            self._connection.transport.abort()  # it is not what it was
            return
        self._frames.popleft().done(verdicts)

    def _lost(self) -> None:
        self._connection = None
        if not self._closed:
            self._is_starting = True
            self._spawn(self._replace())

    async def _replace(self) -> None:
        """Begin another one, if there is something to judge; a frame that kills it is let go."""
        code = await self._reap()
        self._tell(f"the process that judges has ended ({code})")
        if self._frames:
            first = self._frames[0]
            first.tries += 1
            if first.tries >= TRIES:
                self._frames.popleft()
                first.done([Verdict()] * len(first.pairs))
        await asyncio.sleep(PAUSE_S)
        if self._frames and not self._closed:
            await self._start()
        else:
            self._is_starting = False

    async def _reap(self) -> int | None:
        """End the process, whatever it does; return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        await asyncio.to_thread(process.join)
        return process.exitcode

    def _look_after(self) -> None:
        """End the process if it is stuck with what it is doing now."""
        self._watch = None
        if self._frames:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(STUCK_S, self._end_if_stuck, self._frames[0])

    def _end_if_stuck(self, first: _Frame) -> None:
        if self._frames and self._frames[0] is first and self._connection is not None:
            self._connection.transport.abort()
        self._look_after()


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
