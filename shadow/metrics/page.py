"""The page that Prometheus reads: counters, and gauges that are asked at each scrape.

Only here are plain numbers turned into families of prometheus_client. Sources:
https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification,
https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

import msgspec
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from shadow import __version__
from shadow.metrics.counters import BOUNDS_S, Counters, Labels, shown
from shadow.metrics.names import OURS, Metric
from shadow.results.routes import Guard

MAX_ACCEPT: Final = 1_000
"""Characters of an `Accept` that are read."""

_SLICE: Final = 50
"""Samples that are rendered at a time; one takes some 5 to 10 µs."""
_EOF: Final = b"# EOF\n"


class QueueNow(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of copies, at this moment."""

    depth: int = 0
    capacity: int = 0
    bytes: int = 0


class FlagsNow(msgspec.Struct, frozen=True, kw_only=True):
    """The flag file, at this moment."""

    generation: int = 0
    error: bool = False


class RouteNow(msgspec.Struct, frozen=True, kw_only=True):
    """A route, at this moment."""

    route: str
    """Masked."""
    weight: float
    """Share that Rust serves, 0 to 1."""
    latched: bool = False


class GuardNow(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence of a guard, at this moment."""

    route: str
    """Masked."""
    guard: Guard
    log_evalue: float
    log_threshold: float


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked at each scrape, on the event loop; without one it is 0, or no series."""

    queue: Callable[[], QueueNow] = QueueNow
    flags: Callable[[], FlagsNow] = FlagsNow
    routes: Callable[[], Iterable[RouteNow]] = tuple
    guards: Callable[[], Iterable[GuardNow]] = tuple
    store_error: Callable[[], bool] = bool
    connections: Callable[[], int] = int


class Metrics:
    """The page that Prometheus reads, from a registry of its own."""

    def __init__(
        self, counters: Counters, gauges: Gauges | None = None, *, version: str = __version__
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Live(counters, gauges or Gauges(), version))
        ProcessCollector(registry=self._registry)

    def pieces(self, accept: str = "") -> tuple[Iterator[bytes], str]:
        """Return the page in pieces, and its content type: OpenMetrics where `accept` prefers it.

        Each piece takes about a millisecond, and between two of them the event loop can serve
        others. The numbers of one metric are those of one moment.
        """
        if prefers_openmetrics(accept):
            return self._pieces(openmetrics.generate_latest, _EOF), openmetrics.CONTENT_TYPE_LATEST
        return self._pieces(generate_latest, b""), CONTENT_TYPE_PLAIN_0_0_4

    def _pieces(self, render: Callable[[Collector], bytes], end: bytes) -> Iterator[bytes]:
        name = ""
        for family in self._registry.collect():
            piece = render(_Only(family)).removesuffix(end)
            # A metric has one head: two lines, HELP and TYPE.
            yield piece if family.name != name else piece.split(b"\n", 2)[2]
            name = family.name
        yield end


def prefers_openmetrics(accept: str) -> bool:
    """Whether an `Accept` prefers OpenMetrics 1.0 to plain text, which is what others get."""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept[:MAX_ACCEPT].lower().split(","):
        kind, *rest = (part.strip() for part in item.split(";"))
        given = dict(part.split("=", 1) for part in rest if "=" in part)
        if kind not in best or (kind != "text/plain" and given.get("version", "1.0.0") != "1.0.0"):
            continue
        try:
            best[kind] = max(best[kind], float(given.get("q", "1")))
        except ValueError:
            continue
    return 0 < best["application/openmetrics-text"] >= best["text/plain"]


class _Only:
    """One family as a collector."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterable[Family]:
        return (self._family,)


class _Live:
    """The collector of counters and gauges; of a long family it makes several, one by one."""

    def __init__(self, counters: Counters, gauges: Gauges, version: str) -> None:
        self._counters = counters
        self._gauges = gauges
        self._version = version

    def collect(self) -> Iterator[Family]:
        """Return the families in the order in which they are declared."""
        gauges = self._read_gauges()
        for metric in OURS:
            if metric.type == "histogram":
                yield self._histogram(metric)
            elif metric.type == "gauge":
                yield from _slices(GaugeMetricFamily, metric, gauges[metric.name])
            else:
                counts = self._counts(metric.name, gauges)
                yield from _slices(CounterMetricFamily, metric, counts)

    def _counts(self, name: str, gauges: Mapping[str, Mapping[Labels, float]]) -> dict[Labels, int]:
        """Return what was counted; routes and guards that are there have a count, if only 0."""
        there = {
            "shadow_fallbacks_total": "shadow_route_weight",
            "shadow_rollbacks_total": "shadow_guard_log_evalue",
        }.get(name)
        zeros = dict.fromkeys(gauges[there], 0) if there else {}
        return zeros | self._counters.tables[name]

    def _histogram(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        ends = [*map(str, BOUNDS_S), "+Inf"]
        for side, durations in self._counters.durations.items():
            up_to = list(zip(ends, accumulate(durations.counts), strict=True))
            family.add_metric((side,), up_to, durations.sum_s)
        return family

    def _read_gauges(self) -> dict[str, Mapping[Labels, float]]:
        queue, flags = self._gauges.queue(), self._gauges.flags()
        weights, latched = self._read_routes()
        evidence, thresholds = self._read_guards()
        return {
            "shadow_queue_depth": {(): queue.depth},
            "shadow_queue_capacity": {(): queue.capacity},
            "shadow_queue_bytes": {(): queue.bytes},
            "shadow_route_weight": weights,
            "shadow_route_latched": latched,
            "shadow_guard_log_evalue": evidence,
            "shadow_guard_log_threshold": thresholds,
            "shadow_flags_generation": {(): flags.generation},
            "shadow_flags_error": {(): flags.error},
            "shadow_store_error": {(): self._gauges.store_error()},
            "shadow_client_connections": {(): self._gauges.connections()},
            "shadow_build_info": {(shown(self._version),): 1},
        }

    def _read_routes(self) -> tuple[dict[Labels, float], dict[Labels, float]]:
        """Return weights and latches; of those that share `(other)` the highest."""
        weights: dict[Labels, float] = {}
        latched: dict[Labels, float] = {}
        for each in self._gauges.routes():
            key = (self._counters.endpoints.of(each.route),)
            weights[key] = max(weights.get(key, 0.0), each.weight)
            latched[key] = max(latched.get(key, 0.0), each.latched)
        return weights, latched

    def _read_guards(self) -> tuple[dict[Labels, float], dict[Labels, float]]:
        """Return evidence and thresholds; of those that share `(other)` the nearest to trip."""
        evidence: dict[Labels, float] = {}
        thresholds: dict[Labels, float] = {}
        for each in self._gauges.guards():
            key = (self._counters.endpoints.of(each.route), each.guard)
            left = each.log_threshold - each.log_evalue
            if key not in evidence or left < thresholds[key] - evidence[key]:
                evidence[key], thresholds[key] = each.log_evalue, each.log_threshold
        return evidence, thresholds


def _slices(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    metric: Metric,
    values: Mapping[Labels, float],
) -> Iterator[Family]:
    items = list(values.items())
    for start in range(0, max(len(items), 1), _SLICE):
        family = kind(metric.name, metric.help, labels=metric.labels)
        for labels, value in items[start : start + _SLICE]:
            family.add_metric(labels, value)
        yield family
