"""Spans through OpenTelemetry's SDK, under a provider that is ours alone.

Sampler, exporter, resource and limits are those of the standard variables:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. The names of
attributes are those of https://opentelemetry.io/docs/specs/semconv/http/http-spans/. The target,
query and header fields of a request are in no span; `tracestate` passes by, unseen by samplers.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from shadow.errors import ConfigError
from shadow.masking import NAME_BYTES, cut
from shadow.model import Answer, Headers, NoAnswer, Observation, Outcome, SideName
from shadow.tracing import CLOSE_S, LOOK, Span, parent_of
from shadow.tracing.exporters import chosen_exporters

NAMES: Final[dict[SideName, str]] = {"baseline": "shadow go", "candidate": "shadow rust"}
GIVEN_UP: Final = "cancelled"
"""The `error.type` of a request that was given up."""
METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
"""What `http.request.method` may be; all else is `_OTHER`."""
QUIET_S: Final = 60.0
"""How long a kind of message of OpenTelemetry is not told again, in seconds."""

_NO_PARENT: Final = Context()
_ERROR: Final = Status(StatusCode.ERROR)
_CREDENTIALS: Final = re.compile(r"[^\s/]*@")


def open_spans(tell: Callable[[str], None]) -> OtelTracing:
    """Start the SDK. Raises ConfigError; see `shadow.tracing.open_tracing`."""
    notices = Notices(tell)
    try:
        return OtelTracing(chosen_exporters(), notices)
    except BaseException as error:
        notices.end()
        if isinstance(error, ValueError):  # it names the variable or what it sets
            raise ConfigError(f"OpenTelemetry: {error}", LOOK) from None
        raise


class OtelTracing:
    """Begins spans, and exports those that are sampled in batches from a bounded queue."""

    active = True

    def __init__(self, exporters: list[SpanExporter], notices: Notices) -> None:
        """Raise ValueError where a variable of the environment is wrong."""
        self._notices = notices
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=_resource(), id_generator=self._ids, shutdown_on_exit=False
        )
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("shadow")

    def start(
        self,
        side: SideName,
        request_headers: Headers,
        *,
        endpoint: str,
        method: str,
        target_host: str,
        exchange_id: str,
    ) -> Span:
        """Begin the span of one side, as `shadow.tracing.Tracing` has it."""
        exchange_id = cut(exchange_id, NAME_BYTES)
        parent = parent_of(request_headers)
        if parent is None:
            self._ids.begin(exchange_id)
            context = _NO_PARENT
        else:
            of_parent = SpanContext(
                int(parent.trace_id, 16),
                int(parent.span_id, 16),
                is_remote=True,
                trace_flags=TraceFlags(parent.flags),
            )
            context = set_span_in_context(NonRecordingSpan(of_parent), _NO_PARENT)
        host, port = _server(target_host)
        attributes: dict[str, str | int] = {
            "http.request.method": method if method in METHODS else "_OTHER",
            "http.route": _route(endpoint),
            "server.address": host,
            "shadow.side": side,
            "shadow.exchange_id": exchange_id,
        }
        if port is not None:
            attributes["server.port"] = port
        span = self._tracer.start_span(NAMES[side], context, SpanKind.CLIENT, attributes)
        return OtelSpan(span, continues=parent is not None, waits=side == "candidate")

    def close(self, within_s: float = CLOSE_S) -> bool:
        """Send what has ended; what takes longer than `within_s` is left to a daemon thread."""
        closing = threading.Thread(target=self._shut_down, name="shadow-traces", daemon=True)
        closing.start()
        closing.join(within_s)
        in_time = not closing.is_alive()
        if not in_time:
            self._notices.tell(f"traces: {within_s:g} s were not enough to send the last spans")
        self._notices.end()
        return in_time

    def _shut_down(self) -> None:
        try:
            self._provider.shutdown()
        except Exception as error:  # noqa: BLE001 - an exporter is a package of the user's choice
            self._notices.tell(f"traces: the exporter failed at its end ({type(error).__name__})")


class OtelSpan:
    """The span of one side."""

    __slots__ = ("_continues", "_ended_ns", "_span", "_waits")

    def __init__(self, span: SdkSpan, *, continues: bool, waits: bool) -> None:
        """Take a span that has begun, for `continues` in the trace that the request named."""
        self._span = span
        self._continues = continues
        self._waits = waits
        self._ended_ns: int | None = None

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def headers(self, headers: Headers) -> Headers:
        """Return the fields with this span as `traceparent`: where one was, else at the end.

        `tracestate` is kept with the trace it belongs to, and goes where another one begins.
        """
        context = self._span.get_span_context()
        ours = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        fields: list[tuple[str, str]] = []
        is_set = False
        for field in headers:
            name = field[0]
            length = len(name)
            if length == 11 and name.lower() == "traceparent":
                if not is_set:
                    fields.append((name, ours))
                    is_set = True
            elif length != 10 or self._continues or name.lower() != "tracestate":
                fields.append(field)
        if not is_set:
            fields.append(("traceparent", ours))
        return tuple(fields)

    def end(self, seen: Observation | int | None) -> None:
        """Note what was seen, as `shadow.tracing.Span` has it."""
        if self._ended_ns is not None:
            return
        self._ended_ns = time.time_ns()
        if self._span.is_recording():
            self._note(seen)
            if not self._waits or seen is None:
                self._span.end(self._ended_ns)

    def _note(self, seen: Observation | int | None) -> None:
        if isinstance(seen, Answer):
            seen = seen.response.status
        if isinstance(seen, int):
            self._span.set_attribute("http.response.status_code", seen)
            error = str(seen) if seen >= 400 else ""
        else:
            error = seen.kind if isinstance(seen, NoAnswer) else GIVEN_UP
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(_ERROR)

    def judged(self, outcome: Outcome | None) -> None:
        """Note the outcome on a candidate's span, and let it go."""
        if self._waits and self._span.is_recording():
            if outcome is not None:
                self._span.set_attribute("shadow.outcome", outcome.value)
            self._span.end(self._ended_ns)


class _Ids(RandomIdGenerator):
    """Ids at random, but a trace that begins here has the id of its exchange, keyed at random."""

    def __init__(self) -> None:
        self._key = os.urandom(16)
        self._of_thread = threading.local()

    def begin(self, exchange_id: str) -> None:
        """Say of which exchange the next trace of this thread is."""
        self._of_thread.exchange_id = exchange_id

    def generate_trace_id(self) -> int:
        """Return 128 bits, not all zero."""
        name = self._of_thread.exchange_id.encode()
        return int.from_bytes(blake2b(name, digest_size=16, key=self._key).digest(), "big") or 1


class Notices(logging.Handler):
    """Tells what OpenTelemetry logs: a line for each, and of each kind one in `QUIET_S`.

    A collector that is down has every batch fail, and a full queue every span.
    """

    def __init__(
        self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell
        self._clock = clock
        self._again: dict[tuple[str, int], float] = {}  # by line of code
        self._logger = logging.getLogger("opentelemetry")
        self._propagated = self._logger.propagate
        self._logger.propagate = False
        self._logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a line, without what may be a password in it."""
        place, now = (record.pathname, record.lineno), self._clock()
        if now < self._again.get(place, now):
            return
        self._again[place] = now + QUIET_S
        with contextlib.suppress(Exception):  # it may be the live path that logs
            text = _CREDENTIALS.sub("…@", record.getMessage()[:1000].partition("\n")[0])
            cause = record.exc_info[0] if record.exc_info else None
            self.tell(f"traces: {cut(text, 200)}" + (f" ({cause.__name__})" if cause else ""))

    def end(self) -> None:
        """Leave OpenTelemetry's logging as it was found."""
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return resource.merge(Resource({SERVICE_NAME: "shadow"}))
    return resource


@lru_cache(maxsize=1024)
def _route(endpoint: str) -> str:
    """Return the path template of an endpoint: `GET /v1/items/{id}` → `/v1/items/{id}`."""
    return cut(endpoint.partition(" ")[2] or endpoint, NAME_BYTES)


@lru_cache(maxsize=64)
def _server(target_host: str) -> tuple[str, int | None]:
    """Take apart `localhost:8080`, `[::1]:8080`, `localhost`."""
    host, _, port = target_host.rpartition(":")
    if host and port.isdigit() and port.isascii():
        return host.strip("[]"), int(port)
    return target_host.strip("[]"), None
