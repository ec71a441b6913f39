"""Every metric of the sidecar: name, type, help and labels, declared in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

MetricType = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """One metric, as it is declared."""

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()


def _declared(*metrics: Metric) -> Mapping[str, Metric]:
    return MappingProxyType({metric.name: metric for metric in metrics})


METRICS: Final = _declared(
    Metric(
        "shadow_requests_total",
        "counter",
        "Live requests that were answered, by the side that served and the class of the status.",
        ("side", "code"),
    ),
    Metric(
        "shadow_request_duration_seconds",
        "histogram",
        "Service time of a side, mirrored or served, from sending to the last byte.",
        ("side",),
    ),
    Metric(
        "shadow_exchanges_total",
        "counter",
        "Exchanges by what came of them; every one ends in exactly one outcome.",
        ("outcome",),
    ),
    Metric(
        "shadow_skipped_total",
        "counter",
        "Exchanges that were not compared, by the reason.",
        ("reason",),
    ),
    Metric(
        "shadow_divergences_total",
        "counter",
        "Differences found, by endpoint, kind and verdict.",
        ("endpoint", "kind", "verdict"),
    ),
    Metric(
        "shadow_sheds_total",
        "counter",
        "Copies that were dropped to keep the live path free, by the bound they met.",
        ("reason",),
    ),
    Metric("shadow_queue_depth", "gauge", "Copies that wait to be sent."),
    Metric("shadow_queue_capacity", "gauge", "Copies that may wait."),
    Metric("shadow_queue_bytes", "gauge", "Bytes of the copies that wait."),
    Metric(
        "shadow_upstream_failures_total",
        "counter",
        "Requests that a side gave no complete answer to, by what went wrong.",
        ("side", "kind"),
    ),
    Metric(
        "shadow_fallbacks_total",
        "counter",
        "Requests that Go answered because Rust, which was to serve them, failed.",
        ("route",),
    ),
    Metric(
        "shadow_rollbacks_total",
        "counter",
        "Times a guard set a route back to Go.",
        ("route", "guard"),
    ),
    Metric("shadow_route_weight", "gauge", "Share that Rust serves, 0 to 1.", ("route",)),
    Metric(
        "shadow_route_latched",
        "gauge",
        "1 where a route stays on Go until it is reset.",
        ("route",),
    ),
    Metric(
        "shadow_guard_log_evalue",
        "gauge",
        "Evidence of a guard against Rust, natural logarithm.",
        ("route", "guard"),
    ),
    Metric(
        "shadow_guard_log_threshold",
        "gauge",
        "Evidence at which a guard trips, natural logarithm.",
        ("route", "guard"),
    ),
    Metric("shadow_flags_generation", "gauge", "Times the flag file was taken over."),
    Metric("shadow_flags_error", "gauge", "1 while the flag file cannot be used."),
    Metric("shadow_store_error", "gauge", "1 while the store cannot be written."),
    Metric("shadow_store_failures_total", "counter", "Writes to the store that failed."),
    Metric("shadow_store_lost_total", "counter", "Records that were not stored."),
    Metric("shadow_events_lost_total", "counter", "Events that were not written."),
    Metric("shadow_recorded_total", "counter", "Exchanges that `shadow record` wrote down."),
    Metric("shadow_record_lost_total", "counter", "Exchanges that it could not write down."),
    Metric("shadow_judge_failures_total", "counter", "Exchanges on which judging failed."),
    Metric("shadow_client_connections", "gauge", "Connections of clients that are open."),
    Metric(
        "shadow_client_refused_total",
        "counter",
        "Connections and requests of clients that were refused, by the reason.",
        ("reason",),
    ),
    Metric(
        "shadow_upgrades_total",
        "counter",
        "Requests to change the protocol, by what came of them.",
        ("result",),
    ),
    Metric("shadow_build_info", "gauge", "1; the version is the label.", ("version",)),
    Metric("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes."),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes."),
    Metric(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch in seconds.",
    ),
    Metric(
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
    ),
    Metric("process_open_fds", "gauge", "Number of open file descriptors."),
    Metric("process_max_fds", "gauge", "Maximum number of open file descriptors."),
)
"""Every metric by its name, as it stands on the page. Those of the process are Linux' alone."""

OURS: Final = tuple(metric for name, metric in METRICS.items() if name.startswith("shadow_"))
"""Those that the sidecar counts itself."""
