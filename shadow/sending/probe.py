"""Whether anything listens at a target, asked before the first request."""

from __future__ import annotations

from shadow.model import NoAnswer
from shadow.sending.connect import connect, tls_context
from shadow.sending.limits import Limits
from shadow.sending.target import Target


async def probe(target: Target, limits: Limits | None = None) -> NoAnswer | None:
    """Open one connection, with its TLS handshake, and close it; None when that worked.

    No request is sent: a service that listens but answers nothing passes.
    """
    limits = limits or Limits()
    opened = await connect(
        target, limits=limits, tls=tls_context(target), timeout_s=limits.connect_s
    )
    if isinstance(opened, NoAnswer):
        return opened
    opened.abort()
    return None
