"""`shadow replay`: both services probed, then driven with a capture."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Mapping

import msgspec

from shadow.captures import Record, read
from shadow.compare.noise import NoiseProfile
from shadow.errors import UnfinishedError
from shadow.model import Observation, Request
from shadow.replay.conduct import Judged, conduct
from shadow.replay.delivery import Output, print_data
from shadow.replay.dry_run import DryRun
from shadow.replay.engine import Control, Engine, Keeper
from shadow.replay.ledger import Ledger
from shadow.replay.options import ReplayPlan
from shadow.replay.progress import tell
from shadow.sending.limits import Limits
from shadow.sending.probe import probe
from shadow.sending.rewrite import render
from shadow.sending.target import Target
from shadow.sending.wire import Wire


class WireService:
    """One side, over the wire transport."""

    def __init__(self, target: Target, limits: Limits) -> None:
        self._target = target
        self.wire = Wire(target, limits=limits)

    def render(self, request: Request) -> bytes:
        """The bytes to send. Raises Unsendable."""
        return render(request, self._target)

    async def send(
        self, message: bytes, *, method: str, safe: bool, due: float | None
    ) -> Observation:
        """Send, and wait for the answer or for what came instead."""
        return await self.wire.send(message, method=method, safe=safe, due=due)


def replay(plan: ReplayPlan, output: Output) -> int:
    """Replay the captures, keep the outcomes, and return the exit code.

    Raises UnfinishedError where a target is unreachable.
    """
    if plan.dry_run:
        print_data(DryRun(plan).run())
        return 0
    records = read(plan.captures)
    targets = {"--go": plan.baseline, "--rust": plan.candidate, "--secondary": plan.secondary}
    check_reachable(targets, plan.limits)
    noise = plan.noise.profile or NoiseProfile()
    plan = msgspec.structs.replace(plan, noise=msgspec.structs.replace(plan.noise, profile=noise))

    def work(ledger: Ledger) -> None:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(drive(plan, records, ledger))

    judged = Judged(policy=plan.policy, noise=noise)
    return conduct(plan.info, output, work, judged, total=plan.selection.limit)


async def drive(plan: ReplayPlan, records: Iterator[Record], keeper: Keeper) -> None:
    """Send all records to both sides. Raises KeyboardInterrupt when stopped by a signal.

    What is learned of the baseline's noise goes into `plan.noise.profile`.
    """
    async with contextlib.AsyncExitStack() as stack:
        candidate = WireService(plan.candidate, plan.limits)
        await stack.enter_async_context(candidate.wire)
        baseline = WireService(plan.baseline, plan.limits) if plan.baseline else None
        if baseline is not None:
            await stack.enter_async_context(baseline.wire)
        again = baseline if plan.noise.twice else None
        if plan.secondary is not None:
            again = WireService(plan.secondary, plan.limits)
            await stack.enter_async_context(again.wire)
        asks = plan.noise if again else msgspec.structs.replace(plan.noise, sample=0.0, first=0)
        engine = Engine(
            baseline=baseline,
            candidate=candidate,
            control=Control(
                again or candidate, asks, plan.options.seed, own=plan.secondary is not None
            ),
            endpoints=plan.endpoints,
            safety=plan.safety,
            policy=plan.policy,
            selection=plan.selection,
            options=plan.options,
            keeper=keeper,
        )
        with _interruptible(engine) as interrupted:
            await engine.run(records)
    if interrupted.is_set():
        raise KeyboardInterrupt


def event_loop() -> asyncio.AbstractEventLoop:
    """A new loop: uvloop's where there is one."""
    try:
        import uvloop  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def check_reachable(targets: Mapping[str, Target | None], limits: Limits) -> None:
    """Notice a dead target before the first request. Raises UnfinishedError naming it.

    `targets` goes by the option that says where each is.
    """
    for option, target in targets.items():
        failure = asyncio.run(probe(target, limits)) if target is not None else None
        if target is not None and failure is not None:
            raise UnfinishedError(
                f"{target.name} does not answer at {target.url}: {failure.kind}: {failure.detail}",
                f"start it, or point {option} at where it listens",
            )


@contextlib.contextmanager
def _interruptible(engine: Engine) -> Iterator[asyncio.Event]:
    """The first SIGINT or SIGTERM ends the run in order; a second one ends it at once."""
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()

    def stop() -> None:
        interrupted.set()
        engine.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        tell("ending when what is in flight has ended; interrupt again to end at once")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield interrupted
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
