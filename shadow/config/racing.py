"""The flags → what `shadow races` goes by."""

from __future__ import annotations

from itertools import pairwise

from shadow.config.asking import asking_plan
from shadow.config.file import load
from shadow.config.plans import Flags, selection
from shadow.config.redacting import hidden
from shadow.errors import ConfigError
from shadow.replay.races import RacesPlan

_HIGHEST = 1_024


def races_plan(flags: Flags) -> RacesPlan:
    """Everything that looking for races goes by. Raises ConfigError."""
    levels = _levels(flags["levels"])
    return RacesPlan(
        asking=asking_plan({**flags, "connections": max(levels)}),
        captures=flags["captures"],
        selection=selection(flags),
        levels=levels,
        rounds=flags["rounds"],
        max_time_s=flags["max_time"],
        as_json=flags["as_json"],
        hidden=hidden(load(flags["config"])),
    )


def _levels(text: str) -> tuple[int, ...]:
    """`1,4,16`: from alone upward. Raises ConfigError."""
    parts = text.split(",")
    levels = tuple(int(part) for part in parts if part.strip().isdecimal() and len(part) < 9)
    rising = all(one < other for one, other in pairwise(levels))
    if len(levels) != len(parts) or len(levels) < 2 or levels[0] != 1 or not rising:
        raise ConfigError(
            f"--levels {text}: not rising numbers from 1", "write them like 1,4,16,64"
        )
    if levels[-1] > _HIGHEST:
        raise ConfigError(f"--levels {text}: too many at once", f"at most {_HIGHEST}")
    return levels
