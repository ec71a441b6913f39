"""Routes of the sidecar: their state, the audit ledger of its changes, the guards' evidence.

Pure: the store keeps what is worked out here. A route is an endpoint's name, or `*` for all.

**Evidence and resets.** A reset lets the evidence of its route begin anew, and a sidecar may
still hold counts from before it. So each state carries its `epoch`, the revision of its last
reset, and whoever adds evidence says which states it knew while that was gathered: evidence of a
route that was reset since, or gathered before a reset of all, is dropped whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import msgspec

from shadow.masking import NAME_BYTES, Masker, cut

GO_ALL: Final = "*"
"""The route that stands for all of them."""
BUCKET: Final = 1_000
"""Trials after which a bucket is full: the next addition opens a new one."""
MAX_BUCKETS: Final = 256
"""Buckets of a guard; beyond, the two oldest become one."""

Guard = Literal["divergence", "errors", "latency"]
GUARDS: Final = get_args(Guard)
Action = Literal["set", "unset", "abort", "reset", "rollback"]
EvidenceKey = tuple[str, str, str]
"""Version of the candidate, route, guard."""
MAX_FACTS: Final = 32
"""Entries of the evidence of a rollback that are kept."""


class RouteState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a route stands."""

    route: str
    latched: bool = False
    """Go, whatever the flags say, until a reset."""
    percent: float | None = None
    """Share that Rust serves by an operator's word, 0 to 100; None leaves it to the flag."""
    reason: str = ""
    by: str = ""
    """Who changed it last: `guard:divergence`, `operator:ann`."""
    at: datetime
    revision: int
    """Grows by one with every change of the route."""
    epoch: int = 0
    """The revision of its last reset, 0 where there was none."""


class RouteChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the audit ledger."""

    at: datetime
    action: Action
    route: str
    percent: float | None = None
    """Of `set`."""
    reason: str
    by: str
    version: str = ""
    """Of the candidate. A reset without one clears the evidence of every version."""
    evidence: dict[str, Any] = {}
    """What tripped the guard, of a rollback."""


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """Some trials of a guard, in the order of time, and how many of them were hits."""

    n: int
    x: int


Buckets = tuple[Bucket, ...]
"""Oldest first; each but the last holds at least `BUCKET` trials."""


_MASKER: Final = Masker()
_MARK: Final = re.compile(r"\[masked:[0-9a-f]{4}\]")
_FACT_NAME_BYTES: Final = 100
_LARGEST: Final = 2**63


@lru_cache(maxsize=4096)
def route_name(text: str) -> str:
    """Return the name of a route as it is kept: bounded, and its secrets, if any, all alike.

    The marks of a run (`[masked:3f2a]`) differ between processes, which have to agree on routes.
    """
    masked = _MASKER.mask_text(text[: 4 * NAME_BYTES])
    return version_name(_MARK.sub("[masked]", masked))


def bounded(change: RouteChange) -> RouteChange:
    """Return a change as it is kept: its texts masked and cut."""
    return msgspec.structs.replace(
        change,
        route=route_name(change.route),
        reason=_text(change.reason),
        by=_text(change.by),
        version=version_name(change.version),
        evidence={
            _MASKER.mask_and_cut(name, _FACT_NAME_BYTES): _fact(value)
            for name, value in list(change.evidence.items())[:MAX_FACTS]
        },
    )


def version_name(text: str) -> str:
    """Return the name of a version as it is kept: bounded, and spelled alike in every database."""
    return cut(text.replace("\0", "\N{SYMBOL FOR NULL}"), NAME_BYTES)


def _text(text: str) -> str:
    return _MASKER.mask_and_cut(text, NAME_BYTES)


def _fact(value: Any) -> Any:
    """A number as it is, if JSON has it, and anything else as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) < _LARGEST:
        return int(value) if isinstance(value, int) else float(value)
    return _text(str(value))


def begun(change: RouteChange) -> RouteState:
    """Return the state that a route was in before its first change."""
    return RouteState(route=change.route, at=change.at, revision=0)


def changed(before: RouteState, change: RouteChange) -> RouteState | None:
    """Return the state that a change leads to; None where it changes nothing.

    Latching a latched route changes nothing: whichever sidecar comes first is in the ledger.
    Raises ValueError for a share that is none.
    """
    latches = change.action in {"abort", "rollback"}
    if latches and before.latched:
        return None
    percent = before.percent
    if change.action == "unset":
        percent = None
    elif change.action == "set":
        percent = change.percent
        if percent is None or not 0 <= percent <= 100:
            raise ValueError(f"{percent} is no share from 0 to 100")
    revision = before.revision + 1
    is_reset = change.action == "reset"
    return RouteState(
        route=change.route,
        latched=latches or (before.latched and not is_reset),
        percent=percent,
        reason=change.reason,
        by=change.by,
        at=change.at,
        revision=revision,
        epoch=revision if is_reset else before.epoch,
    )


def is_current(
    route: str, known: Mapping[str, RouteState], states: Mapping[str, RouteState]
) -> bool:
    """Whether evidence that was gathered under `known` still counts under `states`."""
    return all(_epoch(known, name) >= _epoch(states, name) for name in (route, GO_ALL))


def _epoch(states: Mapping[str, RouteState], route: str) -> int:
    return states[route].epoch if route in states else 0


def added(buckets: Buckets, n: int, x: int) -> Buckets:
    """Return the buckets with `n` more trials, `x` of them hits.

    Raises ValueError for counts that cannot be.
    """
    if not 0 <= x <= n:
        raise ValueError(f"{x} hits of {n} trials")
    if n == 0:
        return buckets
    if buckets and buckets[-1].n < BUCKET:
        return (*buckets[:-1], Bucket(n=buckets[-1].n + n, x=buckets[-1].x + x))
    if len(buckets) >= MAX_BUCKETS:
        first, second, *rest = buckets
        buckets = (Bucket(n=first.n + second.n, x=first.x + second.x), *rest)
    return (*buckets, Bucket(n=n, x=x))
