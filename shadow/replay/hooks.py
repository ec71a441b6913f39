"""What is done to both services around a run: reset, before_run, before_session, after_run."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from shadow.errors import UnfinishedError
from shadow.masking import Masker
from shadow.model import NoAnswer, Request
from shadow.replay.telling import tell
from shadow.reports.text import plain
from shadow.results.store import Store
from shadow.sending.choice import open_service
from shadow.sending.commands import output_of
from shadow.sending.limits import Limits
from shadow.sending.rewrite import Unsendable
from shadow.sending.target import Target

Moment = Literal["reset", "before_run", "before_session", "after_run"]
MAX_LOG: Final = 1 << 20
"""Bytes of a run's log of hooks; what comes later is told to be missing."""
_SHOWN: Final = 300


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do: a request to the target, or a command."""

    request: tuple[str, str] | None = None
    """Method and target."""
    command: tuple[str, ...] = ()


class SideHooks(msgspec.Struct, frozen=True, kw_only=True):
    """The hooks of one side."""

    target: Target
    hooks: dict[Moment, Hook] = {}
    timeout_s: float = 30.0


class HookLog:
    """Keeps what hooks printed and answered, masked, in a file beside the events."""

    def __init__(self, path: str | None, masker: Masker) -> None:
        """Write to this file; nowhere for None."""
        self._path = path
        self._masker = masker

    def write(self, title: str, text: str) -> None:
        """Add what one hook said. Raises UnfinishedError."""
        if self._path is None:
            return
        if self._masker.withhold:
            text = ""
        said = "".join(
            f"  {plain(self._masker.mask_and_cut(line, 1000))}\n" for line in text.splitlines()
        )
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with open(descriptor, "ab") as file:  # noqa: PTH123 - a descriptor
                room = MAX_LOG - file.tell()
                entry = f"{title}\n{said}".encode("utf-8", "replace")
                if room > 0:
                    file.write(entry if len(entry) <= room else b"(the log is full)\n")
        except OSError as error:
            raise UnfinishedError(
                f"cannot write {self._path}: {error.strerror}", "see that there is room"
            ) from None


def hook_log_path(store: Store, run_id: str) -> str:
    """The log of a run's hooks: beside the store."""
    return str(store.events_path(run_id).with_name(f"{run_id}.hooks.log"))


class Hooks:
    """Does what is to be done at a moment, on both sides at once."""

    def __init__(self, sides: Sequence[SideHooks], log: HookLog) -> None:
        self._sides = tuple(sides)
        self._log = log

    def has(self, moment: Moment) -> bool:
        """Whether anything is to be done at a moment."""
        return any(moment in side.hooks for side in self._sides)

    def lacking(self, moment: Moment) -> list[str]:
        """The names of the targets without a hook for a moment."""
        return [side.target.name for side in self._sides if moment not in side.hooks]

    async def run(self, moment: Moment, *, session: str = "") -> None:
        """Do it. Raises UnfinishedError that names hook and target where one fails."""
        await asyncio.gather(
            *(self._one(side, moment, session) for side in self._sides if moment in side.hooks)
        )

    async def _one(self, side: SideHooks, moment: Moment, session: str) -> None:
        hook, name = side.hooks[moment], f"{moment} of {side.target.name}"
        if hook.request is not None:
            said, fault = await self._ask(side, hook.request)
        else:
            said, fault = await self._command(side, hook.command, moment, session)
        self._log.write(name, said)
        if fault:
            raise UnfinishedError(f"hook {name}: {fault}", "mend it, or see what the target says")

    async def _ask(self, side: SideHooks, request: tuple[str, str]) -> tuple[str, str]:
        method, target = request
        asked = Request(method=method, target=target, headers=(("Content-Length", "0"),))
        limits = Limits(connections=1, timeout_s=side.timeout_s)
        async with open_service(side.target, limits) as service:
            try:
                message = service.render(asked)
            except Unsendable as unsendable:
                fault = f"{method} {target} cannot be sent: {unsendable.detail}"
                return fault, fault
            found = await service.send(message, method=method, safe=False)
        if isinstance(found, NoAnswer):
            return (
                f"{method} {target}: {found.kind}",
                f"{method} {target} got no answer: {found.kind}",
            )
        status = found.response.status
        body = found.response.body[:_SHOWN].decode("utf-8", "replace")
        said = f"{method} {target}: {status}\n{body}"
        return said, "" if status < 300 else f"{method} {target} was answered {status}"

    async def _command(
        self, side: SideHooks, command: Sequence[str], moment: Moment, session: str
    ) -> tuple[str, str]:
        environment: Mapping[str, str] = {
            "SHADOW_HOOK": moment,
            "SHADOW_SIDE": side.target.side,
            "SHADOW_TARGET": side.target.url,
            "SHADOW_SESSION": session,
        }
        done = await output_of(command, timeout_s=side.timeout_s, environment=environment)
        if done.code is None:
            return done.text, f"{command[0]} took more than {side.timeout_s:g} s"
        return done.text, f"{command[0]} ended with exit code {done.code}" if done.code else ""


@contextlib.contextmanager
def around(hooks: Hooks, *, writes: bool, resumed: bool, quiet: bool = False) -> Iterator[None]:
    """Do what is to be done before and after a run; one that has sent something had its before.

    A run that sends writes and has no reset says so, unless `quiet`. Raises UnfinishedError
    where a hook fails.
    """
    if not resumed:
        if writes:
            lacking = hooks.lacking("reset")
            if lacking and not quiet:
                tell(
                    f"writes are sent, and no reset is given for {' and '.join(lacking)}: what is"
                    " there from earlier runs stays (reset under [targets.*.hooks])"
                )
            asyncio.run(hooks.run("reset"))
        asyncio.run(hooks.run("before_run"))
    try:
        yield
    finally:
        asyncio.run(hooks.run("after_run"))
