"""What is thought of a flight that both sides have ended.

Most are judged where they land. What takes a task of its own is a side that is asked again, and
a pair that is dear to compare.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from shadow.judge import with_repeats
from shadow.judging import Judging
from shadow.model import Exchange, Judgement, Observation, Outcome
from shadow.replay.control import Control
from shadow.replay.keeper import Keeper, Masked
from shadow.replay.loop.flight import BASELINE, CANDIDATE, Flight
from shadow.replay.loop.running import Running
from shadow.sending.service import Service
from shadow.sessions.live import Correlator
from shadow.sessions.mapping import Mapping

_MASKED_INLINE = 20
"""Divergences of one exchange that are masked in the loop; a hostile one takes 5 ms."""
_NO_RESPONSE = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-response")


def _pair(flight: Flight) -> tuple[Exchange, str, Observation, Observation, Mapping | None]:
    """What is judged of a flight that both sides have ended."""
    baseline, candidate = flight.observed
    assert baseline is not None
    assert candidate is not None
    return flight.exchange, flight.endpoint, baseline, candidate, flight.mapping


class FlightJudging:
    """Judges flights, and asks a side again where that is wanted.

    `concluded` gets the judgements that took a task, with their divergences masked where they
    are many.
    """

    def __init__(
        self,
        judging: Judging,
        *,
        candidate: Service,
        control: Control | None,
        correlator: Correlator | None,
        keeper: Keeper,
        repeat: int,
        running: Running,
        concluded: Callable[[Flight, Judgement, Masked | None], None],
    ) -> None:
        self._judging = judging
        self._candidate = candidate
        self._control = control
        self._correlator = correlator
        self._keeper = keeper
        self._repeat = repeat
        """How often the candidate is asked again."""
        self._running = running
        self._concluded = concluded

    def judge(self, flight: Flight) -> Judgement | None:
        """The judgement of a flight; None where it takes a task of its own to come to it.

        So it does where a side is asked again, and where judging is dear.
        """
        (baseline, candidate), control = flight.observed, self._control
        if self._correlator is not None:
            observed = self._correlator.observed
            flight.mapping = observed(flight.exchange, flight.endpoint, flight.observed)
        if baseline is None:
            return _NO_RESPONSE
        assert candidate is not None
        if control is not None and not control.wants(flight.endpoint, safe=flight.safe):
            control = None
        if control is not None or (self._repeat and flight.safe):
            self._running.spawn(self._ask_again, flight, control, baseline)
            return None
        judgement = self._judging.inline(*_pair(flight))
        if judgement is None:
            self._running.spawn(self._judge_in_pool, flight)
        return judgement

    async def _ask_again(
        self, flight: Flight, control: Control | None, baseline: Observation
    ) -> None:
        """Ask a side again, learn from what it says, and judge by what is known then."""
        if control is not None:
            await self._learn(flight, control, baseline)
        judgement = await self._judging.judge(*_pair(flight))
        if self._repeat and flight.safe:
            judgement = with_repeats(judgement, await self._repeated(flight, baseline))
        await self._conclude_dear(flight, judgement)

    async def _repeated(self, flight: Flight, baseline: Observation) -> list[Judgement]:
        """What the candidate says when it is asked again, against the baseline's one answer."""
        found = []
        for _ in range(self._repeat):
            if self._running.stopping:
                break
            again = await self._candidate.send(
                self._candidate.render(flight.requests[CANDIDATE]),
                method=flight.exchange.request.method,
                safe=flight.safe,
            )
            pair = flight.exchange, flight.endpoint, baseline, again
            mapping = None if self._correlator is None else self._correlator.again(*pair)
            found.append(await self._judging.judge(*pair, mapping))
        return found

    async def _learn(self, flight: Flight, control: Control, baseline: Observation) -> None:
        """Ask the baseline again, and learn from both answers."""
        again = await control.service.send(
            control.service.render(flight.requests[BASELINE]),
            method=flight.exchange.request.method,
            safe=flight.safe,
        )
        await self._judging.learn(flight.endpoint, baseline, again)

    async def _judge_in_pool(self, flight: Flight) -> None:
        judgement = await self._judging.in_pool(*_pair(flight))
        await self._conclude_dear(flight, judgement)

    async def _conclude_dear(self, flight: Flight, judgement: Judgement) -> None:
        """End a flight with what may be a thousand divergences, masked beside the loop."""
        masked = None
        if len(judgement.divergences) > _MASKED_INLINE:
            masked = await asyncio.to_thread(self._keeper.masked, judgement)
        self._concluded(flight, judgement, masked)
