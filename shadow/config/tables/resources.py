"""`[resources]`: what both services use."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ResourcesTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[resources]`: how the CPU and memory of both services are read, and what they cost."""

    idle_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    """Seconds before the first request in which it is measured what the services use when idle,
    which is then taken off."""
    core_hour: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """Price of a core for an hour, in any currency; with `gib_hour`, costs are shown."""
    gib_hour: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """Price of a GiB of memory for an hour, in the same currency."""
