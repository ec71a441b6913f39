"""The command line as click gives it: what several commands have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shadow.replay.options import Selection

Flags = Mapping[str, Any]
"""What click made of the command line: option names to values."""

ARGUMENTS: Final = (
    *("captures", "baseline", "candidate", "secondary", "config"),
    *("allow_writes", "all_events", "endpoint", "exclude", "limit", "methods", "no_values"),
    "repeat",
    *("noise", "noise_profile", "noise_sample", "sample", "seed", "sides", "workers"),
    *("allow_commands", "ceiling", "concurrency", "order", "rate", "speed", "timeout"),
    *("max_errors", "max_error_share", "max_latency"),
    *("fail_on", "on_inconclusive", "phase", "since", "strict"),
)
"""The flags that a resumed run takes from the one before."""


def selection(flags: Flags) -> Selection:
    """Which exchanges are wanted."""
    return Selection(
        sample=flags["sample"],
        methods=frozenset(method.upper() for method in flags["methods"]),
        endpoints=tuple(flags["endpoint"]),
        exclude=tuple(flags["exclude"]),
        limit=flags["limit"],
        seed=flags["seed"],
    )
