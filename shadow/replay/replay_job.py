"""A replay as one process does it: both services driven with a share of the capture."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from shadow.captures import Share
from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy
from shadow.judging import Judging
from shadow.replay.abort import AbortGuard, AbortLimits
from shadow.replay.control import Control
from shadow.replay.cursor import Cursor
from shadow.replay.hooks import Hooks
from shadow.replay.keeper import Keeper
from shadow.replay.ledger import Ledger
from shadow.replay.loop.engine import Engine
from shadow.replay.options import Correlation, ReplayOptions, ReplayPlan
from shadow.replay.reading import Readable, beginning, records
from shadow.replay.state import Prober
from shadow.replay.stopping import Stop, heeding
from shadow.sending.choice import open_service
from shadow.sending.loop import event_loop
from shadow.sessions.live import Correlator
from shadow.sessions.rules import Rules
from shadow.sessions.shifting import Shifts


class ReplayJob(msgspec.Struct, frozen=True, kw_only=True):
    """A replay as one process does it."""

    plan: ReplayPlan
    noise: NoiseProfile
    opened: Iterator[Readable] | None = None
    """The records, where one process does all of it: a pipe is opened once."""

    @property
    def policy(self) -> Policy:
        """What is judged by."""
        return self.plan.policy

    def work(self, ledger: Ledger, share: Share, stop: Stop) -> None:
        """Send a share of the capture to both sides."""
        plan = msgspec.structs.replace(
            self.plan,
            options=_of_share(self.plan, share, ledger.cursor),
            abort=_limits_of_share(self.plan.abort, share),
        )
        found = self.opened or records(plan.captures, share, plan.selection.limit)
        hooks = Hooks(plan.hooks, ledger.hook_log())
        with heeding(stop), asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(drive(plan, found, ledger, noise=self.noise, stop=stop, hooks=hooks))


def _limits_of_share(limits: AbortLimits, share: Share) -> AbortLimits:
    """The limits of one process: its part of a number, the same share and time."""
    if limits.max_errors is None:
        return limits
    return msgspec.structs.replace(limits, max_errors=limits.max_errors // share.of)


def _of_share(plan: ReplayPlan, share: Share, done: Cursor) -> ReplayOptions:
    """The options of one process: its part of what the processes do together.

    A process that goes on after another one begins the timeline where the other one ended.
    """
    options = plan.options
    if share.of == 1:
        return options
    fresh = done.at_start
    paced = options.speed is not None
    return msgspec.structs.replace(
        options,
        concurrency=math.ceil(options.concurrency / share.of),
        rate=None if options.rate is None else options.rate / share.of,
        ceiling=None if options.ceiling is None else options.ceiling / share.of,
        delay_s=0.0 if options.rate is None else share.index / options.rate,
        origin=beginning(plan.captures) if paced and fresh else None,
        seed=options.seed + share.index,
    )


async def drive(
    plan: ReplayPlan,
    found: Iterator[Readable],
    keeper: Keeper,
    *,
    noise: NoiseProfile,
    stop: Stop,
    hooks: Hooks | None = None,
) -> None:
    """Send all records to both sides; returns early once `stop` is requested.

    What is learned of the baseline's noise goes into `noise`.
    """
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        candidate = await enter(open_service(plan.candidate, plan.limits))
        baseline = None
        if plan.baseline is not None:
            baseline = await enter(open_service(plan.baseline, plan.limits))
        again = baseline if plan.noise.twice else None
        if plan.secondary is not None:
            again = await enter(open_service(plan.secondary, plan.limits))
        control = None
        if again is not None:
            own = plan.secondary is not None
            control = Control(again, plan.noise, plan.options.seed, own=own)
        correlator = None
        if plan.correlation:
            shifts = shifts_of(plan.correlation, plan.captures)
            correlator = correlator_of(plan.correlation, shifts)
        prober = None
        if plan.probes.probes and baseline is not None:
            prober = Prober(plan.probes, (baseline, candidate), correlator)
        engine = Engine(
            baseline=baseline,
            candidate=candidate,
            control=control,
            endpoints=plan.endpoints,
            safety=plan.safety,
            judging=await enter(Judging(plan.policy, noise)),
            selection=plan.selection,
            options=plan.options,
            keeper=keeper,
            guard=_guard(plan),
            correlator=correlator,
            prober=prober,
            hooks=hooks,
            late=any(each is not None and each.auth for each in (plan.baseline, plan.candidate)),
        )
        loop = asyncio.get_running_loop()
        stop.then(partial(_stop, loop, engine))
        await engine.run(found)


def shifts_of(correlation: Correlation, captures: Sequence[str]) -> Shifts | None:
    """What moves times from the beginning of the captures to now; None where none are moved."""
    if not correlation.shifts:
        return None
    origin = beginning(captures)
    by = datetime.now(UTC) - origin if origin is not None else timedelta()
    return Shifts(correlation.shifts, by)


def correlator_of(correlation: Correlation, shifts: Shifts | None) -> Correlator:
    """What puts each side's own values into requests."""
    return Correlator(Rules(correlation.rules), cookies=correlation.cookies, shifts=shifts)


def _guard(plan: ReplayPlan) -> AbortGuard | None:
    if not plan.abort.any():
        return None
    baseline = None if plan.baseline is None else plan.baseline.name
    return AbortGuard(plan.abort, (baseline, plan.candidate.name))


def _stop(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(engine.stop)
