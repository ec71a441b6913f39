"""Where a pair is judged: here while that is cheap, in a pool of processes where it is not.

What runs in an event loop must not hold up the answers that arrive meanwhile. So a pair is first
judged under a budget of a few milliseconds; what is over it, or is plainly too long, is judged
again in another process under the budget that the user gave.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Self, TypeVar

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.compare.walk import Budget
from shadow.judge import Policy, judge, note, unlike, within
from shadow.model import Answer, Divergence, Exchange, Judgement, Observation
from shadow.sessions.mapping import Mapping

HERE_BYTES: Final = 128 * 1024
"""Two different bodies that are longer together go to the pool without a try."""
HERE_FIELDS: Final = 200
"""So do two answers with more header fields together that are not the same."""
HERE_S: Final = 0.005
_HERE: Final = Budget(
    octets=HERE_BYTES,
    nodes=20_000,
    seconds=HERE_S,
    items=100,  # of a list, for deepdiff to align: some 5 ms
    differences=200,
)
_NOTHING: Final = Budget(octets=0, nodes=0, seconds=0, items=0, differences=0)
POOL: Final = max(1, (os.cpu_count() or 2) - 1)
_TRIES: Final = 3
"""A pair that kills its process takes the others there along; they are tried again."""

T = TypeVar("T")


class Judging:
    """Judges the pairs of one run by one policy, and learns its noise.

    An async context manager; the pool starts with the first pair that needs it.
    """

    def __init__(
        self, policy: Policy, noise: NoiseProfile | None = None, *, here_s: float = HERE_S
    ) -> None:
        """`here_s` are the seconds that judging a pair may take outside the pool."""
        self.policy = policy
        self.noise = noise
        self._small = within(policy, msgspec.structs.replace(_HERE, seconds=here_s))
        self._coarse = within(policy, _NOTHING)
        self._pool: ProcessPoolExecutor | None = None
        self._room = asyncio.Semaphore(2 * POOL)  # what waits for the pool waits unpickled

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is None:
            return
        if kind is not None:  # nobody waits for what it judges now
            for process in list((self._pool._processes or {}).values()):  # noqa: SLF001 - it offers no other way to end at once
                process.kill()
        # Waited for in any case: else Python's own end would wait, for ever.
        self._pool.shutdown(wait=True, cancel_futures=True)

    def inline(
        self,
        exchange: Exchange,
        endpoint: str,
        baseline: Observation,
        candidate: Observation,
        mapping: Mapping | None = None,
    ) -> Judgement | None:
        """The judgement of a pair, or None where it is too dear for an event loop."""
        judgement = self.tried(exchange, endpoint, baseline, candidate, mapping)
        if judgement is not None:
            self.note(endpoint, judgement)
        return judgement

    def tried(
        self,
        exchange: Exchange,
        endpoint: str,
        baseline: Observation,
        candidate: Observation,
        mapping: Mapping | None = None,
    ) -> Judgement | None:
        """The same, which counts for nothing until it is given to `note`."""
        if _is_long(baseline, candidate):
            return None
        given = exchange, endpoint, baseline, candidate
        judgement = judge(*given, self._small, noise=self.noise, mapping=mapping)
        return None if judgement.over_budget else judgement

    def note(self, endpoint: str, judgement: Judgement) -> None:
        """Count a judgement that is kept and was made elsewhere by this policy and profile."""
        note(endpoint, judgement, self.noise)

    async def judge(
        self,
        exchange: Exchange,
        endpoint: str,
        baseline: Observation,
        candidate: Observation,
        mapping: Mapping | None = None,
    ) -> Judgement:
        """The judgement of a pair, wherever it has to be made."""
        given = exchange, endpoint, baseline, candidate, mapping
        return self.inline(*given) or await self.in_pool(*given)

    async def in_pool(
        self,
        exchange: Exchange,
        endpoint: str,
        baseline: Observation,
        candidate: Observation,
        mapping: Mapping | None = None,
    ) -> Judgement:
        """The judgement of a pair, made in another process.

        A process that dies of a pair, twice, leaves it judged as far as that is cheap: as over
        its budget.
        """
        given = exchange, endpoint, baseline, candidate
        judgement = await self._in_pool(_judge, *given, self._known(endpoint), mapping)
        if judgement is None:
            judgement = judge(*given, self._coarse, noise=self.noise, mapping=mapping)
        self.note(endpoint, judgement)
        return judgement

    async def learn(
        self, endpoint: str, first: Observation, second: Observation
    ) -> tuple[Divergence, ...] | None:
        """Learn from what the baseline answered twice to one request; return what was learned."""
        if not isinstance(first, Answer) or not isinstance(second, Answer) or self.noise is None:
            return None
        found = None
        if not _is_long(first, second):
            found = unlike(endpoint, first, second, self.noise, self._small, whole=True)
        if found is None:
            found = await self._in_pool(
                _compare_own, endpoint, first, second, self._known(endpoint)
            )
        if found is not None:
            self.noise.learn(endpoint, found)
        return found

    def _known(self, endpoint: str) -> NoiseProfile | None:
        """The profile as far as a process of the pool needs it."""
        return None if self.noise is None else self.noise.part(endpoint)

    async def _in_pool(self, call: Callable[..., T], *given: Any) -> T | None:
        """What a call says in a process of the pool; None where it keeps dying of it."""
        loop = asyncio.get_running_loop()
        async with self._room:
            for _ in range(_TRIES):
                pool = self._pool = self._pool or _start(self.policy)
                try:
                    return await loop.run_in_executor(pool, call, *given)
                except (BrokenProcessPool, OSError):  # killed; or none could be started
                    if self._pool is pool:
                        self._pool = None
        return None


def _is_long(first: Observation, second: Observation) -> bool:
    """Two answers with different and long bodies, or heads."""
    if not isinstance(first, Answer) or not isinstance(second, Answer):
        return False
    ours, theirs = first.response, second.response
    if len(ours.body) + len(theirs.body) > HERE_BYTES and ours.body != theirs.body:
        return True
    fields = len(ours.headers) + len(theirs.headers)
    return fields > HERE_FIELDS and ours.headers != theirs.headers


# What runs in a process of the pool.

_policy: Policy = Policy()


def _start(policy: Policy) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        max_workers=POOL,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(policy,),
    )


def _begin(policy: Policy) -> None:
    global _policy  # noqa: PLW0603 - what a process is started with
    _policy = policy
    serve_the_parent()


def serve_the_parent() -> None:
    """Leave interrupts to the process that began this one, and end with it whatever ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _judge(  # noqa: PLR0917 - everything one judgement depends on, as a pool passes it
    exchange: Exchange,
    endpoint: str,
    baseline: Observation,
    candidate: Observation,
    noise: NoiseProfile | None,
    mapping: Mapping | None,
) -> Judgement:
    given = exchange, endpoint, baseline, candidate, _policy
    return judge(*given, noise=noise, mapping=mapping)


def _compare_own(
    endpoint: str, first: Observation, second: Observation, noise: NoiseProfile | None
) -> tuple[Divergence, ...] | None:
    assert noise is not None
    return unlike(endpoint, first, second, noise, _policy)
