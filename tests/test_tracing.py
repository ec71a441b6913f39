"""The trace of a request is found, and each service is asked in a span of it."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import trace as api
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import shadow.tracing
from shadow.errors import ConfigError
from shadow.model import (
    Answer,
    Headers,
    NoAnswer,
    NoAnswerKind,
    Observation,
    Outcome,
    Response,
    SideName,
)
from shadow.tracing import NO_TRACES, Span, Tracing, exporters, open_tracing, parent_of, trace_id_of
from shadow.tracing.otel import Notices, OtelTracing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED = f"00-{TRACE}-{PARENT}-00"
OK = Answer(response=Response(status=200))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    for each in logging.getLogger("opentelemetry.sdk._shared_internal").filters:
        vars(each).pop("last_log", None)  # the SDK says the same thing once in 20 s


# Which trace


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        (SAMPLED, 1),
        (UNSAMPLED, 0),
        (f"00-{TRACE}-{PARENT}-ff", 255),
        (f"01-{TRACE}-{PARENT}-ff", 1),
        (f"cc-{TRACE}-{PARENT}-02-what-the-future-will-be-like", 0),
        (f"01-{TRACE}-{PARENT}-01-", 1),
        (f"01-{TRACE}-{PARENT}-01-\n", 1),
        (f" {SAMPLED}\t", 1),
    ],
)
def test_a_valid_parent_is_read(value: str, flags: int) -> None:
    headers = (("Host", "a"), ("TraceParent", value), ("x-traceparent", "no"))
    assert parent_of(headers) == (TRACE, PARENT, flags)
    assert trace_id_of(headers) == TRACE


@pytest.mark.parametrize(
    "value",
    [
        "",
        SAMPLED.upper(),
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01-",
        f"01-{TRACE}-{PARENT}-01.more",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}-0\u00b2",
        f"{SAMPLED},{SAMPLED}",
    ],
)
def test_what_is_not_valid_is_none(value: str) -> None:
    headers = (("traceparent", value),)
    assert parent_of(headers) is None
    assert trace_id_of(headers) is None


def test_one_parent_is_enough() -> None:
    assert trace_id_of(()) is None
    assert trace_id_of((("traceparent", SAMPLED), ("Traceparent", SAMPLED))) is None
    assert trace_id_of((("traceparent", "?"), ("traceparent", SAMPLED))) is None


HEX = "0123456789abcdef"
ODD = st.text(st.characters(max_codepoint=255), max_size=70)
LIKE = st.lists(st.text(HEX + "AF-g \n", max_size=33), min_size=3, max_size=6).map("-".join)
FUTURE = st.builds(
    "{}-{}-{}-{}{}".format,
    st.text(HEX, min_size=2, max_size=2),
    st.one_of(st.just("0" * 32), st.text(HEX, min_size=32, max_size=32)),
    st.one_of(st.just("0" * 16), st.text(HEX, min_size=16, max_size=16)),
    st.text(HEX, min_size=2, max_size=2),
    st.one_of(st.just(""), ODD, ODD.map("-{}".format)),
)


def slowly(value: str) -> str | None:
    """The trace id, by the words of the recommendation."""
    value = value.strip(" \t")
    version, trace_id, span_id, flags = value[:2], value[3:35], value[36:52], value[53:55]
    digits = version + trace_id + span_id + flags
    if len(digits) != 52 or set(digits) - set(HEX) or version == "ff":
        return None
    if {value[2], value[35], value[52]} != {"-"} or not (int(trace_id, 16) and int(span_id, 16)):
        return None
    rest = value[55:]
    if rest and (version == "00" or rest[0] != "-"):
        return None
    return trace_id


@given(st.one_of(ODD, LIKE, FUTURE))
@example(SAMPLED)
def test_any_value_is_read_as_the_recommendation_has_it(value: str) -> None:
    assert trace_id_of((("traceparent", value),)) == slowly(value)


# Without OpenTelemetry


def start(
    tracing: Tracing,
    side: SideName,
    headers: Headers = (),
    *,
    exchange_id: str = "x1",
    endpoint: str = "GET /v1/items/{id}",
    method: str = "GET",
    target_host: str = "go.test:8080",
) -> Span:
    return tracing.start(
        side,
        headers,
        endpoint=endpoint,
        method=method,
        target_host=target_host,
        exchange_id=exchange_id,
    )


def test_headers_pass_untouched_where_nothing_is_traced() -> None:
    for tracing in (NO_TRACES, open_tracing(enabled=False, tell=pytest.fail)):
        assert not tracing.active
        headers = (("Traceparent", SAMPLED), ("a", "b"))
        span = start(tracing, "candidate", headers)
        assert span.headers(headers) is headers
        assert span.trace_id is None
        span.end(OK)
        span.judged(Outcome.MATCH)
        assert tracing.close()


def test_the_standard_variable_switches_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", " True")
    assert open_tracing(enabled=True, tell=pytest.fail) is NO_TRACES


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(shadow.tracing, "otel")
    monkeypatch.delitem(sys.modules, "shadow.tracing.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match="OpenTelemetry is not installed") as caught:
        open_tracing(enabled=True, tell=pytest.fail)
    assert caught.value.hint == "pip install 'shadow-traffic[otel]'"
    assert open_tracing(enabled=False, tell=pytest.fail) is NO_TRACES


ALONE = """
import sys
from shadow.errors import ConfigError
from shadow.tracing import open_tracing
open_tracing(enabled=False, tell=print)
assert not any(name.startswith("opentelemetry") for name in sys.modules)
try:
    open_tracing(enabled=True, tell=print)
except ConfigError as error:
    print(error.message)
"""


def test_nothing_of_it_is_imported_before_it_is_asked_for() -> None:
    environment = {**os.environ, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"}
    words = [sys.executable, "-W", "error", "-c", ALONE]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("OpenTelemetry: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be")
    assert ended.stderr == ""


# With it


class Traced:
    """Tracing into memory."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.told: list[str] = []
        self.tracing = OtelTracing([self._memory], Notices(self.told.append))

    def spans(self) -> dict[str, ReadableSpan]:
        """What was exported, by the names of the spans."""
        assert self.tracing.close()
        found = self._memory.get_finished_spans()
        by_name = {span.name: span for span in found}
        assert len(by_name) == len(found)
        return by_name


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    yield traced
    traced.tracing.close()


def exchange(
    tracing: Tracing,
    headers: Headers,
    *,
    go: Observation | int | None = OK,
    rust: Observation | int | None = OK,
    outcome: Outcome | None = Outcome.MATCH,
) -> tuple[Headers, Headers, str]:
    """Trace one exchange; returns what each side was sent, and the trace."""
    baseline = start(tracing, "baseline", headers)
    candidate = start(tracing, "candidate", headers, target_host="[::1]:8081")
    for span, seen in ((baseline, go), (candidate, rust)):
        span.end(seen)
        span.judged(outcome)
    assert baseline.trace_id is not None
    assert baseline.trace_id == candidate.trace_id
    return baseline.headers(headers), candidate.headers(headers), baseline.trace_id


def context_of(span: ReadableSpan) -> api.SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def test_a_span_for_each_side_below_the_recorded_one(traced: Traced) -> None:
    assert traced.tracing.active
    state = ("TraceState", "vendor=1, broken==")
    headers = (("Host", "a"), ("TraceParent", SAMPLED), state, ("Z", "1"), ("z", "2"))
    *sent, trace_id = exchange(traced.tracing, headers, outcome=Outcome.DIVERGENT)
    assert trace_id == TRACE
    spans = traced.spans()
    assert spans.keys() == {"shadow go", "shadow rust"}
    for name, fields in zip(("shadow go", "shadow rust"), sent, strict=True):
        span = spans[name]
        own = f"00-{TRACE}-{context_of(span).span_id:016x}-01"
        assert fields == (headers[0], ("TraceParent", own), *headers[2:])
        assert span.kind is SpanKind.CLIENT
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == PARENT
        assert span.parent.is_remote
    common = {
        "http.request.method": "GET",
        "http.route": "/v1/items/{id}",
        "http.response.status_code": 200,
        "shadow.exchange_id": "x1",
    }
    assert dict(spans["shadow go"].attributes or {}) == {
        **common,
        "server.address": "go.test",
        "server.port": 8080,
        "shadow.side": "baseline",
    }
    assert dict(spans["shadow rust"].attributes or {}) == {
        **common,
        "server.address": "::1",
        "server.port": 8081,
        "shadow.side": "candidate",
        "shadow.outcome": "divergent",
    }
    assert spans["shadow go"].resource.attributes["service.name"] == "shadow"


def test_the_two_sides_of_a_request_without_a_trace_share_one(traced: Traced) -> None:
    headers = (("A", "1"), ("tracestate", "stale=1"), ("B", "2"))
    go, rust, trace_id = exchange(traced.tracing, headers)
    other = start(traced.tracing, "baseline", headers, exchange_id="x2").trace_id
    assert other != trace_id
    spans = traced.spans()
    for name, fields in (("shadow go", go), ("shadow rust", rust)):
        context = context_of(spans[name])
        assert spans[name].parent is None
        assert f"{context.trace_id:032x}" == trace_id
        assert fields[:2] == (("A", "1"), ("B", "2"))
        assert fields[2][0] == "traceparent"
        parent = parent_of(fields)
        assert parent is not None
        assert parent.trace_id == trace_id
        assert parent.span_id == f"{context.span_id:016x}"
        assert parent.flags & 1


def test_ids_of_two_processes_differ() -> None:
    found = set()
    for _ in range(2):
        traced = Traced()
        found.add(start(traced.tracing, "baseline").trace_id)
        traced.tracing.close()
    assert len(found) == 2


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(["traceparent", "Traceparent", "tracestate", "TRACESTATE", "a", "Host"]),
        st.one_of(st.sampled_from([SAMPLED, UNSAMPLED, "k=v", "?"]), FUTURE),
    ),
    max_size=6,
).map(tuple)


@contextmanager
def into_nothing() -> Iterator[OtelTracing]:
    """Tracing of which nothing is exported."""
    tracing = OtelTracing([], Notices(pytest.fail))
    yield tracing
    tracing.close()


@given(headers=FIELDS)
def test_a_service_always_gets_one_valid_parent(headers: Headers) -> None:
    with into_nothing() as tracing:
        span = start(tracing, "baseline", headers)
        sent = span.headers(headers)
    found = parent_of(sent)
    assert found is not None
    assert found.trace_id == span.trace_id
    given = parent_of(headers)

    def others(fields: Headers) -> list[tuple[str, str]]:
        return [
            field
            for field in fields
            if field[0].lower() != "traceparent"
            and (given is not None or field[0].lower() != "tracestate")
        ]

    assert others(sent) == others(headers)
    if given is not None:
        assert found.trace_id == given.trace_id
        assert found.span_id != given.span_id
        assert [name for name, _ in sent] == [name for name, _ in headers]
    else:
        assert not any(name.lower() == "tracestate" for name, _ in sent)


def test_what_the_caller_does_not_sample_is_not_exported(traced: Traced) -> None:
    go, rust, trace_id = exchange(traced.tracing, (("traceparent", UNSAMPLED),))
    assert trace_id == TRACE
    for fields in (go, rust):
        parent = parent_of(fields)
        assert parent is not None
        assert parent.span_id != PARENT
        assert parent.flags == 0
    assert traced.spans() == {}


@pytest.mark.parametrize(
    ("sampler", "argument", "headers", "kept"),
    [
        ("parentbased_always_off", "", (), 0),
        ("parentbased_always_off", "", (("traceparent", SAMPLED),), 2),
        ("parentbased_traceidratio", "0", (), 0),
        ("parentbased_traceidratio", "1", (), 2),
        ("always_off", "", (("traceparent", SAMPLED),), 0),
        ("always_on", "", (("traceparent", UNSAMPLED),), 2),
    ],
)
def test_the_sampler_is_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, sampler: str, argument: str, headers: Headers, kept: int
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    traced = Traced()
    exchange(traced.tracing, headers)
    assert len(traced.spans()) == kept


def test_a_share_of_the_traces_is_a_share_of_the_exchanges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    with into_nothing() as tracing:
        sampled = []
        for number in range(400):
            flags = []
            for side in ("baseline", "candidate"):
                span = start(tracing, side, exchange_id=f"x{number}")
                parent = parent_of(span.headers(()))
                assert parent is not None
                flags.append(parent.flags & 1)
            assert flags[0] == flags[1]
            sampled.append(flags[0])
    assert 120 < sum(sampled) < 280  # 200, give or take eight standard deviations


@pytest.mark.parametrize(
    ("seen", "status", "error"),
    [
        (OK, 200, None),
        (304, 304, None),
        (400, 400, "400"),
        (Answer(response=Response(status=503)), 503, "503"),
        *((NoAnswer(kind=kind, detail="at s3cret"), None, kind) for kind in ("connect", "reset")),
        (None, None, "cancelled"),
    ],
)
def test_what_was_seen_is_noted(
    traced: Traced, seen: Observation | int | None, status: int | None, error: NoAnswerKind | None
) -> None:
    exchange(traced.tracing, (), go=seen, rust=seen)
    for span in traced.spans().values():
        attributes = span.attributes or {}
        assert attributes.get("http.response.status_code") == status
        assert attributes.get("error.type") == error
        assert span.status.status_code is (StatusCode.ERROR if error else StatusCode.UNSET)
        assert "s3cret" not in span.to_json()


def test_nothing_of_a_request_but_its_template_is_noted(traced: Traced) -> None:
    span = start(
        traced.tracing,
        "baseline",
        (("Authorization", "Bearer s3cret"), ("tracestate", "s3cret=1")),
        endpoint="(other)",
        method="S3CRET",
        target_host="go.test",
    )
    span.end(OK)
    found = traced.spans()["shadow go"]
    assert "s3cret" not in found.to_json().lower()
    attributes = found.attributes or {}
    assert attributes["http.request.method"] == "_OTHER"
    assert attributes["http.route"] == "(other)"
    assert attributes["server.address"] == "go.test"
    assert "server.port" not in attributes


def test_long_and_odd_names_are_cut_and_encodable(traced: Traced) -> None:
    long = "GET /" + "\udcff" * 9_000
    start(traced.tracing, "baseline", exchange_id=long, endpoint=long).end(OK)
    attributes = traced.spans()["shadow go"].attributes or {}
    for name in ("http.route", "shadow.exchange_id"):
        assert len(str(attributes[name]).encode()) < 600


def test_a_candidate_waits_for_its_judgement_and_ends_when_it_answered(traced: Traced) -> None:
    span = start(traced.tracing, "candidate")
    before = time.time_ns()
    span.end(OK)
    after = time.time_ns()
    span.end(500)  # the first counts
    while time.time_ns() <= after:
        pass
    span.judged(Outcome.EQUIVALENT)
    span.judged(Outcome.DIVERGENT)
    found = traced.spans()["shadow rust"]
    assert found.end_time is not None
    assert before <= found.end_time <= after
    attributes = found.attributes or {}
    assert attributes["shadow.outcome"] == "equivalent"
    assert attributes["http.response.status_code"] == 200
    assert traced.told == []


def test_spans_leave_when_nothing_more_is_to_come_and_not_before(traced: Traced) -> None:
    unjudged = start(traced.tracing, "candidate")
    unjudged.end(OK)
    given_up = start(traced.tracing, "candidate", exchange_id="given up")
    given_up.end(None)
    given_up.judged(Outcome.SKIPPED)
    baseline = start(traced.tracing, "baseline")
    baseline.judged(Outcome.MATCH)
    baseline.end(OK)
    spans = traced.spans()
    assert spans.keys() == {"shadow go", "shadow rust"}
    assert (spans["shadow rust"].attributes or {})["shadow.exchange_id"] == "given up"
    assert "shadow.outcome" not in (spans["shadow rust"].attributes or {})


def test_served_without_a_comparison(traced: Traced) -> None:
    span = start(traced.tracing, "candidate")
    span.end(204)
    span.judged(None)
    assert "shadow.outcome" not in (traced.spans()["shadow rust"].attributes or {})


def test_neither_the_global_provider_nor_the_span_around_us_is_touched(traced: Traced) -> None:
    around = api.NonRecordingSpan(api.SpanContext(1, 2, is_remote=False))
    with api.use_span(around):
        start(traced.tracing, "baseline").end(OK)
    assert traced.spans()["shadow go"].parent is None
    assert isinstance(api.get_tracer_provider(), api.ProxyTracerProvider)


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often")
def test_spans_of_many_threads_keep_their_traces() -> None:
    names = [f"x{number}" for number in range(200)]

    def traces(tracing: OtelTracing) -> dict[str, str | None]:
        return {name: start(tracing, "baseline", exchange_id=name).trace_id for name in names}

    with into_nothing() as tracing, ThreadPoolExecutor(4) as pool:
        expected = traces(tracing)
        assert list(pool.map(traces, [tracing] * 4)) == [expected] * 4


# What the environment says


def test_names_of_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "canary")
    traced = Traced()
    exchange(traced.tracing, ())
    assert traced.spans()["shadow go"].resource.attributes["service.name"] == "canary"


def test_it_starts_without_an_exporter_and_with_the_sdks_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for named in ("none", "console", " none, console,console"):
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", named)
        tracing = open_tracing(enabled=True, tell=pytest.fail)
        assert tracing.active
        assert tracing.close()


class Packages:
    """Exporters that are said to be installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names = ["console"]
        monkeypatch.setattr(exporters, "entry_points", self._entry_points)

    def _entry_points(self, *, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == "opentelemetry_traces_exporter"
        return [
            EntryPoint(each, f"{__name__}:{each}", group)
            for each in self.names
            if name in (None, each)
        ]


def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the names of the entry points stand for what they load."""
    made: list[str] = []

    def load(entry: EntryPoint) -> Any:
        def make() -> InMemorySpanExporter:
            made.append(entry.name)
            return InMemorySpanExporter()

        return make

    monkeypatch.setattr(EntryPoint, "load", load)
    return made


@pytest.mark.parametrize(
    ("installed", "variables", "chosen"),
    [
        (["otlp_proto_http", "otlp_proto_grpc"], {}, ["otlp_proto_http"]),
        (["otlp_proto_grpc"], {}, ["otlp_proto_grpc"]),
        (
            ["otlp_proto_http", "otlp_proto_grpc"],
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["otlp_proto_grpc"],
        ),
        (
            ["otlp_proto_http", "otlp_proto_grpc"],
            {
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            ["otlp_proto_http"],
        ),
        (
            ["console", "zipkin", "otlp_proto_http"],
            {"OTEL_TRACES_EXPORTER": "zipkin, otlp"},
            ["zipkin", "otlp_proto_http"],
        ),
        (["zipkin"], {"OTEL_TRACES_EXPORTER": "zipkin,none,zipkin"}, ["zipkin"]),
        (["otlp_proto_http"], {"OTEL_TRACES_EXPORTER": " "}, ["otlp_proto_http"]),
        (["otlp_proto_grpc"], {"OTEL_TRACES_EXPORTER": "otlp_proto_grpc"}, ["otlp_proto_grpc"]),
    ],
)
def test_the_exporter_is_found_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
    installed: list[str],
    variables: dict[str, str],
    chosen: list[str],
) -> None:
    Packages(monkeypatch).names = installed
    made = loaded(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    tracing = open_tracing(enabled=True, tell=pytest.fail)
    tracing.close()
    assert made == chosen


@pytest.mark.parametrize(
    ("variables", "message", "hint"),
    [
        (
            {},
            "OTEL_TRACES_EXPORTER: the exporter for OTLP is not installed",
            "pip install opentelemetry-exporter-otlp-proto-http, or set",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "the exporter for OTLP is not installed",
            "pip install opentelemetry-exporter-otlp-proto-grpc, or set",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "smoke"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'smoke' is not supported",
            "there are http/protobuf and grpc",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "console,zipkin"},
            "OTEL_TRACES_EXPORTER: no exporter 'zipkin' is installed",
            "there are console and none",
        ),
    ],
)
def test_an_exporter_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str, hint: str
) -> None:
    Packages(monkeypatch)
    loaded(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        open_tracing(enabled=True, tell=pytest.fail)
    assert caught.value.hint.startswith(hint)
    assert logging.getLogger("opentelemetry").handlers == []


def test_an_exporter_that_cannot_be_made_is_said_without_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Packages(monkeypatch)

    def load(_: EntryPoint) -> Any:
        raise RuntimeError("header token=s3cret")

    monkeypatch.setattr(EntryPoint, "load", load)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    with pytest.raises(ConfigError, match=r"console cannot be made \(RuntimeError\)") as caught:
        open_tracing(enabled=True, tell=pytest.fail)
    assert "s3cret" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "max_queue_size must be a positive integer"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "few", "OTEL_SPAN_EVENT_COUNT_LIMIT must be"),
    ],
)
def test_a_wrong_variable_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        open_tracing(enabled=True, tell=pytest.fail)


def test_an_unknown_sampler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "now_and_then")
    told: list[str] = []
    tracing = open_tracing(enabled=True, tell=told.append)
    assert tracing.close()
    assert told == ["traces: Couldn't recognize sampler now_and_then."]


# Exporters that do not do what they should


class Stuck(SpanExporter):
    """An exporter that waits for a collector."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()
        self.exported: list[int] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.entered.set()
        self.leave.wait(30)
        self.exported.append(len(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def test_a_stuck_exporter_holds_up_nothing_and_what_waits_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    told: list[str] = []
    stuck = Stuck()
    tracing = OtelTracing([stuck], Notices(told.append))
    for _ in range(10):
        start(tracing, "baseline").end(OK)
    assert stuck.entered.wait(10)
    for _ in range(1_000):
        start(tracing, "baseline").end(OK)
    begun = time.monotonic()
    assert not tracing.close(0.05)
    assert time.monotonic() - begun < 5
    assert told == [
        "traces: Queue full, dropping Span.",
        "traces: 0.05 s were not enough to send the last spans",
    ]
    stuck.leave.set()
    for thread in threading.enumerate():
        if thread.name == "shadow-traces":
            thread.join(10)
    assert stuck.exported == [10, 10, 10]


class Failing(SpanExporter):
    """An exporter whose collector refuses."""

    def export(self, spans: Any) -> SpanExportResult:
        raise ConnectionError("at http://ada:s3cret@collector")

    def shutdown(self) -> None:
        raise OSError("s3cret")


def test_a_failing_exporter_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    told: list[str] = []
    tracing = OtelTracing([Failing()], Notices(told.append))
    for _ in range(50):
        start(tracing, "baseline").end(OK)
    assert tracing.close()
    assert told == [
        "traces: Exception while exporting Span. (ConnectionError)",
        "traces: the exporter failed at its end (OSError)",
    ]


def test_what_is_logged_is_told_in_one_short_line() -> None:
    now = 0.0
    told: list[str] = []
    notices = Notices(told.append, lambda: now)
    logger = logging.getLogger("opentelemetry.exporter.otlp")
    text = "refused by http://ada:s3cret@collector:4317, ada:s3cret@other " + "x" * 9_000
    for moment in (0.0, 1.0, 59.0, 60.0):
        now = moment
        logger.warning("%s\nat length", text)
    logger.info("nothing to worry about")
    logger.warning("%d", "not a number")  # what cannot be said harms nobody
    notices.end()
    assert len(told) == 2
    assert told[0] == told[1]
    assert told[0].startswith("traces: refused by http://…@collector:4317, …@other xxx")
    assert len(told[0]) < 250


def test_a_reader_that_is_gone_harms_nobody() -> None:
    def gone(_: str) -> None:
        raise BrokenPipeError

    notices = Notices(gone)
    logging.getLogger("opentelemetry.sdk").error("bad")
    notices.end()
    logger = logging.getLogger("opentelemetry")
    assert logger.propagate
    assert logger.handlers == []
