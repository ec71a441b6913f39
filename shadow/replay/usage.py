"""What both services use of CPU and memory while a run goes, where a place to read it is given."""

from __future__ import annotations

import time
from typing import Self

from shadow.model import SideName
from shadow.replay.options import ResourcePlan
from shadow.resources.sampler import EVERY_S, Sampler
from shadow.resources.source import parse_source
from shadow.results.resources import Resources


class ServiceUsage:
    """A context manager around a run; `begin` before the first request, `end` after the last."""

    def __init__(self, plan: ResourcePlan, urls: dict[SideName, str]) -> None:
        """Read the plan's sources of the targets at these URLs. Raises ConfigError."""
        self.kept = 0
        """Exchanges that have been kept so far."""
        self._plan = plan
        self._ended = False
        self._sampler: Sampler | None = None
        if plan.sources:
            sources = {side: parse_source(text, urls[side]) for side, text in plan.sources.items()}
            # Some four readings in the idle time: its rate is between two of them.
            every_s = min(EVERY_S, plan.idle_s / 4) if plan.idle_s else EVERY_S
            self._sampler = Sampler(sources, requests=lambda: self.kept, every_s=every_s)

    def __enter__(self) -> Self:
        """Start reading what the services use when idle."""
        if self._sampler is not None:
            self._sampler.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        """Let the idle time pass; what is read from now on is the run."""
        if self._sampler is not None:
            time.sleep(self._plan.idle_s)  # an interruption ends it
            self._sampler.begin()

    def end(self) -> None:
        """Take a last reading and read no more."""
        if self._sampler is not None and not self._ended:
            self._ended = True
            self._sampler.__exit__(None, None, None)

    def resources(self) -> Resources | None:
        """What was used, with its cost where prices are given; None where nothing is read."""
        if self._sampler is None:
            return None
        found = self._sampler.resources()
        return found if self._plan.prices is None else found.priced(self._plan.prices)


NO_USAGE = ServiceUsage(ResourcePlan(), {})
"""Reads nothing."""
