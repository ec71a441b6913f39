"""CPU and memory as a service tells them itself, in Prometheus' text format.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/. Only the lines of the
three metrics wanted are read, so what else a service exposes may be malformed.
"""

from __future__ import annotations

import math
import re
from typing import Final

from shadow.resources.source import Sample, Unreadable, shown_url
from shadow.sending.scrape import scrape

TIMEOUT_S: Final = 2.0

_LINE: Final = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})?[ \t]+(?P<value>\S+)")
_CPU: Final = "process_cpu_seconds_total"
_MEMORY: Final = "process_resident_memory_bytes"
_PAUSES: Final = "go_gc_duration_seconds"
_MAX_S: Final = 1e12
_MAX_MEMORY: Final = 2**60


class Prometheus:
    """The metrics of one process at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown = shown_url(url) or "a URL that is none"

    @property
    def name(self) -> str:
        """`prom:` and the URL, without credentials, query and fragment."""
        return f"prom:{self._shown}"

    def sample(self) -> Sample:
        """Fetch and read it. Raises Unreadable."""
        try:
            text = scrape(self._url, timeout_s=TIMEOUT_S)
        except OSError as error:
            raise Unreadable(f"{self._shown}: {error}") from None
        sample = read_metrics(text)
        if sample.cpu_s is None and sample.memory_bytes is None:
            raise Unreadable(f"{self._shown} has no {_CPU}")
        return sample


def read_metrics(text: str) -> Sample:
    """Read the metrics of a process; those of several label sets are added up.

    A number that no process can have is none: it would make the figures of a run infinite.
    """
    cpu: list[float] = []
    memory: list[float] = []
    pauses: list[float] = []
    for line in text.splitlines():
        if not line.startswith((_CPU, _MEMORY, _PAUSES)):
            continue
        found = _LINE.match(line)
        value = _finite(found["value"]) if found else None
        if found is None or value is None:
            continue
        if found["name"] == _CPU:
            cpu.append(value)
        elif found["name"] == _MEMORY:
            memory.append(value)
        elif found["name"] == _PAUSES and 'quantile="1"' in (found["labels"] or ""):
            pauses.append(value)
    resident = _at_most(sum(memory), _MAX_MEMORY) if memory else None
    return Sample(
        cpu_s=_at_most(sum(cpu), _MAX_S) if cpu else None,
        memory_bytes=None if resident is None else int(resident),
        gc_longest_s=_at_most(max(pauses), _MAX_S) if pauses else None,
    )


def _at_most(value: float, most: float) -> float | None:
    return value if value <= most else None


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
