from __future__ import annotations

from typing import Any

from shadow.model import Headers, Outcome, Request, SideName
from shadow.sending.target import parse_target
from shadow.sidecar.traces import Spans, Traces, given_up
from shadow.tracing import NO_TRACES, Span
from tests.sidecar.trial import exchange

ENDPOINT = "GET /v1/items/{id}"
SIDES: tuple[SideName, ...] = ("baseline", "candidate")
TARGETS = {
    side: parse_target(f"http://{side}.test:8080", side=side, name=side, option="--x")
    for side in SIDES
}


class Noted:
    """A span of one side, and what became of it."""

    def __init__(self, side: SideName) -> None:
        self.side = side
        self.said: list[object] = []
        self.trace_id = "t" * 32

    def headers(self, headers: Headers) -> Headers:
        return (*headers, ("traceparent", f"of {self.side}"))

    def end(self, seen: object) -> None:
        self.said.append(("end", seen))

    def judged(self, outcome: Outcome | None) -> None:
        self.said.append(("judged", outcome))


class Begins:
    """Stands for OpenTelemetry."""

    active = True

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []

    def start(self, side: SideName, request_headers: Headers, **given: str) -> Span:
        self.begun.append({"side": side, "headers": request_headers, **given})
        return Noted(side)

    def close(self, within_s: float = 0) -> bool:
        return True


def test_each_side_gets_the_request_in_its_own_span() -> None:
    tracing = Begins()
    traces = Traces(tracing, TARGETS, str.upper)
    assert traces.active
    spans: Spans = {}
    found = exchange()
    request = Request(method="POST", target="/x", headers=(("A", "1"),), body=b"{}")
    sent = [traces.begin(spans, side, found, ENDPOINT, request) for side in SIDES]
    for side, each in zip(SIDES, sent, strict=True):
        assert each.headers == (("A", "1"), ("traceparent", f"of {side}"))
        assert (each.method, each.target, each.body) == ("POST", "/x", b"{}")
    assert [each["side"] for each in tracing.begun] == list(SIDES)
    assert {each["exchange_id"] for each in tracing.begun} == {found.id}
    assert {each["endpoint"] for each in tracing.begun} == {ENDPOINT.upper()}  # masked
    assert tracing.begun[0]["target_host"] == "baseline.test:8080"
    assert set(spans) == set(SIDES)


def test_spans_that_nothing_judges_are_given_up() -> None:
    spans: Spans = {side: Noted(side) for side in SIDES}
    given_up(spans)
    for each in spans.values():
        assert isinstance(each, Noted)
        assert each.said == [("end", None), ("judged", None)]


def test_without_opentelemetry_there_is_nothing_to_begin() -> None:
    assert not Traces(NO_TRACES, TARGETS, str).active
