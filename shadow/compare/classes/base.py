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
from shadow.compare.classes.examples import Example
from shadow.compare.difference import Around, Difference
from shadow.model import Answer, NoAnswer, Observation, Request, Severity

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
        self.status = self.response.status if self.response else 0
        """0 for no answer."""
        self.accepted = 200 <= self.status < 400
        """Whether the service took the request."""

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
    types: frozenset[str] | None = None
    """For `at`: the places that can be an instance, by their `value_types.types_at`; None: any."""
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

    def fits(self, types: str) -> bool:
        """Whether `at` has to look at places of these types; where it has not, it is False."""
        of_types = self.types is None or types == "spelling" or types in self.types
        return self.at is not None and of_types

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
