"""A request, or a session up to one, asked of both services here and now, and judged.

What finds the smallest reproduction, looks for races and fuzzes is built on this. A replay is
not: it has thousands in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from typing import Self

import msgspec

from shadow.compare.noise import NoiseProfile
from shadow.endpoints import Endpoints
from shadow.errors import ShadowError
from shadow.judge import Policy
from shadow.judging import Judging
from shadow.masking import Masker
from shadow.model import Exchange, Judgement, Observation, Request
from shadow.replay.hooks import HookLog, Hooks, SideHooks
from shadow.replay.options import Correlation
from shadow.replay.replay_job import correlator_of, shifts_of
from shadow.sending.choice import open_service
from shadow.sending.limits import Limits
from shadow.sending.rewrite import Unsendable
from shadow.sending.safety import Safety
from shadow.sending.service import Message, Service
from shadow.sending.target import Target
from shadow.sessions.live import Correlator


class AskingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask, and what to judge by."""

    baseline: Target
    candidate: Target
    endpoints: Endpoints
    safety: Safety
    policy: Policy
    limits: Limits = Limits()
    noise: NoiseProfile | None = None
    """What was learned of the baseline's noise before."""
    correlation: Correlation = Correlation()
    """What each side is sent of what it gave before in the session."""
    captures: tuple[str, ...] = ()
    """Where the exchanges are from: from their beginning on times are moved to now."""
    hooks: tuple[SideHooks, ...] = ()
    """Of these, `reset` is run before each session that writes."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What both sides did with the last request of a session, and what is thought of it."""

    endpoint: str
    judgement: Judgement
    baseline: Observation
    candidate: Observation

    @property
    def signatures(self) -> frozenset[str]:
        """Of its divergences that nothing excuses."""
        return frozenset(
            each.signature for each in self.judgement.divergences if each.verdict == "divergent"
        )


class NotAskedError(ShadowError):
    """A request that may not or cannot be sent: a write that is not allowed, a cut body."""


class Asker:
    """Asks both services, one request after the other of a session. An async context manager.

    Several sessions may be asked at once: each call is a session of its own.
    """

    def __init__(self, plan: AskingPlan) -> None:
        self._plan = plan
        self._stack = contextlib.AsyncExitStack()
        self._hooks = Hooks(plan.hooks, HookLog(None, Masker()))
        self._shifts = shifts_of(plan.correlation, plan.captures)
        self._alone = asyncio.Lock()
        """Held by a session that resets the services: it would take away another one's data."""

    async def __aenter__(self) -> Self:
        plan = self._plan
        async with contextlib.AsyncExitStack() as stack:
            enter = stack.enter_async_context
            self._baseline = await enter(open_service(plan.baseline, plan.limits))
            self._candidate = await enter(open_service(plan.candidate, plan.limits))
            self._judging = await enter(Judging(plan.policy, plan.noise))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def endpoint(self, exchange: Exchange) -> str:
        """The endpoint of an exchange."""
        return self._plan.endpoints.name(exchange.request.method, exchange.request.target)

    def check(self, exchange: Exchange) -> None:
        """Whether a request may and can be sent as recorded. Raises NotAskedError."""
        self._may_send(exchange)
        self._messages(exchange, (exchange.request, exchange.request))

    def _may_send(self, exchange: Exchange) -> None:
        if not self._plan.safety.may_send(exchange.request):
            raise NotAskedError(
                f"exchange {exchange.id} is a write", "allow it with --allow-writes"
            )

    def _messages(self, exchange: Exchange, requests: tuple[Request, Request]) -> list[Message]:
        services = (self._baseline, self._candidate)
        try:
            return [each.render(own) for each, own in zip(services, requests, strict=True)]
        except Unsendable as error:
            raise NotAskedError(
                f"exchange {exchange.id} cannot be sent: {error.detail}", "choose another one"
            ) from None

    async def judged(self, exchanges: Sequence[Exchange], beside: Sequence[Exchange] = ()) -> Asked:
        """Ask a session in order and judge its last exchange: what comes before prepares it.

        `beside` are asked with the last one, and not judged: they are there to disturb it. Raises
        NotAskedError for what may not or cannot be sent.
        """
        writes = any(not self._plan.safety.is_safe(each.request) for each in exchanges)
        async with self._alone if writes and self._hooks.has("reset") else nullcontext():
            if writes:
                await self._hooks.run("reset")
            async for _, asked in self._session(exchanges, beside, judged=len(exchanges)):
                return asked
        raise NotAskedError("a session without an exchange", "name one that has some")

    def session(self, exchanges: Sequence[Exchange]) -> AsyncIterator[tuple[Exchange, Asked]]:
        """Ask a session in order, and yield each exchange with what came of it.

        Raises NotAskedError for what may not or cannot be sent.
        """
        return self._session(exchanges)

    async def _session(
        self, exchanges: Sequence[Exchange], beside: Sequence[Exchange] = (), *, judged: int = 0
    ) -> AsyncIterator[tuple[Exchange, Asked]]:
        """Ask in order; only the one with the number `judged` is told, where that is given."""
        correlation = self._plan.correlation
        correlator = correlator_of(correlation, self._shifts) if correlation else None
        for number, each in enumerate(exchanges, 1):
            exchange = msgspec.structs.replace(each, session=each.session or "session")
            endpoint = self.endpoint(exchange)
            requests = self._requests(exchange, endpoint, correlator)
            others = beside if number == len(exchanges) else ()
            (baseline, candidate), *_ = await asyncio.gather(
                self._ask(exchange, requests),
                *(self._ask(other, (other.request, other.request)) for other in others),
            )
            mapping = None
            if correlator is not None:
                mapping = correlator.observed(exchange, endpoint, (baseline, candidate))
            if judged in (0, number):
                pair = exchange, endpoint, baseline, candidate, mapping
                judgement = await self._judging.judge(*pair)
                yield (
                    each,
                    Asked(
                        endpoint=endpoint,
                        judgement=judgement,
                        baseline=baseline,
                        candidate=candidate,
                    ),
                )

    @staticmethod
    def _requests(
        exchange: Exchange, endpoint: str, correlator: Correlator | None
    ) -> tuple[Request, Request]:
        """What each side is sent. Raises NotAskedError where a value is lacking."""
        if correlator is None:
            return exchange.request, exchange.request
        prepared = correlator.prepare(exchange, endpoint)
        if prepared.lacking is not None:
            raise NotAskedError(
                f"exchange {exchange.id} needs a value of rule {prepared.lacking.rule}"
                f" that exchange {prepared.lacking.made_in} did not give",
                "see what both sides answer to that one",
            )
        return prepared.requests

    async def _ask(
        self, exchange: Exchange, requests: tuple[Request, Request]
    ) -> tuple[Observation, Observation]:
        """What both sides do with one request, asked at once."""
        request = exchange.request
        safe = self._plan.safety.is_safe(request)
        self._may_send(exchange)
        messages = self._messages(exchange, requests)

        async def send(service: Service, message: object) -> Observation:
            return await service.send(message, method=request.method, safe=safe)

        baseline, candidate = await asyncio.gather(
            send(self._baseline, messages[0]), send(self._candidate, messages[1])
        )
        return baseline, candidate
