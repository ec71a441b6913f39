"""A sidecar as the live page sees it: one with something of everything, and one full of a text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from shadow.reports.live.view import (
    Live,
    LiveEndpoint,
    LiveFinding,
    LiveFlags,
    LiveGuard,
    LiveQueue,
    LiveRoute,
    LiveRoutes,
    LiveStore,
    LiveTimes,
)
from shadow.results.routes import Guard
from shadow.results.summary import Summary

AT = datetime(2026, 11, 26, 12, 5, 7, tzinfo=UTC)


def guard(route: str, name: Guard, log_e: float, **given: object) -> LiveGuard:
    found = LiveGuard(
        route=route,
        guard=name,
        n=41_203,
        x=31,
        log_e=log_e,
        log_sr=None,
        threshold_e=5.0,
        threshold_sr=9.9,
        upper=0.00091,
    )
    return msgspec.structs.replace(found, **given)


def sidecar(summary: Summary) -> Live:
    """A proxy with a canary: one route is latched, one is an operator's, the flag has the rest."""
    names = [each.endpoint for each in summary.endpoints]
    return Live(
        at=AT,
        started=AT - timedelta(hours=2),
        command="proxy",
        run_id="20261126-100507-5adf",
        urls=("http://127.0.0.1:8080", "http://127.0.0.1:8081"),
        version="1.4.2",
        match=12_044,
        equivalent=29_128,
        divergent=31,
        incomparable=12,
        skipped=1_204,
        routes=LiveRoutes(
            routes=(
                LiveRoute(route="*", weight=0.05),
                LiveRoute(
                    route=names[0],
                    latched=True,
                    percent=25,
                    weight=0.0,
                    since=AT - timedelta(minutes=3),
                    reason="divergence: 31 of 812 exchanges, at most 0.1 % is allowed",
                    by="guard:divergence",
                    at=AT - timedelta(minutes=3),
                    revision=4,
                ),
                LiveRoute(
                    route=names[1],
                    percent=25,
                    weight=0.25,
                    reason="first canary",
                    by="operator:ada",
                    at=AT - timedelta(minutes=50),
                    revision=1,
                ),
                LiveRoute(route=names[2], weight=0.0),
            ),
            guards=(
                guard(names[0], "divergence", 5.4, n=812, tripped=True, upper=0.051),
                guard("*", "divergence", 2.1),
                guard("*", "errors", 0.0, x=0, upper=0.00012),
                guard(names[1], "latency", -1.2, x=3, upper=0.0004),
            ),
        ),
        endpoints=tuple(
            LiveEndpoint(
                endpoint=name,
                match=3_011 * (4 - place),
                equivalent=7_282,
                divergent=(31, 0, 0, 0)[place % 4],
                incomparable=3,
                skipped=(0, 1_204, 0, 0)[place % 4],
                baseline=LiveTimes(p50=1_240 + 900 * place, p99=21_400),
                candidate=LiveTimes(p50=610 + 700 * place, p99=None if place == 2 else 9_870),
            )
            for place, name in enumerate(names)
        ),
        findings=tuple(
            LiveFinding(
                first=AT - timedelta(minutes=place),
                last=AT - timedelta(seconds=10 if place else 0),
                finding=finding,
            )
            for place, finding in enumerate(summary.findings)
        ),
        queue=LiveQueue(
            depth=12,
            capacity=1_024,
            bytes=311_296,
            max_bytes=64 * 1024 * 1024,
            shed={"queue-full": 3, "queue-bytes": 41},
        ),
        store=LiveStore(name=".shadow/shadow.sqlite"),
        flags=LiveFlags(path="flags.json", generation=4, loaded=AT - timedelta(minutes=50)),
    )


def full_of(live: Live, *texts: str, times: int = 1) -> Live:
    """The same with the texts in every place that others decide, `times` of each kind of row."""
    replace = msgspec.structs.replace
    routes, finding, text = live.routes, live.findings[0], texts[0]
    many = [(number, texts[number % len(texts)]) for number in range(times)]
    return replace(
        live,
        run_id=text,
        version=text,
        names=(text, text),
        urls=(text, text),
        endpoints=tuple(
            replace(live.endpoints[0], endpoint=f"{number or ''}{each}") for number, each in many
        ),
        routes=LiveRoutes(
            routes=tuple(
                replace(routes.routes[1], route=f"{number or ''}{each}", reason=each, by=each)
                for number, each in many
            ),
            guards=tuple(replace(routes.guards[0], route=each) for _, each in many),
        ),
        findings=tuple(
            replace(
                finding,
                finding=replace(finding.finding, endpoint=each, signature=f"{number:016x}"),
            )
            for number, each in many
        ),
        queue=replace(live.queue, shed={f"{number}{each}": 1 for number, each in many[:30]}),
        store=replace(live.store, name=text, error=text),
        flags=replace(live.flags, path=text, error=text),
    )
