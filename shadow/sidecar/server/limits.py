"""What a client of the live port may take up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Bounds on connections and requests; seconds and bytes."""

    connections: int = 20_000
    """Open at once; beyond it a new one is closed at once, and counted."""
    head_s: float = 10.0
    """From the first byte of a request to the end of its head."""
    idle_s: float = 75.0
    """Between two requests, and before the first."""
    body_s: float = 30.0
    """Between two parts of a request's body."""
    write_s: float = 60.0
    """That a client may take nothing of what is written to it."""
    max_head: int = 64 << 10
    """Of a head, and of what is no body between two parts of a body."""
    max_fields: int = 500
    body_at_once: int = 256 << 10
    """A longer body is handed on in parts, as it comes."""
    held_bodies: int = 64 << 20
    """Bytes of bodies that are not whole yet, of all clients together; beyond, none waits to be."""
    pipelined: int = 64
    """Requests that wait for their turn on one connection; it closes after the last of them."""
