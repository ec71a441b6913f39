"""A command of the operator, run with a limit in time and in what is kept of its output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from shadow.errors import ConfigError

MAX_OUTPUT: Final = 64 * 1024
"""Bytes of output that are kept: the last ones."""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended."""

    code: int | None
    """Exit code; None where it took too long and was killed."""
    text: str


async def output_of(
    command: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    separate: bool = False,
) -> Output:
    """Run a command without a shell and return what it printed.

    What goes to stderr is dropped with `separate`. Raises ConfigError where it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL if separate else asyncio.subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # so that its children end with it
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a command"
        raise ConfigError(f"cannot run {command[0]!a}: {reason}", "check its path") from None
    kept = bytearray()
    code = None
    try:
        async with asyncio.timeout(timeout_s):
            assert process.stdout is not None
            while piece := await process.stdout.read(MAX_OUTPUT):
                kept = (kept + piece)[-MAX_OUTPUT:]
            code = await process.wait()
    except TimeoutError:
        pass
    finally:
        if code is None:  # it may have ended, and a child of it hold its output
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # What left its group may hold the pipe still, and `wait` would wait for that; nothing
            # public lets go of it.
            process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001
            await process.wait()
    return Output(code=code, text=kept.decode("utf-8", "replace"))
