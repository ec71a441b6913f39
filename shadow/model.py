"""The nouns that cross package borders.

Header names, header values and request targets are *isomorphic* strings: each character is
one byte of the wire (U+0000 to U+00FF), so every byte survives and no string can fail to
encode. `readable` turns one into text for a person. Bodies are raw bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import msgspec

Headers = tuple[tuple[str, str], ...]
"""Name and value pairs in wire order, with multiplicity and case kept."""

NoAnswerKind = Literal["connect", "timeout", "reset", "protocol", "tls"]
SideName = Literal["baseline", "candidate"]
SIDES: Final[tuple[SideName, SideName]] = ("baseline", "candidate")

FORM: Final = "application/x-www-form-urlencoded"


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request. `body` is after transfer-decoding and before content-decoding."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    decoded: bool = False
    """The source had already undone the content-encoding."""
    truncated: bool = False
    """The body was cut when it was recorded."""


class Response(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP response; the fields mean what they mean in `Request`."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    decoded: bool = False
    truncated: bool = False


class Timing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Seconds on one monotonic clock."""

    due: float
    """When the schedule wanted the request sent."""
    sent: float
    done: float

    @property
    def service_s(self) -> float:
        """Time from sending to the last byte, in seconds."""
        return self.done - self.sent

    @property
    def response_s(self) -> float:
        """Time from the due moment to the last byte, in seconds (free of coordinated omission)."""
        return self.done - self.due


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An observation: the service answered. A recorded answer may have no timing."""

    response: Response
    timing: Timing | None = None


class NoAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An observation: the service gave no complete answer."""

    kind: NoAnswerKind
    detail: str = ""
    timing: Timing | None = None


Observation = Answer | NoAnswer


class Exchange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One recorded request with, where known, what was answered then.

    At most one of `response` and `error` is present.
    """

    id: str
    request: Request
    response: Response | None = None
    error: NoAnswer | None = None
    latency_ms: float | None = None
    session: str | None = None
    ts: datetime | None = None
    """When the request was recorded, timezone-aware."""

    @property
    def recorded(self) -> Observation | None:
        """What the recorder saw, as an observation, with its latency where that is known."""
        if self.response is None:
            return self.error
        timing = None
        if self.latency_ms is not None:
            timing = Timing(due=0.0, sent=0.0, done=self.latency_ms / 1000)
        return Answer(response=self.response, timing=timing)


class Outcome(StrEnum):
    """Where an exchange ends; every exchange read ends in exactly one."""

    MATCH = "match"
    EQUIVALENT = "equivalent"
    DIVERGENT = "divergent"
    INCOMPARABLE = "incomparable"
    SKIPPED = "skipped"


Where = Literal["status", "header", "body", "transport", "state"]
BODIES: Final[frozenset[Where]] = frozenset({"body", "state"})
"""Where a path is one of a body."""
STATE: Final = "STATE "
"""How the endpoint of a probe of the state begins; a path of a request would follow with `/`."""
Kind = Literal[
    "value_changed",
    "type_changed",
    "missing",
    "extra",
    "reordered",
    "length_changed",
    "spelling",
    "no_answer",
    "undecodable",
    "over_budget",
    "mapping_broken",
]
Severity = Literal["breaking", "risky", "benign"]
Verdict = Literal["divergent", "noise", "accepted", "equivalent"]


class Divergence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One difference at one place of one exchange, judged.

    `baseline` and `candidate` are the JSON text as it stood (so `1` and `1.0` differ), None
    only where the value is absent; they are raw here and masked before they leave memory.
    """

    where: Where
    kind: Kind
    path: str
    """RFC 9535 normalized path for JSON; lower-case name for headers; empty for status."""
    path_pattern: str
    signature: str
    baseline: str | None
    candidate: str | None
    class_id: str | None = None
    severity: Severity = "breaking"
    verdict: Verdict = "divergent"
    rule: str | None = None
    """What excused it: `class:…`, `noise:…`, `accept:…`; None for a divergent one."""
    wrong_side: Literal["baseline"] | None = None
    unstable: bool = False


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the judge says of one exchange."""

    outcome: Outcome
    reason: str = ""
    """Why an exchange was skipped or is incomparable; empty otherwise."""
    divergences: tuple[Divergence, ...] = ()
    spellings: tuple[str, ...] = ()
    """Header spelling classes seen (name case, order, framing): tallied, not logged."""
    hollow: str = ""
    """The likely cause, where a recorded success was not repeated; empty where it was."""
    cut: bool = False
    """A body was cut short on either side."""
    clock_gap_s: float = 0.0
    """How much later the candidate answered than the baseline, in seconds."""
    over_budget: bool = False
    """Comparing stopped at its budget: a larger one may come to another judgement."""


def is_state(endpoint: str) -> bool:
    """Whether an endpoint is a probe of the state, and no request of a capture."""
    return endpoint.startswith(STATE) and not endpoint.startswith(f"{STATE}/")


def header_values(headers: Sequence[tuple[str, str]], name: str) -> list[str]:
    """All values of a header; `name` in lower case."""
    return [value for key, value in headers if key.lower() == name]


def header(headers: Sequence[tuple[str, str]], name: str) -> str | None:
    """The first value of a header, or None; `name` in lower case."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def media_type(headers: Sequence[tuple[str, str]]) -> str:
    """The media type of a message in lower case, without parameters; empty where none is said."""
    return (header(headers, "content-type") or "").partition(";")[0].strip().lower()


def isomorphic(text: str) -> str:
    """Text of a file (UTF-8) as the wire carries it: one character a byte."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def readable(wire: str) -> str:
    """An isomorphic string for a person: UTF-8 where it is UTF-8, else replaced bytes."""
    return wire if wire.isascii() else wire.encode("latin-1").decode("utf-8", "replace")
