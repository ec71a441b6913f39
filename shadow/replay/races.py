"""`shadow races`: the same exchanges alone and at rising concurrency, for what only that brings."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from itertools import islice
from typing import Final

import msgspec

from shadow.captures import Broken, Unsupported, read
from shadow.errors import ConfigError, ShadowError, UnfinishedError
from shadow.masking import Hidden, Masker
from shadow.model import SIDES, Answer, Exchange, Observation, Outcome, SideName
from shadow.replay.asking import Asked, Asker, AskingPlan, NotAskedError
from shadow.replay.delivery import print_data
from shadow.replay.ledger import BrokenLines
from shadow.replay.options import Selection
from shadow.replay.replay import check_reachable
from shadow.replay.selection import skip_reason
from shadow.replay.stopping import Stop, heeding
from shadow.replay.telling import tell
from shadow.reports.races import render, render_json
from shadow.results.races import ALONE, Counts, Ended, LevelSummary, RacesSummary
from shadow.sending.loop import event_loop

MAX_EXCHANGES: Final = 20_000
"""Exchanges that are held in memory and asked; more are left out, and that is told."""
MAX_BYTES: Final = 256 << 20
"""Bytes of their bodies, and of the answers that the baseline's are compared with."""

Step = tuple[Exchange, Asked | NotAskedError]


class RacesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a search for races goes by."""

    asking: AskingPlan
    selection: Selection
    levels: tuple[int, ...]
    """Sessions in flight at once, rising; the first is 1, the control."""
    rounds: int
    """At each level; at least 2, for the baseline is compared with its own first answer alone."""
    seed: int
    max_time_s: float
    again: tuple[str, ...] = ()
    """The words of the command, for one that shows a finding again."""
    hidden: Hidden = Hidden()
    no_values: bool = False
    as_json: bool = False
    quiet: bool = False


class Picked(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions of the captures, and what is not asked of them."""

    sessions: tuple[tuple[Exchange, ...], ...]
    wanted: int
    skipped: dict[str, int]
    """By reason; `too-many` for what there was no room for."""


def races(plan: RacesPlan) -> int:
    """Ask, tell what concurrency brings, and return the exit code.

    Raises ShadowError; what was found before that is told first.
    """
    picked = pick(plan)
    targets = {"--go": plan.asking.baseline, "--rust": plan.asking.candidate}
    check_reachable(targets, plan.asking.limits)
    stop = Stop()
    with heeding(stop), asyncio.Runner(loop_factory=event_loop) as runner:
        hunt = Hunt(plan, picked, stop)
        summary = runner.run(hunt.run())
    if not plan.quiet and sys.stderr is not None:
        sys.stderr.write(render(summary))
        sys.stderr.flush()
    if plan.as_json:
        print_data(render_json(summary))
    if hunt.failure is not None and summary.ended == "failed":
        raise UnfinishedError(hunt.failure.message, hunt.failure.hint)
    return summary.exit_code


def pick(plan: RacesPlan) -> Picked:
    """Read what is to be asked, session by session. Raises CaptureError, ConfigError."""
    asking, told = plan.asking, BrokenLines(tell)
    sessions: dict[str | tuple[int], list[Exchange]] = {}
    skipped: dict[str, int] = {}
    wanted = count = held = 0
    for number, record in enumerate(read(asking.captures)):
        if number == plan.selection.limit:
            break
        if isinstance(record, Broken):
            told.broken(record)
            continue
        reason = _why_not(record, plan)
        kept = isinstance(record, Exchange) and (not reason or bool(asking.correlation))
        if kept and (count >= MAX_EXCHANGES or held > MAX_BYTES):
            kept, reason = False, "too-many"
        if reason:
            skipped[reason] = skipped.get(reason, 0) + 1
        if kept and isinstance(record, Exchange):
            exchange = record if asking.correlation else _without_answer(record)
            sessions.setdefault(exchange.session or (number,), []).append(exchange)
            wanted += not reason
            count += 1
            held += _size(exchange)
    if not wanted:
        hint = "--allow-writes" if skipped.get("write") else "choose others with --endpoint"
        raise ConfigError("there is no exchange to ask", hint)
    # A session of which nothing is wanted needs no place in the order.
    asked = [each for each in sessions.values() if any(not _why_not(one, plan) for one in each)]
    return Picked(sessions=tuple(map(tuple, asked)), wanted=wanted, skipped=skipped)


def _why_not(record: Exchange | Unsupported, plan: RacesPlan) -> str:
    """Why a record is not asked, or empty."""
    if isinstance(record, Unsupported):
        return "unsupported"
    request = record.request
    endpoint = plan.asking.endpoints.name(request.method, request.target)
    may_send = plan.asking.safety.may_send(request)
    return skip_reason(record, endpoint, plan.selection, may_send=may_send)


def _without_answer(exchange: Exchange) -> Exchange:
    """The exchange with the status of what was recorded, which tells a hollow one, and no more."""
    if exchange.response is None:
        return exchange
    bare = msgspec.structs.replace(exchange.response, body=b"", headers=())
    return msgspec.structs.replace(exchange, response=bare)


def _size(exchange: Exchange) -> int:
    recorded = 0 if exchange.response is None else len(exchange.response.body)
    return len(exchange.request.body) + recorded


class _Level:
    """What was done at one level."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.compared = self.incomparable = self.hollow = self.unsent = 0
        self._busy: dict[SideName, float] = {"baseline": 0.0, "candidate": 0.0}
        self._span: dict[SideName, float] = {"baseline": 0.0, "candidate": 0.0}

    def wave(self, steps: Sequence[Step]) -> None:
        """Measure how much of a wave was really in flight at once."""
        asked = [each for _, each in steps if isinstance(each, Asked)]
        for side in SIDES:
            times = [one.timing for one in (getattr(each, side) for each in asked) if one.timing]
            if times:
                self._busy[side] += sum(each.service_s for each in times)
                self._span[side] += max(t.done for t in times) - min(t.sent for t in times)

    def summary(self) -> LevelSummary:
        """As it is told."""
        flying = {side: self._busy[side] / (span or 1) for side, span in self._span.items()}
        return LevelSummary(
            level=self.level,
            compared=self.compared,
            incomparable=self.incomparable,
            hollow=self.hollow,
            unsent=self.unsent,
            in_flight_baseline=flying["baseline"],
            in_flight_candidate=flying["candidate"],
        )


async def _all_of(going: Sequence[AsyncGenerator[Step, None]]) -> list[Step | None]:
    """The next step of each; None from one that has ended.

    Raises what one of them raises, when all have ended theirs: one that goes on cannot be closed.
    """
    steps = await asyncio.gather(*(anext(each, None) for each in going), return_exceptions=True)
    found = []
    for each in steps:
        if isinstance(each, BaseException):
            raise each
        found.append(each)
    return found


class Hunt:
    """Asks the sessions in rounds: in each one alone, then at each level, always shuffled anew.

    The levels take turns, so that what changes with time is not taken for their doing.
    """

    def __init__(self, plan: RacesPlan, picked: Picked, stop: Stop) -> None:
        self._plan = plan
        self._picked = picked
        self._stop = stop
        self._masker = Masker(withhold=plan.no_values, hidden=plan.hidden)
        # More than there are sessions cannot be in flight.
        most = len(picked.sessions)
        self._levels = tuple(sorted({min(each, most) for each in plan.levels} | {ALONE}))
        self._told = {each: _Level(each) for each in self._levels}
        self._counts = Counts(self._levels, self._masker.mask_divergence)
        self._first: dict[int, Observation] = {}
        """By the exchange, what the baseline answered to it first, alone."""
        self._room = MAX_BYTES
        self._rounds_done = 0
        self.failure: ShadowError | None = None
        """What ended it early, such as a hook that failed, where something was compared before."""

    async def run(self) -> RacesSummary:
        """Ask until all rounds are done, the time is over, or a stop is requested.

        Raises ShadowError for what fails before anything was compared.
        """
        began = time.monotonic()
        self._until = began + self._plan.max_time_s
        if len(self._levels) > 1:
            try:
                async with Asker(self._plan.asking) as self._asker:
                    await self._rounds()
            except ShadowError as error:
                compared = any(each.compared for each in self._told.values())
                if not compared and not self._stop.requested:
                    raise
                self.failure = error
        return self._summary(time.monotonic() - began)

    async def _rounds(self) -> None:
        for number in range(self._plan.rounds):
            for level in self._levels:
                await self._pass(number, level)
            if self._ended() != "rounds":
                break
            self._rounds_done += 1
            if not self._plan.quiet:
                tell(f"round {number + 1} of {self._plan.rounds} done")

    def _ended(self) -> Ended:
        if self._stop.requested:
            return "interrupted"
        if self.failure is not None:
            return "failed"
        return "time" if time.monotonic() > self._until else "rounds"

    async def _pass(self, number: int, level: int) -> None:
        """Ask every session once, so many of them at a time, in waves: a request of each at once.

        In a wave all requests are sent before the first answer is looked at; else what is spent
        on judging one would keep the others from being in flight with it.
        """
        if self._ended() != "rounds":
            return
        if self._plan.asking.safety.allow_writes:
            await self._asker.reset()
        order = list(self._picked.sessions)
        random.Random(f"{self._plan.seed}:{number}:{level}").shuffle(order)  # noqa: S311 - an order, not a secret
        waiting = iter(order)
        async with contextlib.AsyncExitStack() as stack:
            going: list[AsyncGenerator[Step, None]] = []
            while self._ended() == "rounds":
                begun = [self._steps(each) for each in islice(waiting, level - len(going))]
                for steps_of_one in begun:
                    stack.push_async_callback(steps_of_one.aclose)
                going += begun
                if not going:
                    break
                steps = await _all_of(going)
                going = [one for one, step in zip(going, steps, strict=True) if step is not None]
                await self._take(level, [each for each in steps if each is not None])

    def _steps(self, session: Sequence[Exchange]) -> AsyncGenerator[Step, None]:
        return self._asker.each(session, lambda each: not _why_not(each, self._plan))

    async def _take(self, level: int, steps: Sequence[Step]) -> None:
        """Count what came of a wave."""
        told = self._told[level]
        told.wave(steps)
        for exchange, asked in steps:
            if isinstance(asked, NotAskedError):
                told.unsent += 1
                continue
            await self._count_baseline(level, exchange, asked)
            if asked.judgement.outcome == Outcome.INCOMPARABLE:
                told.incomparable += 1
            elif asked.judgement.hollow:
                told.hollow += 1
            else:
                told.compared += 1
                self._count("candidate", level, exchange, asked)

    async def _count_baseline(self, level: int, exchange: Exchange, asked: Asked) -> None:
        """Compare the baseline's answer with its own first one alone; keep it, if it is that."""
        key = id(exchange)  # held by the sessions as long as this is
        first = self._first.get(key)
        if first is not None:
            own = await self._asker.compare(exchange, first, asked.baseline)
            if own.judgement.outcome != Outcome.INCOMPARABLE:
                self._count("baseline", level, exchange, own)
        elif level == ALONE and isinstance(asked.baseline, Answer):
            size = len(asked.baseline.response.body)
            if size <= self._room:
                self._room -= size
                self._first[key] = asked.baseline

    def _count(self, side: SideName, level: int, exchange: Exchange, asked: Asked) -> None:
        endpoint = self._masker.mask_endpoint(asked.endpoint)
        divergent = [each for each in asked.judgement.divergences if each.verdict == "divergent"]
        self._counts.add(side, endpoint, level, exchange.id, divergent)

    def _summary(self, duration_s: float) -> RacesSummary:
        plan = self._plan
        return RacesSummary(
            baseline=plan.asking.baseline.name,
            candidate=plan.asking.candidate.name,
            exchanges=self._picked.wanted,
            sessions=len(self._picked.sessions),
            skipped=self._picked.skipped,
            rounds=plan.rounds,
            rounds_done=self._rounds_done,
            seed=plan.seed,
            ended=self._ended() if self._rounds_done < plan.rounds else "rounds",
            duration_s=duration_s,
            levels=tuple(each.summary() for each in self._told.values()),
            found=self._counts.found(max(1, self._rounds_done)),
            again=plan.again,
            failure="" if self.failure is None else self.failure.message,
        )
