from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from syrupy.assertion import SnapshotAssertion

from shadow import __version__
from shadow.metrics import (
    METRICS,
    Counters,
    FlagsNow,
    Gauges,
    GuardNow,
    Metrics,
    QueueNow,
    RouteNow,
)
from shadow.metrics.counters import BOUNDS_S, MAX_ENDPOINTS, MAX_REASONS, Durations
from shadow.metrics.page import prefers_openmetrics
from shadow.model import NoAnswerKind, Outcome

OPENMETRICS = "application/openmetrics-text"
PROMETHEUS_3 = (
    f"{OPENMETRICS};version=1.0.0;escaping=allow-utf-8;q=0.5,{OPENMETRICS};version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""What it accepts."""
GAUGES = Gauges(
    queue=lambda: QueueNow(depth=3, capacity=1024, bytes=4096),
    flags=lambda: FlagsNow(generation=7, error=True),
    routes=lambda: [
        RouteNow(route="*", weight=0.05),
        RouteNow(route="GET /items/{id}", weight=0.0, latched=True),
    ],
    guards=lambda: [
        GuardNow(route="GET /items/{id}", guard="errors", log_evalue=9.5, log_threshold=2.995),
        GuardNow(route="*", guard="divergence", log_evalue=float("-inf"), log_threshold=9.9),
    ],
    store_error=lambda: True,
    connections=lambda: 12,
)
HOSTILE = st.text(
    st.one_of(
        st.sampled_from('\n\r\t"\\{}#=, \x00\x1b\x85\u2028\ud800\udfff\ufeff\U0001f980'),
        st.characters(),
    ),
    max_size=30,
) | st.text(max_size=3).map(lambda text: 300 * text)

Series = dict[tuple[str, ...], float]


def small() -> Counters:
    """One of everything."""
    counters = Counters()
    counters.answered("baseline", 200)
    counters.answered("baseline", 204)
    counters.answered("candidate", 503)
    counters.answered("baseline", 101)
    counters.answered("baseline", 0)
    counters.answered("baseline", 999)
    for seconds in (0.0001, 0.00025, 0.003, 10.0, 11.5):
        counters.timed("baseline", seconds)
    counters.judged(Outcome.MATCH)
    counters.judged(Outcome.DIVERGENT)
    counters.skipped("write")
    counters.shed("queue-full")
    counters.diverged("GET /items/{id}", "value_changed", "divergent")
    counters.diverged("GET /items/{id}", "value_changed", "divergent")
    counters.diverged('GET /a"\\\n', "no_answer", "noise")
    counters.upstream_failed("candidate", "timeout")
    counters.fell_back("GET /items/{id}")
    counters.rolled_back("GET /items/{id}", "errors")
    counters.store_failed()
    counters.store_lost(6)
    counters.events_lost(5)
    counters.judge_failed()
    counters.refused("slow")
    counters.upgraded("passed")
    return counters


def read_openmetrics(text: str) -> list[Family]:
    return list(openmetrics.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # as it ships


def page(metrics: Metrics, accept: str = "") -> str:
    return b"".join(metrics.pieces(accept)[0]).decode()


def without_process(text: str) -> str:
    """The page without what this process happens to be at."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if not re.match(r"(?:# (?:HELP|TYPE|UNIT) )?process_", line)
    )


def series(families: Iterable[Family], name: str) -> Series:
    """The samples of one name; two with the same labels are an error."""
    found: Series = {}
    for family in families:
        for sample in family.samples:
            if sample.name == name:
                labels = tuple(sample.labels[label] for label in METRICS[name].labels)
                assert labels not in found
                found[labels] = sample.value
    return found


def counted(counters: Counters, name: str, gauges: Gauges | None = None) -> Series:
    """The samples as they come over the wire, those at 0 left out."""
    found = series(read_text(page(Metrics(counters, gauges))), name)
    return {labels: value for labels, value in found.items() if value}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_the_page(accept: str, snapshot: SnapshotAssertion) -> None:
    metrics = Metrics(small(), GAUGES, version='1.2.3"\n')
    assert without_process(page(metrics, accept)) == snapshot


@pytest.mark.parametrize("counters", [Counters(), small()], ids=["nothing yet", "some"])
def test_every_metric_is_on_the_page_and_no_other(counters: Counters) -> None:
    for gauges in (None, GAUGES):
        text = page(Metrics(counters, gauges))
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        assert types == {name: metric.type for name, metric in METRICS.items()}
        helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
        assert helps == {name: metric.help for name, metric in METRICS.items()}


def test_labels_are_those_that_are_declared() -> None:
    for family in read_text(page(Metrics(small(), GAUGES))):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        given = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert given == {frozenset(METRICS[name].labels)}, name


def test_both_formats_say_the_same() -> None:
    metrics = Metrics(small(), GAUGES)
    text = {family.name: family for family in read_text(page(metrics))}
    for family in read_openmetrics(page(metrics, OPENMETRICS)):
        if not family.name.startswith("process_"):
            assert text[family.name].samples == family.samples
            assert text[family.name].type == family.type


def test_the_version_is_that_of_the_program() -> None:
    found = series(read_text(page(Metrics(Counters()))), "shadow_build_info")
    assert found == {(__version__,): 1}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("shadow_exchanges_total", {(each.value,) for each in Outcome}),
        (
            "shadow_sheds_total",
            {("queue-full",), ("queue-bytes",)},
        ),
        (
            "shadow_upstream_failures_total",
            set(product(("baseline", "candidate"), get_args(NoAnswerKind))),
        ),
        (
            "shadow_requests_total",
            set(product(("baseline", "candidate"), ("2xx", "3xx", "4xx", "5xx", "none"))),
        ),
        ("shadow_judge_failures_total", {()}),
        ("shadow_store_lost_total", {()}),
    ],
)
def test_what_may_be_counted_begins_at_0(name: str, labels: set[tuple[str, ...]]) -> None:
    assert series(read_text(page(Metrics(Counters()))), name) == dict.fromkeys(labels, 0)


def test_a_route_and_a_guard_begin_at_0_once_they_are_there() -> None:
    families = list(read_text(page(Metrics(Counters(), GAUGES))))
    route = "GET /items/{id}"
    assert series(families, "shadow_fallbacks_total") == {("*",): 0, (route,): 0}
    assert series(families, "shadow_rollbacks_total") == {
        ("*", "divergence"): 0,
        (route, "errors"): 0,
    }


def test_a_skipped_exchange_ends_in_one_outcome() -> None:
    counters = Counters()
    counters.skipped("write")
    counters.shed("queue-bytes")
    assert counted(counters, "shadow_exchanges_total") == {("skipped",): 2}
    assert counted(counters, "shadow_skipped_total") == {("write",): 1, ("shed",): 1}
    assert counted(counters, "shadow_sheds_total") == {("queue-bytes",): 1}


@given(st.lists(st.floats(0, 20) | st.sampled_from(BOUNDS_S), max_size=50))
def test_a_bucket_holds_what_is_at_most_its_end(seconds: list[float]) -> None:
    durations = Durations()
    for each in seconds:
        durations.record(each)
    for place, end in enumerate(BOUNDS_S):
        assert sum(durations.counts[: place + 1]) == sum(each <= end for each in seconds)
    assert sum(durations.counts) == len(seconds)
    assert durations.sum_s == pytest.approx(sum(seconds))


@settings(max_examples=40)  # each reads two pages
@given(st.lists(HOSTILE, max_size=12))
def test_no_name_breaks_the_page(names: list[str]) -> None:
    counters = Counters()
    expected: Counter[str] = Counter()
    for name in names:
        counters.diverged(name, "extra", "noise")
        counters.skipped(name)
        expected["".join(each if each.isprintable() else "\ufffd" for each in name[:200])] += 1
    gauges = Gauges(routes=lambda: [RouteNow(route=name, weight=0.5) for name in names])
    metrics = Metrics(counters, gauges, version="".join(names))
    for families in (
        list(read_text(page(metrics))),
        read_openmetrics(page(metrics, OPENMETRICS)),
    ):
        found = series(families, "shadow_divergences_total")
        assert found == {(name, "extra", "noise"): count for name, count in expected.items()}
        skipped = series(families, "shadow_skipped_total")
        assert skipped == {("shed",): 0} | {(name,): n for name, n in expected.items()}
        weights = series(families, "shadow_route_weight")
        assert weights == {(name,): 0.5 for name in expected}


def test_endpoints_and_routes_are_bounded_together() -> None:
    long = "PUT /" + 200 * "x"
    counters = Counters()
    counters.diverged("POST /first", "extra", "divergent")
    counters.diverged(long, "extra", "divergent")
    for number in range(1_000):
        counters.diverged(f"GET /{number}", "extra", "divergent")
        counters.fell_back(f"GET /{number}")
    counters.diverged("POST /first", "extra", "divergent")
    counters.rolled_back("GET /999", "latency")
    named = MAX_ENDPOINTS - 3  # beside `*` and the first two
    found = counted(counters, "shadow_divergences_total")
    assert len(found) == named + 3
    assert found["(other)", "extra", "divergent"] == 1_000 - named
    assert found["POST /first", "extra", "divergent"] == 2
    assert found[long[:200], "extra", "divergent"] == 1
    assert counted(counters, "shadow_fallbacks_total")["(other)",] == 1_000 - named
    assert counted(counters, "shadow_rollbacks_total") == {("(other)", "latency"): 1}


@pytest.mark.parametrize(
    ("bump", "name"),
    [
        (Counters.skipped, "shadow_skipped_total"),
        (Counters.refused, "shadow_client_refused_total"),
        (Counters.upgraded, "shadow_upgrades_total"),
    ],
)
def test_reasons_are_bounded(bump: Callable[[Counters, str], None], name: str) -> None:
    counters = Counters()
    for number in range(1_000):
        bump(counters, f"reason {number}")
    found = counted(counters, name)
    assert len(found) == MAX_REASONS + 1
    assert found["(other)",] == 1_000 - MAX_REASONS
    assert found["reason 0",] == 1


def test_of_gauges_that_share_a_label_the_worst_is_shown() -> None:
    counters = Counters()
    for number in range(MAX_ENDPOINTS):
        counters.endpoints.of(str(number))
    gauges = Gauges(
        routes=lambda: [
            RouteNow(route="a", weight=0.1, latched=True),
            RouteNow(route="b", weight=0.5),
        ],
        guards=lambda: [
            GuardNow(route="a", guard="errors", log_evalue=2.0, log_threshold=9.0),
            GuardNow(route="b", guard="errors", log_evalue=1.0, log_threshold=3.0),
            GuardNow(route="c", guard="errors", log_evalue=-1.0, log_threshold=3.0),
        ],
    )
    families = list(read_text(page(Metrics(counters, gauges))))
    assert series(families, "shadow_route_weight") == {("(other)",): 0.5}
    assert series(families, "shadow_route_latched") == {("(other)",): 1}
    assert series(families, "shadow_guard_log_evalue") == {("(other)", "errors"): 1}
    assert series(families, "shadow_guard_log_threshold") == {("(other)", "errors"): 3}


def test_a_scrape_says_how_things_are_then() -> None:
    counters, depth = Counters(), [1]
    metrics = Metrics(counters, Gauges(queue=lambda: QueueNow(depth=depth[0])))
    assert "shadow_queue_depth 1.0\n" in page(metrics)
    depth[0] = 2
    counters.judge_failed()
    after = page(metrics)
    assert "shadow_queue_depth 2.0\n" in after
    assert "shadow_judge_failures_total 1.0\n" in after


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_counting_goes_on_between_the_pieces_of_a_page(accept: str) -> None:
    counters = Counters()
    for number in range(120):
        counters.diverged(f"GET /{number}", "extra", "divergent")
    pieces, _ = Metrics(counters).pieces(accept)
    done: list[bytes] = []
    for piece in pieces:
        assert piece.count(b"\n") <= 2 + 50
        counters.diverged(f"POST /{len(done)}", "extra", "divergent")
        counters.timed("candidate", 0.01)
        done.append(piece)
    text = b"".join(done).decode()
    assert text.count("# TYPE shadow_divergences") == 1
    families = read_openmetrics(text) if accept else list(read_text(text))
    found = series(families, "shadow_divergences_total")
    before = [labels for labels in found if labels[0].startswith("POST")]
    assert {labels[0] for labels in found} >= {f"GET /{number}" for number in range(120)}
    assert before
    assert len(before) < len(done)


def test_nothing_is_in_the_registry_of_all() -> None:
    Metrics(Counters())
    assert not [name for family in REGISTRY.collect() if (name := family.name)[:6] == "shadow"]


@pytest.mark.parametrize(
    ("accept", "wants"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        (OPENMETRICS, True),
        (f"{OPENMETRICS}; version=1.0.0; charset=utf-8", True),
        (f"{OPENMETRICS};version=0.0.1", False),
        (f"{OPENMETRICS};version=x", False),
        (f"{OPENMETRICS};q=0", False),
        (f"{OPENMETRICS};q=nan", False),
        (f"{OPENMETRICS};q=much, text/plain;q=0.1", False),
        (f"{OPENMETRICS};q=0.2, text/plain;q=0.5", False),
        (f"text/plain;q=0.5, {OPENMETRICS.upper()};q=0.5", True),
        (PROMETHEUS_3, True),
        (10_000 * "," + OPENMETRICS, False),
        ("\x00;=;,\xff=;q", False),
    ],
)
def test_the_format_is_the_one_that_is_preferred(accept: str, wants: bool) -> None:
    assert prefers_openmetrics(accept) == wants
    pieces, content_type = Metrics(Counters()).pieces(accept)
    text = b"".join(pieces)
    assert content_type.startswith(OPENMETRICS if wants else "text/plain; version=0.0.4;")
    assert text.endswith(b"\n# EOF\n") == wants
    assert text.count(b"# EOF") == wants


def test_endpoints_of_the_config_are_told_apart_whatever_came_before() -> None:
    template, long = "GET /v1/shops/{shop}", "PUT /" + 300 * "x"
    counters = Counters([template, long])
    for number in range(MAX_ENDPOINTS + 10):
        counters.diverged(f"GET /{number}", "extra", "divergent")
    counters.diverged(template, "extra", "divergent")
    counters.fell_back(template)
    counters.diverged(long, "extra", "divergent")
    found = counted(counters, "shadow_divergences_total")
    assert found[template, "extra", "divergent"] == found[long[:200], "extra", "divergent"] == 1
    assert found["(other)", "extra", "divergent"] == 11
    assert counted(counters, "shadow_fallbacks_total") == {(template,): 1}
