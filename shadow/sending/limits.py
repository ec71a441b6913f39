"""How long and how much: the bounds on everything a service can make us wait for or hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on one target's connections and answers; seconds and bytes."""

    connections: int = 64
    """Open connections at most; each carries one request at a time."""
    connect_s: float = 5.0
    """For resolving, connecting and the TLS handshake together."""
    timeout_s: float = 30.0
    """For one request: waiting for a connection, connecting, and the whole answer."""
    max_body: int = 64 << 20
    """A longer answer is cut here and marked truncated."""
    max_header: int = 1 << 20
    """For everything of an answer that is not body: heads, interim answers, chunk framing."""
