"""CPU and memory as a service tells them itself, in Prometheus' text format.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/. Only the lines of the
three metrics wanted are read, so what else a service exposes may be malformed.
"""

from __future__ import annotations

import math
import re
from typing import Final

from shadow.resources.source import Sample, Unreadable
from shadow.sending.scrape import scrape

TIMEOUT_S: Final = 2.0

_LINE: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})?[ \t]+(?P<value>\S+)")
_CPU: Final = "process_cpu_seconds_total"
_MEMORY: Final = "process_resident_memory_bytes"
_PAUSES: Final = "go_gc_duration_seconds"


class Prometheus:
    """The metrics of one process at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def name(self) -> str:
        """`prom:` and the URL, without credentials."""
        return f"prom:{_without_credentials(self._url)}"

    def sample(self) -> Sample:
        """Fetch and read it. Raises Unreadable."""
        try:
            text = scrape(self._url, timeout_s=TIMEOUT_S)
        except OSError as error:
            raise Unreadable(f"{_without_credentials(self._url)}: {error}") from None
        sample = read_metrics(text)
        if sample.cpu_s is None and sample.memory_bytes is None:
            raise Unreadable(f"{_without_credentials(self._url)} has no {_CPU}")
        return sample


def read_metrics(text: str) -> Sample:
    """Read the metrics of a process; those of several label sets are added up."""
    cpu: float | None = None
    memory: float | None = None
    pause: float | None = None
    for line in text.splitlines():
        if not line.startswith((_CPU, _MEMORY, _PAUSES)):
            continue
        found = _LINE.match(line)
        value = _finite(found["value"]) if found else None
        if found is None or value is None:
            continue
        if found["name"] == _CPU:
            cpu = (cpu or 0.0) + value
        elif found["name"] == _MEMORY:
            memory = (memory or 0.0) + value
        elif found["name"] == _PAUSES and 'quantile="1"' in (found["labels"] or ""):
            pause = max(pause or 0.0, value)
    return Sample(
        cpu_s=cpu,
        memory_bytes=None if memory is None else int(memory),
        gc_longest_s=pause,
    )


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _without_credentials(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path.partition('?')[0]}"
