"""What fuzzing found, for a person and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from shadow.fuzzing.findings import Ended, Found, FuzzSummary
from shadow.reports import machine
from shadow.reports.text import cut_end, cut_path, pair, plain, plural

SHOWN: Final = 20
"""Requests that are listed."""
_PLACE: Final = 24
_VALUE: Final = 25
"""Terminal cells that a place, and a compared value, have."""
_ENDED: Final[dict[Ended, str]] = {
    "requests": "--max-requests is reached",
    "time": "--max-time is over",
    "exhausted": "no other request is left to make of these seeds",
    "findings": "there are more findings than anybody reads",
    "interrupted": "interrupted",
    "died": "a service died",
}


def render_json(summary: FuzzSummary) -> str:
    """The summary as one JSON object on one line."""
    told = msgspec.to_builtins(summary)
    for name in ("new", "flaky"):
        told[name] = [_as_json(each) for each in getattr(summary, name)]
    return machine.line(told)


def _as_json(found: Found) -> dict[str, object]:
    one = found.divergence
    return {
        "signature": one.signature,
        "endpoint": found.endpoint,
        "where": one.where,
        "kind": one.kind,
        "path_pattern": one.path_pattern,
        "class": one.class_id,
        "severity": one.severity,
        "baseline": one.baseline,
        "candidate": one.candidate,
        "position": found.position,
        "mutations": found.kinds,
        "id": found.id,
    }


def render(summary: FuzzSummary) -> str:
    """The summary as text."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: FuzzSummary) -> Iterator[str]:
    yield (
        f"asked {plural(summary.asked, 'request')} of both in {summary.duration_s:.1f} s: "
        f"{plural(summary.seeds, 'seed')}, then mutations of them; {_ENDED[summary.ended]}"
    )
    if summary.mutations:
        counted = sorted(summary.mutations.items(), key=lambda each: (-each[1], each[0]))
        yield "mutations: " + ", ".join(f"{name} {count:,}" for name, count in counted)
    yield from _cautions(summary)
    yield (
        f"{plural(summary.known, 'signature')} known from the seeds, {len(summary.new):,} new: "
        f"{len(summary.unexplained):,} unexplained, {len(summary.explained):,} explained"
    )
    yield from _listed("UNEXPLAINED", summary.unexplained)
    yield from _explained(summary.explained)
    yield from _listed("FLAKY, not there when asked again", summary.flaky)
    if summary.died is not None:
        yield ""
        yield f"DIED  {plain(summary.died.name)} takes no connection any more, after"
        for name, request in zip(summary.died.ids, summary.died.requests, strict=True):
            yield f"  {name}  {cut_end(plain(request), 70)}"
        if not summary.died.requests:
            yield "  requests that were all answered"
        if len(summary.died.requests) > 1:
            yield "  one of these: they were in flight together; --concurrency 1 tells which"
    yield ""
    if summary.out:
        yield f"written to {plain(summary.out)}; shadow replay shows it again"
    yield f"--resume goes on at position {summary.position:,}, from {plain(summary.state)}"


def _cautions(summary: FuzzSummary) -> Iterator[str]:
    if summary.writes:
        yield f"left out: {plural(summary.writes, 'write')} of the capture (--allow-writes)"
    if summary.held_back:
        yield f"not sent: {plural(summary.held_back, 'mutation')}, being writes or lacking a value"
    if summary.incomparable:
        yield f"incomparable: {plural(summary.incomparable, 'request')} that the baseline left open"
    if summary.hollow:
        yield (
            f"hollow: {summary.hollow:,} of {plural(summary.seeds, 'seed')}, answered with success "
            "when recorded and refused now: their mutations say little"
        )


def _listed(title: str, found: Sequence[Found]) -> Iterator[str]:
    """Each request that shows something, and what it shows."""
    if not found:
        return
    yield ""
    yield f"{title}  {len(found):,}"
    shown: dict[int, list[Found]] = {}
    for each in found:
        shown.setdefault(each.position, []).append(each)
    for of_one in list(shown.values())[:SHOWN]:
        yield f"{plain(of_one[0].endpoint)}  by {', '.join(of_one[0].kinds)}"
        for each in of_one:
            one = each.divergence
            place = cut_path(plain(f"{one.where} {one.path_pattern}".strip()), _PLACE)
            baseline, candidate = pair(one.baseline, one.candidate, _VALUE)
            yield f"  {one.signature}  {place:{_PLACE}}  {baseline} → {candidate}".rstrip()
    if len(shown) > SHOWN:
        yield f"… and {len(shown) - SHOWN:,} more requests, in --json"


def _explained(found: Sequence[Found]) -> Iterator[str]:
    """The classes at their endpoints, with the places: each has its page already."""
    if not found:
        return
    places: dict[tuple[str, str], list[str]] = {}
    for each in found:
        one = each.divergence
        named = places.setdefault((one.class_id or "", each.endpoint), [])
        named.append(f"{one.where} {one.path_pattern}".strip())
    yield ""
    yield f"EXPLAINED  {len(found):,}"
    for (cause, endpoint), where in sorted(places.items())[: 2 * SHOWN]:
        told = f"{cause}  {plain(endpoint)}: {plain(', '.join(dict.fromkeys(where)))}"
        yield f"  {cut_end(told, 98)}"
    if len(places) > 2 * SHOWN:
        yield f"  … and {len(places) - 2 * SHOWN:,} more, in --json"
