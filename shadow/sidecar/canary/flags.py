"""The flags of a canary, in a file that is watched; `flagd` says what is in it."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from shadow.reports.text import plain
from shadow.sidecar.canary.flagd import BadFlags, Flags, clipped
from shadow.sidecar.canary.routing import RouteFlags

POLL_S: Final = 0.2
"""Seconds between two looks at the file."""
MAX_BYTES: Final = 1 << 20
MAX_ROUTES: Final = 5_000
"""Routes whose flags are kept; when there are more, they are found anew."""
MAX_TOLD: Final = 16
"""Lines about the rules of one version of the file."""

SAFE: Final = RouteFlags(rust_enabled=False, rust_percent=0.0, shadow_sample=1.0)
"""What holds while no file could be read: everything is served by Go."""


class FlagFile:
    """The flags as a file has them now, or had them when it last was right.

    `tell` is told in one line what is wrong with the file, once for each change of it.
    """

    def __init__(self, path: str | Path, *, tell: Callable[[str], None]) -> None:
        """Read the file at once; what is wrong with it is told, not raised."""
        self.path = str(path)
        self.generation = 0
        """Versions of the file that were in force; 0 while none could be."""
        self.loaded_at: float | None = None
        """When the flags in force were read, in seconds since 1970."""
        self.error = ""
        """What is wrong with the file as it is now; empty when nothing is."""
        self._tell = tell
        self._seen: _Look | None = None
        self._flags: Flags | None = None
        self._routes: dict[str, RouteFlags] = {}
        self._told: set[str] = set()
        self._read()

    def current(self, route: str) -> RouteFlags:
        """Return the flags of a route: an endpoint's name, or `*` for all."""
        return self._routes.get(route) or self._find(route)

    async def watch(self) -> None:
        """Look at the file every POLL_S until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            self.poll()

    def poll(self) -> None:
        """Look at the file once. It is compared by its bytes: a time stamp may stay the same."""
        if self._flags is not None and self._flags.timed:
            self._routes.clear()
        self._read()

    def _read(self) -> None:
        """Take the file if it has changed and can be taken."""
        look = _look_at(self.path)
        if look == self._seen:
            return
        self._seen = look
        try:
            flags = look.taken()
        except BadFlags as problem:
            self.error = f"{plain(self.path)}: {problem}"
            kept = "the flags from before hold" if self._flags else "all is served by Go"
            self._tell(f"{self.error}; {kept}")
            return
        self._flags, self._routes, self._told = flags, {}, set()
        self.generation += 1
        self.loaded_at = time.time()
        self.error = ""
        for remark in flags.remarks:
            self._tell(f"{plain(self.path)}: {remark}")

    def _find(self, route: str) -> RouteFlags:
        if self._flags is None:
            return SAFE
        found, problems = self._flags.of(route)
        for problem in problems:
            self._warn(problem, route)
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[route] = found
        return found

    def _warn(self, problem: str, route: str) -> None:
        """Tell a problem of a rule with the first route that has it."""
        if problem in self._told or len(self._told) >= MAX_TOLD:
            return
        self._told.add(problem)
        self.error = self.error or f"{plain(self.path)}: {problem}"
        self._tell(f"{plain(self.path)}: {problem} (first for {clipped(route)})")


class _Look(NamedTuple):
    """What was found at the path: bytes, or why there are none."""

    content: bytes = b""
    problem: str = ""

    def taken(self) -> Flags:
        """Return the flags in it. Raises BadFlags."""
        if self.problem:
            raise BadFlags(self.problem)
        return Flags(self.content)


def _look_at(path: str) -> _Look:
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would never open.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        return _Look(problem=f"cannot be read: {error.strerror}")
    except ValueError as error:  # a path with a zero byte
        return _Look(problem=f"is not a path: {error}")
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return _Look(problem="is not a regular file")
        content = b""
        while more := os.read(file, MAX_BYTES + 1 - len(content)):
            content += more
    except OSError as error:
        return _Look(problem=f"cannot be read: {error.strerror}")
    finally:
        os.close(file)
    if len(content) > MAX_BYTES:
        return _Look(problem=f"has more than {MAX_BYTES:,} bytes")
    return _Look(content)
