from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from shadow.metrics import METRICS, Counters, Metrics
from shadow.sidecar.ports.status import Readiness, Reply, Scope, StatusApp, status_app
from tests.sidecar.asking import ask

PATHS = ("/-/healthz", "/-/readyz", "/metrics")
OPENMETRICS = "application/openmetrics-text"


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def app(readiness: Readiness, counters: Counters) -> StatusApp:
    return status_app(readiness, metrics=Metrics(counters))


def test_it_is_up_and_ready_or_says_why_not(app: StatusApp, readiness: Readiness) -> None:
    def both() -> tuple[tuple[int, Any], tuple[int, Any]]:
        up, ready = ask(app, "/-/healthz"), ask(app, "/-/readyz")
        return (up.status, up.json), (ready.status, ready.json)

    up = (200, {"status": "ok"})
    assert both() == (up, (503, {"status": "not ready", "reasons": ["starting"]}))
    readiness.start()
    assert both() == (up, (200, {"status": "ready"}))
    readiness.drain()
    assert both() == (up, (503, {"status": "not ready", "reasons": ["draining"]}))


@given(st.lists(st.booleans(), max_size=6))
def test_what_drains_is_never_ready_again(drains: list[bool]) -> None:
    readiness = Readiness()
    for drain in drains:
        (readiness.drain if drain else readiness.start)()
    expected = ("draining",) if True in drains else () if drains else ("starting",)
    assert readiness.reasons == expected


def test_metrics_are_those_of_the_counters(app: StatusApp, counters: Counters) -> None:
    counters.answered("baseline", 200)
    answer = ask(app, "/metrics")
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers[b"content-length"] == str(len(answer.body)).encode()
    families = {each.name for each in text_string_to_metric_families(answer.body.decode())}
    assert families == {name.removesuffix("_total") for name in METRICS}
    assert b'shadow_requests_total{code="2xx",side="baseline"} 1.0\n' in answer.body


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ([OPENMETRICS], OPENMETRICS),
        (["text/plain;q=0.5", f"{OPENMETRICS};q=0.7"], OPENMETRICS),
        (["\xff\x00", "*/*"], "text/plain"),
    ],
)
def test_the_format_of_metrics_is_negotiated(
    app: StatusApp, accept: list[str], content_type: str
) -> None:
    answer = ask(app, "/metrics", "GET", *accept)
    assert answer.headers[b"content-type"].decode().partition(";")[0] == content_type


def test_a_scrape_lets_others_have_their_turn(app: StatusApp, counters: Counters) -> None:
    for number in range(150):
        counters.diverged(f"GET /{number}", "extra", "divergent")
    turns = 0

    async def send(message: Mapping[str, Any]) -> None:
        del message

    async def receive() -> Mapping[str, Any]:
        raise AssertionError("nothing is read")

    async def both() -> None:
        nonlocal turns
        scope = {"type": "http", "method": "GET", "path": "/metrics"}
        scrape = app(scope | {"query_string": b"", "headers": []}, receive, send)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(scrape)
            while not task.done():
                turns += 1
                await asyncio.sleep(0)

    asyncio.run(both())
    assert turns > len(METRICS)


@pytest.mark.parametrize("path", [*PATHS, "/-/gate"])
def test_there_is_what_is_mounted(path: str) -> None:
    async def gate(_: Scope) -> Reply:
        return Reply(body=b"{}")

    bare = status_app(Readiness())
    assert (ask(bare, path).status == 404) == (path in {"/metrics", "/-/gate"})
    full = status_app(Readiness(), metrics=Metrics(Counters()), gate=gate)
    assert ask(full, path).status != 404


@pytest.mark.parametrize("target", [*PATHS, "/nowhere"])
def test_head_is_get_without_the_body(app: StatusApp, target: str) -> None:
    got, head = ask(app, target), ask(app, target, "HEAD")
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers.keys() == got.headers.keys()
    if target != "/metrics":  # what the process is at has changed meanwhile
        assert head.headers == got.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "\x00"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_changed(app: StatusApp, path: str, method: str) -> None:
    answer = ask(app, path, method)
    assert (answer.status, answer.headers[b"allow"]) == (405, b"GET, HEAD")
    assert answer.json["error"] == "only GET and HEAD are served"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/-/", "/-/healthz\n", "*", ""])
def test_what_is_not_there_is_told_with_what_is(app: StatusApp, path: str) -> None:
    answer = ask(app, path)
    assert (answer.status, answer.json["error"]) == (404, "no such path")
    assert answer.json["hint"] == "there are /-/healthz, /-/readyz, /metrics"


@pytest.mark.parametrize("path", PATHS)
def test_a_query_is_bounded(app: StatusApp, path: str) -> None:
    assert ask(app, f"{path}?" + 1_000 * "x").status != 414
    answer = ask(app, f"{path}?" + 1_001 * "x")
    assert (answer.status, answer.json["error"]) == (414, "the query is too long")


def test_only_http_is_served(app: StatusApp) -> None:
    with pytest.raises(RuntimeError, match="websocket is not served"):
        asyncio.run(app({"type": "websocket"}, None, None))  # type: ignore[arg-type]  # not used
