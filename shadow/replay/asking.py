"""A request, or a session up to one, asked of both services here and now, and judged.

What finds the smallest reproduction, looks for races and fuzzes is built on this. A replay is
not: it has thousands in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
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
from shadow.sessions.mapping import Mapping


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


_Pair = tuple[Exchange, str, Observation, Observation, Mapping | None]
"""What is judged of one exchange."""


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
        if not writes or not self._hooks.has("reset"):
            return await self._session(exchanges, beside)
        async with self._alone:
            await self.reset()
            return await self._session(exchanges, beside)

    async def reset(self) -> None:
        """Bring both services to their first state, where a hook does that."""
        if self._hooks.has("reset"):
            await self._hooks.run("reset")

    async def each(
        self, exchanges: Sequence[Exchange], wanted: Callable[[Exchange], bool]
    ) -> AsyncGenerator[tuple[Exchange, Asked | NotAskedError], None]:
        """Ask the wanted exchanges of a session in order, one a step, and judge each of them.

        What may not or cannot be sent does not end the session. Nothing is reset: whoever asks
        many sessions at once does so before.
        """
        correlator = self._correlator()
        for exchange in exchanges:
            if wanted(exchange):
                try:
                    asked: Asked | NotAskedError = await self._judge(
                        await self._step(exchange, correlator)
                    )
                except NotAskedError as error:
                    asked = error
                yield exchange, asked
                if isinstance(asked, Asked):
                    continue
            if correlator is not None:
                correlator.unsent(_in_session(exchange), self.endpoint(exchange), "not-sent")

    async def compare(self, exchange: Exchange, first: Observation, second: Observation) -> Asked:
        """Judge two answers of one side as if they were of both."""
        return await self._judge((exchange, self.endpoint(exchange), first, second, None))

    async def _session(self, exchanges: Sequence[Exchange], beside: Sequence[Exchange]) -> Asked:
        correlator = self._correlator()
        for each in exchanges[:-1]:
            await self._step(each, correlator)
        return await self._judge(await self._step(exchanges[-1], correlator, beside))

    def _correlator(self) -> Correlator | None:
        correlation = self._plan.correlation
        return correlator_of(correlation, self._shifts) if correlation else None

    async def _step(
        self, recorded: Exchange, correlator: Correlator | None, beside: Sequence[Exchange] = ()
    ) -> _Pair:
        """Ask both sides for one exchange of a session. Raises NotAskedError."""
        exchange = _in_session(recorded)
        endpoint = self.endpoint(exchange)
        requests = (exchange.request, exchange.request)
        if correlator is not None:
            prepared = correlator.prepare(exchange, endpoint)
            if prepared.lacking is not None:
                raise NotAskedError(
                    f"exchange {exchange.id} needs a value of rule {prepared.lacking.rule}"
                    f" that exchange {prepared.lacking.made_in} did not give",
                    "see what both sides answer to that one",
                )
            requests = prepared.requests
        (baseline, candidate), *_ = await asyncio.gather(
            self._ask(exchange, requests),
            *(self._ask(other, (other.request, other.request)) for other in beside),
        )
        mapping = None
        if correlator is not None:
            mapping = correlator.observed(exchange, endpoint, (baseline, candidate))
        return exchange, endpoint, baseline, candidate, mapping

    async def _judge(self, pair: _Pair) -> Asked:
        judgement = await self._judging.judge(*pair)
        _, endpoint, baseline, candidate, _ = pair
        return Asked(endpoint=endpoint, judgement=judgement, baseline=baseline, candidate=candidate)

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


def _in_session(exchange: Exchange) -> Exchange:
    """The exchange as one of a session: one that is alone is a session too."""
    return msgspec.structs.replace(exchange, session=exchange.session or "session")
