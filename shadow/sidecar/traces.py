"""A span for each side of an exchange, where OpenTelemetry is switched on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shadow.model import Exchange, Request, SideName
from shadow.sending.target import Target
from shadow.tracing import Span, Tracing

Spans = dict[SideName, Span]


def given_up(spans: Spans) -> None:
    """End the spans of an exchange that nothing judges."""
    for span in spans.values():
        span.end(None)
        span.judged(None)


class Traces:
    """Begins spans. Where it is not `active` there is nothing to call."""

    def __init__(
        self, tracing: Tracing, targets: Mapping[SideName, Target], masked: Callable[[str], str]
    ) -> None:
        self._tracing = tracing
        self._hosts = {side: target.authority for side, target in targets.items()}
        self._masked = masked
        self.active = tracing.active

    def begin(
        self, spans: Spans, side: SideName, exchange: Exchange, endpoint: str, request: Request
    ) -> Request:
        """Begin the span of a side, and return the request as that side gets it."""
        span = spans[side] = self._tracing.start(
            side,
            request.headers,
            endpoint=self._masked(endpoint),
            method=request.method,
            target_host=self._hosts[side],
            exchange_id=exchange.id,
        )
        return Request(
            method=request.method,
            target=request.target,
            headers=span.headers(request.headers),
            body=request.body,
        )
