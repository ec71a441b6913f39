"""Where spans go: the exporters that OTEL_TRACES_EXPORTER names.

Each is found among the installed packages by its entry point, as OpenTelemetry's own launcher
finds it. https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from opentelemetry.sdk.trace.export import SpanExporter

from shadow.errors import ConfigError

GROUP: Final = "opentelemetry_traces_exporter"
NAMED_BY: Final = "OTEL_TRACES_EXPORTER"
SPOKEN: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
"""The variables that choose between the packages of OTLP; the first that is set counts."""
OTLP: Final[Mapping[str, str]] = {
    "http/protobuf": "otlp_proto_http",
    "grpc": "otlp_proto_grpc",
}
"""Protocol → entry point."""


def chosen_exporters() -> list[SpanExporter]:
    """Make the exporters; none of them for `none`, OTLP where nothing is said.

    Raises ConfigError where one is not installed or cannot be made.
    """
    named = _variable(NAMED_BY) or "otlp"
    names = [name.strip() for name in named.split(",")]
    return [_made(name) for name in dict.fromkeys(names) if name not in {"", "none"}]


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _made(name: str) -> SpanExporter:
    entry = _otlp() if name == "otlp" else _installed(name)
    if entry is None:
        there = sorted({each.name for each in entry_points(group=GROUP)})
        raise ConfigError(
            f"{NAMED_BY}: no exporter {name[:50]!a} is installed",
            f"there are {', '.join(there)} and none; others are packages of their own",
        )
    try:
        exporter: SpanExporter = entry.load()()
    except Exception as error:  # noqa: BLE001 - a package of the user's choice
        # What it says may hold a token; what it misses does not.
        why = str(error) if isinstance(error, ImportError) else type(error).__name__
        raise ConfigError(
            f"{NAMED_BY}: exporter {entry.name} cannot be made ({why})",
            "look at the variables OTEL_EXPORTER_…, and whether its package is whole",
        ) from None
    return exporter


def _installed(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=GROUP, name=name)), None)


def _otlp() -> EntryPoint:
    """Find the package for the protocol that is asked for, else any."""
    variable = next((each for each in SPOKEN if _variable(each)), None)
    protocol = _variable(variable) if variable else ""
    if protocol and protocol not in OTLP:
        raise ConfigError(
            f"{variable}: {protocol[:50]!a} is not supported", f"there are {' and '.join(OTLP)}"
        )
    wanted = [OTLP[protocol]] if protocol else list(OTLP.values())
    for name in wanted:
        entry = _installed(name)
        if entry is not None:
            return entry
    package = "opentelemetry-exporter-" + wanted[0].replace("_", "-")
    raise ConfigError(
        f"{NAMED_BY}: the exporter for OTLP is not installed",
        f"pip install {package}, or set {NAMED_BY} to console or none",
    )
