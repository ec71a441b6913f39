"""The loop of `shadow fuzz`: seeds as they are, then mutations of them, and what is new kept."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import msgspec

from shadow.fuzzing.findings import Death, Ended, Found, FuzzSummary
from shadow.fuzzing.mutating import Mutant, mutant
from shadow.fuzzing.seeds import request_digest
from shadow.masking import NOTHING_MORE, Hidden, Masker
from shadow.minimise import Budget, minimised
from shadow.model import Answer, Divergence, Exchange, Observation, Outcome, Request, readable
from shadow.replay.asking import Asked, Asker, AskingPlan, NotAskedError
from shadow.replay.fuzz_files import Findings, State, write_state
from shadow.replay.pulse import Pulse
from shadow.replay.stopping import Stop
from shadow.results.cautions import MAX_HOLLOW, MAX_INCOMPARABLE

AGAIN: Final = 2
"""How often a request is asked again before what it shows counts."""
MAX_FINDINGS: Final = 1_000
SAVE_EVERY: Final = 200
"""Positions from one writing of the state to the next, where nothing is found."""
BARREN: Final = 1_000
"""Positions in a row without a request that was not asked before."""
MAX_RECORDED: Final = 1 << 20
"""Bytes of an answer that are written with a finding; a longer one is left out."""
INTERRUPTED: Final = 130
UNFINISHED: Final = 4
_TARGET: Final = 300

Groups = Sequence[Sequence[Exchange]]
"""The seeds by endpoint."""
T = TypeVar("T")
_FOR_EACH: Final = Budget(requests=200, seconds=20)
"""What making the request of one finding smaller may cost."""


class FuzzPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that fuzzing goes by."""

    asking: AskingPlan
    captures: tuple[str, ...] = ()
    described: tuple[Request, ...] = ()
    """One for each operation of an OpenAPI document; a seed where the captures have none."""
    seed: int = 0
    max_requests: int = 2_000
    max_time_s: float = 60.0
    concurrency: int = 8
    minimise: bool = True
    out: str
    state: str
    resume: bool = False
    as_json: bool = False
    hidden: Hidden = NOTHING_MORE
    """What is masked besides credentials."""


async def smallest(exchange: Exchange, shows: Callable[[Exchange], Awaitable[bool]]) -> Exchange:
    """Return the smallest request that shows what this one does, within a small budget."""
    found = await minimised([exchange], lambda session: shows(session[-1]), _FOR_EACH)
    return found.session[-1]


class _EndedError(Exception):
    """Nothing more can be asked."""


class Fuzzer:
    """One round: the seeds as they are, then mutations of them, position by position."""

    def __init__(
        self, plan: FuzzPlan, groups: Groups, state: State, findings: Findings, *, stop: Stop
    ) -> None:
        self.stop = stop
        self._plan = plan
        self._groups = groups
        self._findings = findings
        self._asker = Asker(plan.asking)
        self._endpoints = {self._asker.endpoint(each) for group in groups for each in group}
        self._pulse = Pulse(plan.asking)
        self._masker = Masker(hidden=plan.hidden)
        self._begun = state
        self._started = time.monotonic()
        self._next = state.position
        self._going: set[int] = set()
        """Positions that are not done."""
        self._known = set(state.known)
        self._open: set[str] = set()
        """What is being confirmed: no other request is to be kept for it."""
        self._requests: set[bytes] = set()
        """Digests of what was asked."""
        self._ended: Ended | None = None
        self._counts: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._new: list[Found] = []
        self._flaky: list[Found] = []
        self._known_before = 0

    @property
    def state(self) -> State:
        """Where the next round goes on: past what a service died of."""
        going = set() if self._ended == "died" else self._going
        return msgspec.structs.replace(
            self._begun,
            position=min(going, default=self._next),
            known=tuple(sorted(self._known - self._open)),
        )

    async def run(self) -> None:
        """Ask until a limit is reached, a service dies, or there is nothing left to ask."""
        seeds = [exchange for group in self._groups for exchange in group]
        self._requests |= {request_digest(each.request) for each in seeds}
        for position in range(self._begun.position):  # asked in an earlier round
            self._mutant(position)
        async with self._asker:
            if not self._begun.position:
                pending = iter(seeds)
                await self._share(lambda: next(pending, None), self._ask_seed)
            self._known_before = len(self._known)
            await self._share(self._draw, self._try)
        if self._ended != "died" and await self._pulse.stopped():
            self._ended = "died"
        if self._ended == "died":
            for exchange in self._pulse.suspects:
                self._findings.write(_named(exchange, _death_id(exchange)))

    async def _share(
        self, take: Callable[[], T | None], do: Callable[[T], Awaitable[None]]
    ) -> None:
        """Do all that is to be taken, so many at once as the plan says."""

        async def work() -> None:
            while not self._is_over() and (each := take()) is not None:
                try:
                    await do(each)
                except _EndedError:
                    return

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._plan.concurrency):
                    group.create_task(work())
        except* Exception as failures:  # noqa: BLE001 - whatever it is, its own message says more
            raise failures.exceptions[0] from None

    def _is_over(self) -> bool:
        """Whether nothing more is begun, and remember why."""
        if self._ended is None:
            if self.stop.requested:
                self._ended = "interrupted"
            elif self._counts["asked"] >= self._plan.max_requests:
                self._ended = "requests"
            elif time.monotonic() - self._started >= self._plan.max_time_s:
                self._ended = "time"
            elif len(self._new) + len(self._flaky) >= MAX_FINDINGS:
                self._ended = "findings"
        return self._ended is not None

    async def _ask_seed(self, exchange: Exchange) -> None:
        """Learn what differs without any mutation."""
        asked = await self._ask(exchange)
        if asked is not None:
            self._counts["seeds"] += 1
            self._counts["hollow"] += bool(asked.judgement.hollow)
            self._known |= asked.signatures

    def _draw(self) -> tuple[int, Mutant] | None:
        """The next request that was not asked before, with its position."""
        for _ in range(BARREN):
            position, self._next = self._next, self._next + 1
            made = self._mutant(position)
            if made is not None:
                self._going.add(position)
                return position, made
        self._ended = self._ended or "exhausted"
        return None

    def _mutant(self, position: int) -> Mutant | None:
        made = mutant(self._groups, self._begun.seed, position)
        if made is None or (digest := request_digest(made.request)) in self._requests:
            return None
        self._requests.add(digest)
        return made

    async def _try(self, drawn: tuple[int, Mutant]) -> None:
        """Ask a mutation, and keep what is new."""
        position, made = drawn
        exchange = Exchange(id=f"fuzz-{position}", request=made.request)
        asked = await self._ask(exchange)
        if asked is None:
            self._counts["held_back"] += 1
        else:
            self._kinds.update(made.kinds)
            shown = self._keys(exchange, asked)
            fresh = {
                key: each
                for key, each in shown.items()
                if self._known.isdisjoint((key, each.signature))
            }
            if fresh:
                await self._confirm(drawn, exchange, asked, fresh)
        self._going.discard(position)
        if position % SAVE_EVERY == 0:
            write_state(self.state, self._plan.state)

    async def _ask(self, exchange: Exchange) -> Asked | None:
        """Ask both services; None where the request may not or cannot be sent.

        Raises _EndedError where a service has died.
        """
        if self._ended == "died":
            raise _EndedError
        try:
            asked = await self._asker.judged([exchange])
        except NotAskedError:
            return None
        self._counts["asked"] += 1
        self._counts["incomparable"] += asked.judgement.outcome == Outcome.INCOMPARABLE
        self._pulse.note(exchange, asked)
        if self._pulse.is_doubtful and await self._pulse.stopped():
            self._ended = "died"
            raise _EndedError
        return asked

    def _keys(self, exchange: Exchange, asked: Asked) -> dict[str, Divergence]:
        """What a request shows, by what makes it new: its signature.

        A path that is no endpoint of any seed is one of thousands like it, so there a difference
        is new once, whatever the path.
        """
        found = [each for each in asked.judgement.divergences if each.verdict == "divergent"]
        if asked.endpoint in self._endpoints:
            return {each.signature: each for each in found}
        return {_elsewhere(exchange.request.method, each): each for each in found}

    async def _confirm(
        self,
        drawn: tuple[int, Mutant],
        exchange: Exchange,
        asked: Asked,
        fresh: dict[str, Divergence],
    ) -> None:
        """Ask again, and keep what is new and there each time."""
        claimed = {*fresh, *(each.signature for each in fresh.values())}
        self._known |= claimed
        self._open |= claimed
        lasting = set(fresh)
        for _ in range(AGAIN):
            again = await self._ask(exchange)
            lasting &= set() if again is None else self._keys(exchange, again).keys()
        for key, divergence in fresh.items():
            if key in lasting:
                await self._keep(drawn, exchange, asked, divergence)
            else:
                self._flaky.append(self._found(drawn, divergence, asked.endpoint))
        self._open -= claimed
        write_state(self.state, self._plan.state)

    async def _keep(
        self, drawn: tuple[int, Mutant], exchange: Exchange, asked: Asked, divergence: Divergence
    ) -> None:
        """Write the smallest request that shows a signature, as one recorded of the baseline."""
        signature = divergence.signature

        async def shows(other: Exchange) -> bool:
            found = await self._ask(other)
            return found is not None and signature in found.signatures

        if self._plan.minimise:
            least = await smallest(exchange, shows)
            if least != exchange:
                exchange, asked = least, await self._ask(least) or asked
        written = _named(exchange, f"fuzz-{signature}", asked.baseline)
        self._findings.write(written)
        self._new.append(self._found(drawn, divergence, asked.endpoint, written.id))

    def _found(
        self, drawn: tuple[int, Mutant], divergence: Divergence, endpoint: str, name: str = ""
    ) -> Found:
        position, made = drawn
        return Found(
            divergence=self._masker.mask_divergence(divergence),
            endpoint=self._masker.mask_endpoint(endpoint),
            position=position,
            kinds=made.kinds,
            id=name,
        )

    def summary(self, writes: int) -> FuzzSummary:
        """What came of it. `writes` are the exchanges that made no seed."""
        counts = self._counts
        return FuzzSummary(
            seed=self._begun.seed,
            position=self.state.position,
            seeds=counts["seeds"],
            asked=counts["asked"],
            mutations=dict(self._kinds),
            held_back=counts["held_back"],
            incomparable=counts["incomparable"],
            hollow=counts["hollow"],
            writes=writes,
            known=self._known_before,
            new=tuple(self._new),
            flaky=tuple(self._flaky),
            died=self._death() if self._ended == "died" else None,
            ended=self._ended or "exhausted",
            out=self._plan.out if self._findings.any else "",
            state=self._plan.state,
            duration_s=time.monotonic() - self._started,
            exit_code=self._exit_code(),
        )

    def _exit_code(self) -> int:
        """By docs/reference/exit-codes.md; a new difference that a class explains fails nothing."""
        counts = self._counts
        if self._ended == "interrupted":
            return INTERRUPTED
        if self._ended == "died":
            return UNFINISHED
        if any(each.divergence.class_id is None for each in self._new):
            return 1
        too_little = not self._kinds or counts["hollow"] > MAX_HOLLOW * counts["seeds"]
        too_little |= counts["incomparable"] > MAX_INCOMPARABLE * counts["asked"]
        return 3 if too_little else 0

    def _death(self) -> Death:
        suspects = self._pulse.suspects
        return Death(
            name=self._pulse.dead,
            requests=tuple(self._masked(each.request) for each in suspects),
            ids=tuple(map(_death_id, suspects)),
        )

    def _masked(self, request: Request) -> str:
        target = self._masker.mask_and_cut(readable(request.target), _TARGET)
        return f"{request.method} {target}, {len(request.body):,} bytes"


def _elsewhere(method: str, divergence: Divergence) -> str:
    """A key like a signature, but for a difference that may be at any path."""
    what = [method, divergence.where, divergence.path_pattern, divergence.kind]
    if divergence.where == "status":
        what += [str(divergence.baseline), str(divergence.candidate)]
    text = "\n".join([*what, divergence.class_id or ""])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _death_id(exchange: Exchange) -> str:
    return f"fuzz-died-{request_digest(exchange.request).hex()[:16]}"


def _named(exchange: Exchange, name: str, baseline: Observation | None = None) -> Exchange:
    """An exchange as it is written: with what the baseline did, unless that is very long."""
    answer = baseline.response if isinstance(baseline, Answer) else None
    if answer is not None and (answer.truncated or len(answer.body) > MAX_RECORDED):
        answer = None
    error = None if isinstance(baseline, Answer) else baseline
    return Exchange(id=name, request=exchange.request, response=answer, error=error)
