"""Whether a run goes on: its tasks, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Work = Callable[..., Coroutine[Any, Any, None]]


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    """The first error of a group, however deep."""
    first: BaseException = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class Running:
    """The tasks of a run, and its end: one that is reached, or the first error of a task.

    A callback has nobody to raise to, and calls `fail`.
    """

    ended: asyncio.Future[None]
    """There once the run has begun, done when it has ended."""

    def __init__(self) -> None:
        self.stopping = False
        """Nothing more is sent; what is in flight ends."""

    async def run(self, begin: Callable[[], None], beside: Work) -> None:
        """Begin, and return at the end; what is done `beside` it is cancelled then.

        Raises the error that ended it.
        """
        self.ended = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                task = group.create_task(self._watched(beside))
                begin()
                await self.ended
                task.cancel()
        except* Exception as errors:  # noqa: BLE001 - whatever it is, its own message says more
            raise _first(errors) from None

    def spawn(self, work: Work, *given: Any) -> None:
        """Do some work in a task of its own."""
        self._group.create_task(self._watched(work, *given))

    async def _watched(self, work: Work, *given: Any) -> None:
        """Do the work of a task; what goes wrong in it ends the run, and `run` raises it."""
        try:
            await work(*given)
        except Exception as error:  # noqa: BLE001 - as it says
            self.fail(error)

    def end(self) -> None:
        """All is done."""
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the run, which raises the error."""
        if not self.ended.done():
            self.ended.set_exception(error)
