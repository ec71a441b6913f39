"""What a divergence class is: a named cause, how to recognise it, and how to mend it.

A class excuses a *spelling*, never a value: its predicate must prove that both sides mean the
same (the same instant, the same bytes, the same decimal, the same set).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from shadow.compare.bodies import OverBound, decoded
from shadow.compare.difference import ABSENT, Around, Difference
from shadow.compare.json_text import Number, Repeated
from shadow.model import Answer, Headers, NoAnswer, Observation, Request, Response, Severity

Needs = Literal["pair", "request", "corpus", "never"]
PolicyName = Literal["fail", "allow"]
Samples = Sequence[tuple[Any, Any]]
"""(baseline value, candidate value) of every difference seen at one place over a run."""
_T = TypeVar("_T")
MAX_DECODED: Final = 1 << 26
"""Bytes of a decoded body that predicates look at, at most."""


class _Once(Generic[_T]):
    """A property that is made once, without the lock of Python 3.11's `cached_property`."""

    def __init__(self, make: Callable[[Any], _T]) -> None:
        self.make = make
        self.name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, owner: Any, kind: type | None = None) -> _T:
        made: _T = self.make(owner)
        owner.__dict__[self.name] = made
        return made


class Pair:
    """One request and what both services did with it, with every difference found."""

    def __init__(
        self,
        baseline: Observation,
        candidate: Observation,
        differences: Sequence[Difference],
        request: Request | None = None,
        bound: int = MAX_DECODED,
    ) -> None:
        self.baseline = baseline
        self.candidate = candidate
        self.differences = differences
        self.request = request
        self.go = Side(baseline, bound)
        """What the baseline did."""
        self.rust = Side(candidate, bound)
        """What the candidate did."""

    @property
    def over_bound(self) -> bool:
        """A predicate asked for a body that has more bytes than it may have."""
        return self.go.over_bound or self.rust.over_bound


class Side:
    """One observation as predicates read it; every accessor is empty for no answer.

    A body is decoded to `bound` bytes at most; `over_bound` says that it had more.
    """

    def __init__(self, observation: Observation, bound: int = MAX_DECODED) -> None:
        self.bound = min(bound, MAX_DECODED)
        self.over_bound = False
        self.observation = observation
        self.response = observation.response if isinstance(observation, Answer) else None
        self.failure = observation.kind if isinstance(observation, NoAnswer) else None

    @property
    def status(self) -> int:
        """The status, 0 for no answer."""
        return self.response.status if self.response else 0

    @property
    def accepted(self) -> bool:
        """Whether the service took the request."""
        return 200 <= self.status < 400

    @_Once
    def body(self) -> bytes | None:
        """The decoded body; None where there is none to be had."""
        body = decoded(self.response, self.bound) if self.response else None
        self.over_bound = isinstance(body, OverBound)
        return body if isinstance(body, bytes) else None

    @_Once
    def text(self) -> str:
        """The decoded body as text, at most its first 64 KiB; bad bytes replaced."""
        return (self.body or b"")[:65536].decode("utf-8", "replace")

    @_Once
    def headers(self) -> dict[str, str]:
        """The last value of each header by lower-case name."""
        if self.response is None:
            return {}
        return {name.lower(): value for name, value in self.response.headers}

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Place:
    """One difference with the pair it belongs to: what a predicate looks at."""

    def __init__(self, difference: Difference, pair: Pair) -> None:
        self.difference = difference
        self.pair = pair
        self.where = difference.where
        self.kind = difference.kind
        self.go: Any = difference.baseline
        """JSON value (see json_text), header text, status text, or ABSENT."""
        self.rust: Any = difference.candidate

    @property
    def name(self) -> str:
        """The lower-case header name (`set-cookie/NAME[/ATTRIBUTE]` for cookies), else empty."""
        return self.difference.name or ""

    @property
    def key(self) -> str | int | None:
        """The last step of the JSON path."""
        return self.difference.path[-1] if self.difference.path else None

    @property
    def in_json(self) -> bool:
        """The place is in a JSON body, so `go` and `rust` are JSON values."""
        return self.where == "body" and self.difference.name is None

    @property
    def around(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The two objects that hold the place, where it is an object's member."""
        around = self.difference.around
        return around.pair if isinstance(around, Around) else around

    @property
    def repeated(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The two objects that hold the place, where one of them may repeat a name."""
        around = self.difference.around
        return None if isinstance(around, Around) else around


_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LONGEST_TIME: Final = 35
_SORTS: Final[dict[type, str]] = {
    Number: "number",
    bool: "boolean",
    type(None): "null",
    dict: "object",
    Repeated: "object",
    list: "array",
    type(ABSENT): "absent",
}
STRINGS: Final = ("string", "time", "uuid")
ANY: Final = (*STRINGS, *dict.fromkeys(_SORTS.values()))


def sort_of(place: Place) -> str:
    """What classes sort places by: the sorts of both values in JSON, like `time null`.

    Outside JSON it is `header`, `status`, `transport`, or `text` for a whole body; and
    `spelling`, which every class looks at, for two spellings of one value. Two times in one
    zone and of other seconds are `times apart`: no notation makes one moment of them.
    """
    if place.kind == "spelling":
        return "spelling"
    if not place.in_json:
        return "text" if place.where == "body" else place.where
    ours, theirs = _sort(place.go), _sort(place.rust)
    if ours == theirs == "time" and _are_apart(place.go, place.rust):
        return "times apart"
    return f"{ours} {theirs}"


_SECONDS: Final = len("2006-01-02T15:04:05")
_ZULU: Final = "Z"
_OFFSET: Final = len("+07:00")


def _are_apart(go: str, rust: str) -> bool:
    if go[:_SECONDS] == rust[:_SECONDS]:
        return False
    if go.endswith(_ZULU) or rust.endswith(_ZULU):
        return go[-1] == rust[-1]
    return go[-_OFFSET:] == rust[-_OFFSET:]


def _sort(value: Any) -> str:
    """`time` is an RFC 3339 text, `uuid` one in lower case; else the JSON type, or `absent`."""
    sort = _SORTS.get(type(value))
    if sort is not None:
        return sort
    if len(value) <= _LONGEST_TIME and _TIME.fullmatch(value):
        return "time"
    return "uuid" if _UUID.fullmatch(value) else "string"


def between(go: Sequence[str], rust: Sequence[str]) -> frozenset[str]:
    """Sorts of place: one of the first on Go's side, one of the others on Rust's."""
    return frozenset(f"{ours} {theirs}" for ours in go for theirs in rust)


def among(some: Sequence[str], others: Sequence[str]) -> frozenset[str]:
    """The same, whichever side has which."""
    return between(some, others) | between(others, some)


TEXTS: Final = among(STRINGS, STRINGS) - {"time time", "uuid uuid"}
"""Two strings that are not both times, and not both UUIDs."""
NUMBERS: Final = frozenset({"number number"})
ONE_SIDED: Final = among(ANY, ("absent",))
HEADER: Final = frozenset({"header"})
SPELLED: Final = frozenset({"spelling"})


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """Two answers to one request; for a corpus class, the samples of one place."""

    go: Observation | None = None
    rust: Observation | None = None
    request: Request | None = None
    samples: tuple[tuple[str, str], ...] = ()
    """JSON texts of both sides at one place, for corpus classes."""
    note: str = ""


class DivergenceClass(msgspec.Struct, frozen=True, kw_only=True):
    """One named cause of divergence.

    At least one of `at` (is this one place an instance?), `whole` (does this exchange as a
    whole show it? then it is given to every place that `covers` names) and `over` (do all
    samples of one place show it?) is given, unless `needs` is `never`.
    """

    id: str
    title: str
    go: str
    """What Go's default stack emits."""
    rust: str
    """What Rust's default stack emits."""
    impact: str
    fix_go: str
    fix_rust: str
    severity: Severity
    policy: PolicyName
    needs: Needs = "pair"
    at: Callable[[Place], bool] | None = None
    whole: Callable[[Pair], bool] | None = None
    sorts: frozenset[str] | None = None
    """For `at`: the sorts of place (see `sort_of`) that can be an instance; None: any."""
    when: Callable[[Pair], bool] | None = None
    """For `at`: whether an exchange can have an instance at all, told cheaply."""
    on_success: bool = False
    """For `whole`: it can show where both services took the request with one status."""
    covers: frozenset[str] = frozenset({"status", "body", "content-type"})
    """Places a `whole` class explains: `status`, `body`, `transport`, lower-case header names."""
    over: Callable[[Samples], bool] | None = None
    keys: re.Pattern[str] | None = None
    """For `over`: the member name of the place must match, case apart."""
    valid: tuple[Example, ...] = ()
    invalid: tuple[Example, ...] = ()

    def fits(self, sort: str) -> bool:
        """Whether `at` has to look at places of this sort; where it has not, it is False there."""
        of_sort = self.sorts is None or sort == "spelling" or sort in self.sorts
        return self.at is not None and of_sort

    def covers_place(self, place: Place) -> bool:
        """Whether a `whole` class explains this place.

        What explains the status also explains the Location that only a success gives.
        """
        name = place.name if place.where == "header" else place.where
        return name in self.covers or ("status" in self.covers and _is_lost_location(place))


def _is_lost_location(place: Place) -> bool:
    """One side took the request and gives a Location; the other refused it and gives none."""
    if place.name != "location" or place.kind not in ("missing", "extra"):
        return False
    go, rust = place.pair.go, place.pair.rust
    taken, refused = (go, rust) if place.kind == "missing" else (rust, go)
    return taken.accepted and 400 <= refused.status < 500


def answer(status: int = 200, body: str | bytes = "", **headers: str) -> Answer:
    """An example answer; header names are given with `_` for `-`; JSON unless told otherwise."""
    given: Headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    if body and not any(name.lower() == "content-type" for name, _ in given):
        given = (("Content-Type", "application/json"), *given)
    data = body.encode() if isinstance(body, str) else body
    return Answer(response=Response(status=status, headers=given, body=data))


def json_pair(go: str, rust: str, note: str = "") -> Example:
    """An example of two JSON bodies with status 200."""
    return Example(go=answer(body=go), rust=answer(body=rust), note=note)


def plain(status: int, text: str, **headers: str) -> Answer:
    """An example answer in plain text."""
    return answer(status, text, Content_Type="text/plain; charset=utf-8", **headers)


def http_error(status: int, text: str, **headers: str) -> Answer:
    """An example answer as Go's `http.Error` writes it."""
    return plain(status, text + "\n", X_Content_Type_Options="nosniff", **headers)


def pairs(*both: tuple[Observation, Observation] | Example) -> tuple[Example, ...]:
    """Examples from pairs of a Go and a Rust observation."""
    return tuple(
        one if isinstance(one, Example) else Example(go=one[0], rust=one[1]) for one in both
    )


def asked(target: str = "/", method: str = "GET", body: str = "", **headers: str) -> Request:
    """An example request."""
    given: Headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(method=method, target=target, headers=given, body=body.encode())


__all__ = [
    "ABSENT",
    "DivergenceClass",
    "Example",
    "Pair",
    "Place",
    "Samples",
    "Side",
    "answer",
    "asked",
    "http_error",
    "json_pair",
    "pairs",
    "plain",
]
