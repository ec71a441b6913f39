"""What the sidecar counts, and how Prometheus reads it."""

from __future__ import annotations

from shadow.metrics.counters import Counters, ShedReason
from shadow.metrics.names import METRICS, Metric
from shadow.metrics.page import FlagsNow, Gauges, GuardNow, Metrics, QueueNow, RouteNow

__all__ = (
    "METRICS",
    "Counters",
    "FlagsNow",
    "Gauges",
    "GuardNow",
    "Metric",
    "Metrics",
    "QueueNow",
    "RouteNow",
    "ShedReason",
)
