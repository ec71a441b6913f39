"""`shadow races`: the same exchanges alone and at rising concurrency, shuffled by a seed."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from shadow.captures import Broken, read
from shadow.errors import ConfigError
from shadow.judge import judge
from shadow.masking import NOTHING_MORE, Hidden, Masker
from shadow.model import Answer, Exchange, Judgement, Observation
from shadow.replay.asking import Asked, Asker, AskingPlan, NotAskedError
from shadow.replay.delivery import print_data
from shadow.replay.ledger import BrokenLines
from shadow.replay.options import Selection
from shadow.replay.replay import check_reachable
from shadow.replay.selection import left_out
from shadow.replay.stopping import Stop, heeding
from shadow.replay.telling import tell
from shadow.reports.races import RacesSummary, render, render_json
from shadow.results.races import Between, RaceCounts
from shadow.sending.loop import event_loop

MAX_EXCHANGES: Final = 2_000
"""Of a capture; those that come later are told to be left out."""
_REMEMBERED: Final = 64 << 20
"""Bytes of the baseline's answers that are kept to compare later ones with."""
INTERRUPTED: Final = 130
INCONCLUSIVE: Final = 3

Line = tuple[Exchange, ...]
"""The exchanges of a session, in their order."""


class RacesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `shadow races` goes by."""

    asking: AskingPlan
    captures: tuple[str, ...]
    selection: Selection
    levels: tuple[int, ...]
    """Exchanges in flight, from one upward."""
    rounds: int
    max_time_s: float
    as_json: bool = False
    hidden: Hidden = NOTHING_MORE


def races(plan: RacesPlan) -> int:
    """Ask, tell what concurrency brings, and return the exit code. Raises ShadowError."""
    lines, left = _lines(plan)
    targets = {"--go": plan.asking.baseline, "--rust": plan.asking.candidate}
    check_reachable(targets, plan.asking.limits)
    hunt, stop = Hunt(plan, lines), Stop()
    with heeding(stop), asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(hunt.run(stop))
    summary = hunt.summary(left, interrupted=stop.requested)
    if sys.stderr is not None:
        sys.stderr.write(render(summary))
    if plan.as_json:
        print_data(render_json(summary))
    return summary.exit_code


def _lines(plan: RacesPlan) -> tuple[list[Line], int]:
    """What is asked, by session, and how many exchanges are left out."""
    asking, told = plan.asking, BrokenLines(tell)
    lines: dict[str, list[Exchange]] = {}
    count = left = 0
    for record in read(plan.captures):
        if isinstance(record, Broken):
            told.broken(record)
        if not isinstance(record, Exchange):
            continue
        request = record.request
        endpoint = asking.endpoints.name(request.method, request.target)
        if left_out(record, endpoint, plan.selection) or not asking.safety.may_send(request):
            continue
        if count >= (plan.selection.limit or MAX_EXCHANGES):
            left += 1
            continue
        lines.setdefault(record.session or f"\0{count}", []).append(record)
        count += 1
    if not lines:
        raise ConfigError(
            "there is no exchange to ask", "reads are asked alone: list them, or --allow-writes"
        )
    return [tuple(line) for line in lines.values()], left


class Hunt:
    """Asks every line at every level, and counts what differs."""

    def __init__(self, plan: RacesPlan, lines: Sequence[Line]) -> None:
        self._plan = plan
        self._lines = lines
        self._masker = Masker(hidden=plan.hidden)
        self.counts = RaceCounts(plan.levels)
        self._alone: dict[str, Observation] = {}
        """What the baseline answered at first, when alone, by the exchange's id."""
        self._room = _REMEMBERED
        self._not_asked = 0
        self._began = time.monotonic()
        self._over = False

    async def run(self, stop: Stop) -> None:
        """Ask until all is asked, the time is over, or a stop is requested."""
        async with Asker(self._plan.asking) as asker:
            for level in self._plan.levels:
                for number in range(self._plan.rounds):
                    await self._round(asker, level, number, stop)

    async def _round(self, asker: Asker, level: int, number: int, stop: Stop) -> None:
        """All lines once, so many at a time, in the order that the seed gives."""
        shuffled = list(self._lines)
        seed = f"{self._plan.selection.seed}:{level}:{number}"
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
        waiting = deque(shuffled)

        async def work() -> None:
            while waiting and not stop.requested and not self._late():
                await self._line(asker, waiting.popleft(), level)

        async with asyncio.TaskGroup() as group:
            for _ in range(level):
                group.create_task(work())

    def _late(self) -> bool:
        self._over = self._over or time.monotonic() - self._began > self._plan.max_time_s
        return self._over

    async def _line(self, asker: Asker, line: Line, level: int) -> None:
        try:
            async for exchange, asked in asker.session(line):
                self._count(exchange, asked, level)
        except NotAskedError:
            self._not_asked += 1

    def _count(self, exchange: Exchange, asked: Asked, level: int) -> None:
        self._add("both", level, asked.endpoint, asked.judgement)
        before = self._alone.get(exchange.id)
        if before is not None:
            own = judge(exchange, asked.endpoint, before, asked.baseline, self._plan.asking.policy)
            self._add("baseline", level, asked.endpoint, own)
        elif level == self._plan.levels[0] and isinstance(asked.baseline, Answer):
            self._room -= len(asked.baseline.response.body) + 1_000
            if self._room > 0:
                self._alone[exchange.id] = asked.baseline

    def _add(self, between: Between, level: int, endpoint: str, judgement: Judgement) -> None:
        mask = self._masker.mask_divergence
        divergent = [mask(each) for each in judgement.divergences if each.verdict == "divergent"]
        self.counts.add(between, level, self._masker.mask_endpoint(endpoint), divergent)

    def summary(self, left: int, *, interrupted: bool) -> RacesSummary:
        """What came of it."""
        found = self.counts.races()
        needed = self.counts.rounds_needed(self._plan.rounds)
        code = 1 if found else INCONCLUSIVE if needed else 0
        return RacesSummary(
            captures=self._plan.captures,
            names=(self._plan.asking.baseline.name, self._plan.asking.candidate.name),
            seed=self._plan.selection.seed,
            levels=self._plan.levels,
            rounds=self._plan.rounds,
            asked=self.counts.asked,
            not_asked=self._not_asked,
            left_out=left,
            out_of_time=self._over,
            rounds_needed=needed,
            races=tuple(found),
            duration_s=time.monotonic() - self._began,
            exit_code=INTERRUPTED if interrupted else code,
        )
