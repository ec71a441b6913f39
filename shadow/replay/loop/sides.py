"""Both sides asked for one flight."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Final

from shadow.model import Observation
from shadow.replay.loop.flight import BASELINE, CANDIDATE, Flight, Side
from shadow.replay.loop.running import Running
from shadow.replay.options import ReplayOptions
from shadow.sending.service import Service

_ORDERS: Final[tuple[tuple[Side, Side], tuple[Side, Side]]] = (
    (BASELINE, CANDIDATE),
    (CANDIDATE, BASELINE),
)


class Sides:
    """Asks both sides for flights; `landed` gets each that both have ended.

    `baseline` None means the recorded responses.
    """

    def __init__(
        self,
        baseline: Service | None,
        candidate: Service,
        *,
        options: ReplayOptions,
        running: Running,
        landed: Callable[[Flight], None],
        clock: Callable[[], float],
    ) -> None:
        self._services = (baseline, candidate)
        self._options = options
        self._running = running
        self._landed = landed
        self._clock = clock
        self._random = random.Random(options.seed)  # noqa: S311 - an order, not a secret

    def render(self, flight: Flight) -> None:
        """Write the messages for both sides. Raises `rewrite.Unsendable`."""
        baseline, candidate = self._services
        assert candidate is not None
        own, other = flight.requests
        flight.messages = (
            baseline.render(own) if baseline else None,
            candidate.render(other),
        )

    def ask_both(self, flight: Flight) -> None:
        """Ask both sides. Whichever is asked first looks slower, so the order is random."""
        if self._services[BASELINE] is None:
            flight.observed[BASELINE] = flight.exchange.recorded
            flight.left = 1
            self._ask(flight, CANDIDATE)
            return
        first, second = _ORDERS[self._random.random() < 0.5]
        if self._options.sides == "together":
            self._ask(flight, first)
            self._ask(flight, second)
        else:
            flight.then = second
            self._ask(flight, first)

    def _ask(self, flight: Flight, side: Side) -> None:
        """Send to one side, at once where a connection is free."""
        service = self._services[side]
        assert service is not None
        if not service.start(
            flight.messages[side],
            method=flight.exchange.request.method,
            safe=flight.safe,
            due=flight.due,
            done=partial(self._answered, flight, side),
        ):
            self._running.spawn(self._send, flight, side)

    async def _send(self, flight: Flight, side: Side, fresh: bool = False) -> None:  # noqa: FBT001, FBT002 - a task's arguments
        """Send to one side, waiting for a connection."""
        service = self._services[side]
        assert service is not None
        observation = await service.send(
            flight.messages[side],
            method=flight.exchange.request.method,
            safe=flight.safe,
            due=flight.due,
            fresh=fresh,
        )
        self._answered(flight, side, observation)

    def _answered(self, flight: Flight, side: Side, observation: Observation | None) -> None:
        """Take what a side did, or that the request was lost on a stale connection."""
        if self._running.ended.done():
            return
        if observation is None:
            self._running.spawn(self._send, flight, side, True)
            return
        flight.observed[side] = observation
        flight.left -= 1
        if not flight.left:
            self._landed(flight)
        elif flight.then is not None:
            flight.wait_until(self._clock())
            self._ask(flight, flight.then)
