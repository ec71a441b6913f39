"""Which trace a request belongs to, and a span of that trace for each service it is sent to.

A request names its trace in the header `traceparent` (W3C Trace Context,
https://www.w3.org/TR/trace-context/). Without OpenTelemetry it goes to both services as it came.
With it, each service gets a header of its own, which names the span of that side as its parent.
`otel` is the one module that imports OpenTelemetry, which comes with the extra `otel`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from shadow.errors import ConfigError
from shadow.model import Headers, Observation, Outcome, SideName

CLOSE_S: Final = 5.0
"""How long the last spans may take to be sent, in seconds."""
LOOK: Final = "look at the OTEL_… variables of the environment"

_NAME: Final = "traceparent"
_NAME_LENGTH: Final = len(_NAME)
_TRACEPARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?",
    re.DOTALL,
)
_SAMPLED: Final = 0x01


class Parent(NamedTuple):
    """The span that a request says it was sent in."""

    trace_id: str
    """32 hex digits, lower case."""
    span_id: str
    """16 hex digits, lower case."""
    flags: int
    """Of a version that is not known here, the sampled flag alone."""


def trace_id_of(headers: Headers) -> str | None:
    """Return the id of the trace that a request belongs to; None without a valid one."""
    found = _find(headers)
    return None if found is None else found[2]


def parent_of(headers: Headers) -> Parent | None:
    """Return the span that a request was sent in; None without a valid one."""
    found = _find(headers)
    if found is None:
        return None
    version, trace_id, span_id, flags, _ = found.groups()
    known = int(flags, 16)
    return Parent(trace_id, span_id, known if version == "00" else known & _SAMPLED)


def _find(headers: Headers) -> re.Match[str] | None:
    """Match the one `traceparent`: of version 00, or of a later one as far as 00 goes.

    Source: sections 3.2.2 and 4.3 of the recommendation. Several of them are none.
    """
    found = None
    for name, value in headers:
        if len(name) == _NAME_LENGTH and name.lower() == _NAME:
            if found is not None:
                return None
            found = value
    if found is None:
        return None
    match = _TRACEPARENT.fullmatch(found.strip(" \t"))
    if match is None or (match[5] is not None and match[1] == "00"):
        return None
    return match


class Span(Protocol):
    """What one service was asked within one exchange."""

    @property
    def trace_id(self) -> str | None:
        """The id of its trace; None without OpenTelemetry, where `trace_id_of` may know one."""

    def headers(self, headers: Headers) -> Headers:
        """Return the header fields to send to this service: those given, in the span's trace."""

    def end(self, seen: Observation | int | None) -> None:
        """Note now as its end, and what was seen: an observation, or the bare status.

        None stands for a request that was given up, of which nothing will be judged. Of two
        calls the first counts.
        """

    def judged(self, outcome: Outcome | None) -> None:
        """Note what the exchange was judged to be; None where nothing judged it.

        A candidate's span waits for this: one that ended and is never judged is never exported.
        The baseline's does not, and takes no note.
        """


class Tracing(Protocol):
    """Begins spans. Every call is short, waits for nothing and may come from any thread."""

    @property
    def active(self) -> bool:
        """Whether spans are made: where not, the other calls do nothing and need not be made."""

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
        """Begin the span of one side, below the span that the request names in its headers.

        Where the request names none, a trace begins. It is the same for all spans with one
        `exchange_id`, which is unique to the process, and so is what a sampler says of them.
        `endpoint` is masked, `GET /v1/items/{id}`; `target_host` is host and port as in a Host
        field.
        """

    def close(self, within_s: float = CLOSE_S) -> bool:
        """Send what has ended, within a bound in seconds; say whether that was enough."""


class _NoSpan:
    """A span that nobody hears of."""

    __slots__ = ()
    trace_id = None

    def headers(self, headers: Headers) -> Headers:
        return headers

    def end(self, seen: Observation | int | None) -> None:
        pass

    def judged(self, outcome: Outcome | None) -> None:
        pass


_NO_SPAN: Final = _NoSpan()


class _NoTraces:
    """Makes no spans: headers pass as they came."""

    __slots__ = ()
    active = False

    def start(
        self,
        side: SideName,  # noqa: ARG002 - as the protocol has it, here and below
        request_headers: Headers,  # noqa: ARG002
        *,
        endpoint: str,  # noqa: ARG002
        method: str,  # noqa: ARG002
        target_host: str,  # noqa: ARG002
        exchange_id: str,  # noqa: ARG002
    ) -> Span:
        return _NO_SPAN

    def close(self, within_s: float = CLOSE_S) -> bool:  # noqa: ARG002
        return True


NO_TRACES: Final[Tracing] = _NoTraces()


def open_tracing(*, enabled: bool, tell: Callable[[str], None]) -> Tracing:
    """Start OpenTelemetry as the OTEL_… variables of the environment want it.

    It is `NO_TRACES` unless `enabled`, or where OTEL_SDK_DISABLED says so. `tell` gets a line
    for what OpenTelemetry has to say, from any thread: at most one a minute of each kind.
    Raises ConfigError where OpenTelemetry or the exporter is not installed, or a variable is
    wrong. Close what is returned.
    """
    if not enabled or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return NO_TRACES
    try:
        from shadow.tracing import otel  # noqa: PLC0415 - only with the extra `otel`
    except ImportError:
        raise ConfigError(
            "--traces: OpenTelemetry is not installed", "pip install 'shadow-traffic[otel]'"
        ) from None
    except ValueError as error:  # OpenTelemetry reads a variable as it is imported
        raise ConfigError(f"OpenTelemetry: {error}", LOOK) from None
    return otel.open_spans(tell)
