"""Whether both services are still there, and what one of them may have died of."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from shadow.model import Answer, Exchange, NoAnswer, Observation
from shadow.replay.asking import Asked, AskingPlan
from shadow.sending.probe import probe
from shadow.sending.target import Target

KEPT: Final = 1_000
"""Lost requests that are remembered: no fewer than are in flight at once."""


class _Lost(msgspec.Struct, frozen=True):
    """A request without an answer; seconds on the wire's clock."""

    sent: float
    done: float
    exchange: Exchange


class _Side:
    """One service: when it surely lived, and the requests that it lost."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.lived = 0.0
        """When the newest request that it answered was sent, in seconds."""
        self.lost: deque[_Lost] = deque(maxlen=KEPT)
        self.refused = False
        """The last request found no connection."""

    def note(self, exchange: Exchange, observation: Observation) -> None:
        timing = observation.timing
        assert timing is not None, "only a recorded answer has none"
        self.refused = isinstance(observation, NoAnswer) and observation.kind == "connect"
        if isinstance(observation, Answer):
            self.lived = max(self.lived, timing.sent)
        else:
            self.lost.append(_Lost(timing.sent, timing.done, exchange))


class Pulse:
    """Takes what both services did, and finds out when one does not listen any more."""

    def __init__(self, plan: AskingPlan) -> None:
        self._limits = plan.limits
        self._sides = (_Side(plan.baseline), _Side(plan.candidate))
        self._dead: _Side | None = None

    def note(self, exchange: Exchange, asked: Asked) -> None:
        """Take what both did with a request."""
        for side, observation in zip(self._sides, (asked.baseline, asked.candidate), strict=True):
            side.note(exchange, observation)

    @property
    def is_doubtful(self) -> bool:
        """Whether one of them took no connection just now."""
        return any(side.refused for side in self._sides)

    async def stopped(self) -> bool:
        """Whether one of them takes no connection: asked for here and now."""
        for side in self._sides:
            if self._dead is None and await probe(side.target, self._limits) is not None:
                self._dead = side
        return self._dead is not None

    @property
    def dead(self) -> str:
        """The name of the service that has died, or empty."""
        return "" if self._dead is None else self._dead.target.name

    @property
    def suspects(self) -> list[Exchange]:
        """What was in flight when the dead one lost the first request, each once.

        Refused ones too: a read that a kept-alive connection lost is sent once more. A request
        that was lost before another one was sent and answered did not kill it.
        """
        side = self._dead
        if side is None:
            return []
        lost = [each for each in side.lost if each.done >= side.lived]
        first = min((each.done for each in lost), default=0.0)
        return list(
            {each.exchange.id: each.exchange for each in lost if each.sent <= first}.values()
        )
