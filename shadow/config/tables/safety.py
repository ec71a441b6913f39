"""`[safety]`: what may be sent where."""

from __future__ import annotations

from typing import Annotated

import msgspec


class SafetyTable(msgspec.Struct, frozen=True, kw_only=True):
    """`[safety]`: what may be sent where."""

    reads: list[str] = []
    """Endpoints with other methods than GET, HEAD and OPTIONS that only read."""
    never: list[str] = []
    """Hosts that must never be a target: names, `*.prod.example.com`, addresses, `10.0.0.0/8`."""
    max_errors: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """A replay stops when more exchanges than this failed; as `--max-errors`."""
    max_error_share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """It stops when a larger share of the last 200 failed; as `--max-error-share`."""
    max_latency: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """It stops when the median time of a service is longer, in ms; as `--max-latency`."""
