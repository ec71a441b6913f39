"""When a replay does harm: it stops, and keeps what was done. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from shadow.model import NoAnswer, Observation

WINDOW: Final = 200
"""The exchanges that a share and a latency are those of: the newest ones."""
LEAST: Final = 50
"""Exchanges before a share or a latency says anything."""


class AbortLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a service may show before nothing more is sent; None is no limit."""

    max_errors: int | None = None
    """Exchanges in all to which a service gave no answer or a 5xx."""
    max_error_share: float | None = None
    """Their share of the last `WINDOW`."""
    max_latency_ms: float | None = None
    """The median service time of a service over the last `WINDOW`."""

    def any(self) -> bool:
        """Whether there is a limit at all."""
        limits = (self.max_errors, self.max_error_share, self.max_latency_ms)
        return any(limit is not None for limit in limits)


class AbortGuard:
    """Watches what the services did; for one process."""

    def __init__(self, limits: AbortLimits, names: Sequence[str | None]) -> None:
        """`names` are the services by side, None for one that is not asked."""
        self._limits = limits
        self._names = names
        self._errors = 0
        self._seen = 0
        self._failed: deque[bool] = deque(maxlen=WINDOW)
        self._times: list[deque[float]] = [deque(maxlen=WINDOW) for _ in names]

    def observe(self, observed: Sequence[Observation | None]) -> str:
        """Take an exchange; return why nothing more is to be sent, or nothing."""
        self._seen += 1
        failing = [
            name
            for name, observation in zip(self._names, observed, strict=True)
            if name is not None and observation is not None and _is_error(observation)
        ]
        self._errors += bool(failing)
        self._failed.append(bool(failing))
        for times, name, observation in zip(self._times, self._names, observed, strict=True):
            if name is not None and observation is not None and observation.timing is not None:
                times.append(observation.timing.service_s * 1000)
        return self._too_many(failing) or self._too_slow()

    def _too_many(self, failing: list[str]) -> str:
        if not failing:
            return ""
        limits = self._limits
        last = f"the last from {' and '.join(failing)}"
        if limits.max_errors is not None and self._errors > limits.max_errors:
            return f"more than --max-errors {limits.max_errors} exchanges failed, {last}"
        share = sum(self._failed) / len(self._failed)
        most = limits.max_error_share
        if most is not None and len(self._failed) >= LEAST and share > most:
            return (
                f"{share:.0%} of the last {len(self._failed)} exchanges failed, more than "
                f"--max-error-share {most:g}, {last}"
            )
        return ""

    def _too_slow(self) -> str:
        most = self._limits.max_latency_ms
        if most is None or self._seen % 10:
            return ""
        for name, times in zip(self._names, self._times, strict=True):
            if len(times) >= LEAST and median(times) > most:
                return (
                    f"the median time of {name} is {median(times):.0f} ms over the last "
                    f"{len(times)} exchanges, more than --max-latency {most:g}"
                )
        return ""


def _is_error(observation: Observation) -> bool:
    return isinstance(observation, NoAnswer) or observation.response.status >= 500
