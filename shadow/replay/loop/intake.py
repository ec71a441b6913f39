"""What a record of the capture becomes: a flight, or an exchange that is skipped."""

from __future__ import annotations

from shadow.captures import Unsupported
from shadow.endpoints import Endpoints
from shadow.model import Exchange, Judgement, Outcome
from shadow.replay.keeper import Keeper
from shadow.replay.loop.flight import Flight
from shadow.replay.loop.sides import Sides
from shadow.replay.options import Selection
from shadow.replay.selection import bare, skip_reason
from shadow.sending.rewrite import Unsendable
from shadow.sending.safety import Safety
from shadow.sessions.live import Correlator, Lack


class Intake:
    """Makes flights, and keeps what is skipped as such."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        safety: Safety,
        selection: Selection,
        sides: Sides,
        keeper: Keeper,
        correlator: Correlator | None,
        late: bool,
    ) -> None:
        """With `late`, the messages of a flight are written by `render`, when it is sent."""
        self._endpoints = endpoints
        self._safety = safety
        self._selection = selection
        self._sides = sides
        self._keeper = keeper
        self._correlator = correlator
        self._late = late

    def flight(self, ordinal: int, record: Exchange | Unsupported) -> Flight | None:
        """The flight of a record, or None when it was skipped (and kept as such)."""
        exchange = bare(record) if isinstance(record, Unsupported) else record
        request = exchange.request
        endpoint = self._endpoints.name(request.method, request.target)
        safe = self._safety.is_safe(request)
        reason = self._skip_reason(record, endpoint, safe=safe)
        if reason:
            self._skip(ordinal, exchange, endpoint, reason)
            return None
        flight = Flight(ordinal, exchange, endpoint, safe=safe)
        if not self._late and not self.render(flight):
            return None
        return flight

    def is_wanted(self, exchange: Exchange) -> bool:
        """Whether an exchange is one that is sent, if it can be."""
        request = exchange.request
        endpoint = self._endpoints.name(request.method, request.target)
        return not self._skip_reason(exchange, endpoint, safe=self._safety.is_safe(request))

    def _skip_reason(self, record: Exchange | Unsupported, endpoint: str, *, safe: bool) -> str:
        """Why a record is not sent, or empty."""
        may_send = safe or self._safety.allow_writes
        return skip_reason(record, endpoint, self._selection, may_send=may_send)

    def render(self, flight: Flight) -> bool:
        """Write the messages for both sides; False where it is skipped (and kept as such)."""
        try:
            self._sides.render(flight)
        except Unsendable as unsendable:
            self._skip(flight.ordinal, flight.exchange, flight.endpoint, unsendable.reason)
            return False
        return True

    def _skip(self, ordinal: int, exchange: Exchange, endpoint: str, reason: str) -> None:
        self.unsent(exchange, "not-sent", endpoint)
        judgement = Judgement(outcome=Outcome.SKIPPED, reason=reason)
        self._keeper.keep(exchange, endpoint, judgement, ordinal=ordinal)

    def unsent(self, exchange: Exchange, why: Lack, endpoint: str | None = None) -> None:
        """What the exchange's answer should have given, its session will lack."""
        if self._correlator is not None:
            request = exchange.request
            name = endpoint or self._endpoints.name(request.method, request.target)
            self._correlator.unsent(exchange, name, why)
