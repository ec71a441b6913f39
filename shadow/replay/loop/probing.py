"""The end of a run: both sides are asked what its writes left behind."""

from __future__ import annotations

from shadow.judging import Judging
from shadow.model import Exchange, Judgement, Outcome
from shadow.replay.control import Control
from shadow.replay.keeper import Keeper
from shadow.replay.loop.flight import BASELINE
from shadow.replay.loop.running import Running
from shadow.replay.state import MAX_PROBED, LackingValueError, Probe, Prober, asked
from shadow.sending.rewrite import Unsendable
from shadow.sessions.live import Correlator


class Probing:
    """Knows who wrote, and asks about it with the probes of `prober`."""

    def __init__(
        self,
        prober: Prober,
        judging: Judging,
        *,
        control: Control | None,
        correlator: Correlator | None,
        keeper: Keeper,
        running: Running,
    ) -> None:
        self._prober = prober
        self._judging = judging
        self._control = control
        self._correlator = correlator
        self._keeper = keeper
        self._running = running
        self._wrote: dict[str | None, str] = {}
        """By session, the id of its last write."""

    def note_written(self, exchange: Exchange) -> None:
        """Take that an exchange writes."""
        if exchange.session in self._wrote or len(self._wrote) < MAX_PROBED:
            self._wrote[exchange.session] = exchange.id

    async def probe(self, ordinal: int) -> None:
        """Ask both sides about the state, for each session that wrote, or once.

        What they say is kept from this ordinal on.
        """
        for probe in self._prober.probes:
            whole: dict[str | None, str] = {None: "run"}
            those = whole if probe.after == "run" else self._wrote
            # In an order of their own: a process that goes on must find the same ordinals.
            for session, written in sorted(those.items(), key=lambda each: each[0] or ""):
                if self._running.stopping:
                    break
                await self._probe_one(probe, session, written, ordinal)
                ordinal += 1

    async def _probe_one(
        self, probe: Probe, session: str | None, written: str, ordinal: int
    ) -> None:
        exchange = probe.exchange(session, written)
        if ordinal in self._keeper.cursor:
            return
        try:
            observed = await self._prober.take(probe, session)
        except (LackingValueError, Unsendable) as fault:
            lacks = isinstance(fault, LackingValueError)
            reason = f"no-value ({fault})" if lacks else "unsupported"
            judgement = Judgement(outcome=Outcome.INCOMPARABLE, reason=reason)
            self._keeper.keep(exchange, probe.endpoint, judgement, ordinal=ordinal)
            return
        if self._control is not None and probe.request is not None:
            baseline, _ = self._prober.requests(probe, session)
            if self._control.wants(probe.endpoint, safe=True):
                again = await asked(self._control.service, baseline)
                await self._judging.learn(probe.endpoint, observed[BASELINE], again)
        mapping = None if self._correlator is None else self._correlator.mapping(session)
        judgement = await self._judging.judge(exchange, probe.endpoint, *observed, mapping)
        self._keeper.keep(exchange, probe.endpoint, judgement, *observed, ordinal=ordinal)
