"""What the live page is made of at one moment, as JSON: bounded, and plain text only.

The page polls it every second, so it is small whatever the sidecar has seen: the worst
endpoints, the newest findings, the guards that are nearest to tripping. What has no place is
counted.
"""

from __future__ import annotations

from datetime import UTC
from functools import lru_cache
from typing import Any, Final

from shadow import __version__
from shadow.reports.live.view import Live, LiveEndpoint, LiveGuard, LiveQueue, LiveRoute
from shadow.reports.page.findings import compact
from shadow.reports.text import cut_end, percent, plain, plural
from shadow.results.routes import GO_ALL

ROWS: Final = 200
"""Endpoints and routes that are shown."""
GUARDS: Final = 20
FINDINGS: Final = 50
_FINDINGS_BYTES: Final = 150_000
_NAME: Final = 160
_TEXT: Final = 400
_SHEDS: Final = 10
_OUTCOMES: Final = ("match", "equivalent", "divergent", "incomparable", "skipped")


def polled(live: Live) -> dict[str, Any]:
    """Return everything the page shows, of less than 300 kB as JSON."""
    endpoints = sorted(live.endpoints, key=_worst_first)
    routes = sorted(filter(_is_of_note, live.routes.routes), key=_latched_first)
    guards = sorted(live.routes.guards, key=lambda each: (-each.evidence, -each.n, each.route))
    found = [each for each in live.findings if each.finding.verdict == "divergent"]
    newest = sorted(found, key=lambda each: each.first, reverse=True)[:FINDINGS]
    findings = compact(
        [each.finding for each in newest],
        _FINDINGS_BYTES,
        names=[plain(name) for name in live.names],
        urls=live.urls,
        run=live.run_id,
    )
    shown = len(findings["findings"])
    return {
        "v": 1,
        "at": live.at.astimezone(UTC),
        "version": __version__,
        "headline": _headline(live),
        "origin": _origin(live),
        "started": live.started.astimezone(UTC),
        "outcomes": {name: getattr(live, name) for name in _OUTCOMES},
        "routes": [_route(each) for each in routes[:ROWS]],
        "routes_left": len(live.routes.routes) - len(routes[:ROWS]),
        "guards": [_guard(each) for each in guards[:GUARDS]],
        "guards_left": max(0, len(guards) - GUARDS),
        "endpoints": [_endpoint(each) for each in endpoints[:ROWS]],
        "endpoints_left": max(0, len(endpoints) - ROWS) + live.endpoints_left,
        "findings": findings,
        "seen": [
            (each.first.astimezone(UTC), each.last.astimezone(UTC)) for each in newest[:shown]
        ],
        "findings_left": len(found) - shown,
        "excused": len(live.findings) - len(found),
        "queue": _queue(live.queue),
        "store": {
            "name": _cut(live.store.name),
            "shared": live.store.shared,
            "error": _cut(live.store.error),
            "lost": live.store.lost,
        },
        "flags": {
            "path": _cut(live.flags.path),
            "generation": live.flags.generation,
            "loaded": live.flags.loaded and live.flags.loaded.astimezone(UTC),
            "error": _cut(live.flags.error),
        },
    }


def _headline(live: Live) -> dict[str, str]:
    """The one thing an operator must not miss: the state in a word, and a sentence."""
    go, rust = (cut_end(plain(name), 40) for name in live.names)
    latched = {each.route for each in live.routes.routes if each.latched}
    weights = {each.route: each.weight for each in live.routes.routes if each.weight}
    if latched:
        what = "everything" if GO_ALL in latched else plural(len(latched), "route")
        word, text = "Latched", f"{what} on {go} until a reset"
    elif weights:
        named = len(weights.keys() - {GO_ALL})
        share = percent(max(weights.values()))
        of = f"up to {share} of {plural(named, 'route')}" if named else share
        word, text = "Canary", f"{rust} serves {of}"
    else:
        word, text = "Shadowing", f"{go} serves everything"
    return {"word": word, "text": text, "judged": _judged(live)}


def _judged(live: Live) -> str:
    compared = live.match + live.equivalent + live.divergent
    if not compared:
        return "Nothing is compared yet."
    found = f"{live.divergent:,}" if live.divergent else "None"
    return f"{found} of {plural(compared, 'compared exchange')} diverged."


def _origin(live: Live) -> str:
    parts = [live.command, f"run {live.run_id}" if live.run_id else "", live.version]
    return " · ".join(_cut(part) for part in parts if part)


def _worst_first(each: LiveEndpoint) -> tuple[int, int, str]:
    total = sum(getattr(each, name) for name in _OUTCOMES)
    return -each.divergent, -total, each.endpoint


def _is_of_note(each: LiveRoute) -> bool:
    """Whether somebody has changed the route, or Rust serves some of it."""
    return each.route == GO_ALL or each.at is not None or bool(each.weight)


def _latched_first(each: LiveRoute) -> tuple[bool, bool, float, str]:
    return each.route != GO_ALL, not each.latched, -(each.weight or 0.0), each.route


def _route(each: LiveRoute) -> dict[str, Any]:
    return {
        "route": _name(each.route),
        "latched": each.latched,
        "percent": each.percent,
        "weight": each.weight,
        "since": each.since and each.since.astimezone(UTC),
        "reason": _cut(each.reason),
        "by": _name(each.by),
        "at": each.at and each.at.astimezone(UTC),
    }


def _guard(each: LiveGuard) -> dict[str, Any]:
    return {
        "route": _name(each.route),
        "guard": each.guard,
        "n": each.n,
        "x": each.x,
        "evidence": round(each.evidence, 4),
        "upper": each.upper,
        "tripped": each.tripped,
    }


def _endpoint(each: LiveEndpoint) -> dict[str, Any]:
    return {
        "endpoint": _name(each.endpoint),
        **{name: getattr(each, name) for name in _OUTCOMES},
        "p50": (each.baseline.p50, each.candidate.p50),
        "p99": (each.baseline.p99, each.candidate.p99),
    }


def _queue(queue: LiveQueue) -> dict[str, Any]:
    sheds = sorted(queue.shed.items(), key=lambda item: (-item[1], item[0]))
    return {
        "depth": queue.depth,
        "capacity": queue.capacity,
        "bytes": queue.bytes,
        "max_bytes": queue.max_bytes,
        "shed": sum(queue.shed.values()),
        "sheds": [(_name(reason), count) for reason, count in sheds[:_SHEDS]],
    }


@lru_cache(maxsize=4096)
def _name(text: str) -> str:
    return cut_end(plain(text), _NAME)


def _cut(text: str) -> str:
    return cut_end(plain(text), _TEXT)
