"""Whether anything listens at a target, asked before the first request."""

from __future__ import annotations

import asyncio

from shadow.model import NoAnswer
from shadow.sending.connect import connect, refuse_peer, tls_context
from shadow.sending.limits import Limits
from shadow.sending.target import Target

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""What opens an HTTP/2 connection: the magic, and a SETTINGS frame with none (RFC 9113 3.4)."""


async def probe(target: Target, limits: Limits | None = None) -> NoAnswer | None:
    """Open one connection, with its TLS handshake, and close it; None when that worked.

    No request is sent: a service that listens but answers nothing passes. Of a target behind
    a proxy it is the proxy that is probed. One that must speak HTTP/2 is asked on a second
    connection whether it does.
    """
    limits = limits or Limits()
    hop = target.hop
    opened = await connect(hop, limits=limits, tls=tls_context(hop), timeout_s=limits.connect_s)
    if isinstance(opened, NoAnswer):
        return opened
    opened.abort()
    if target.http2 and target.proxy is None and not await _speaks_http2(target, limits):
        return NoAnswer(kind="protocol", detail=f"{target.authority} does not speak HTTP/2")
    return None


async def _speaks_http2(target: Target, limits: Limits) -> bool:
    """Over TLS by what ALPN chooses; in clear by the frame that opens the connection."""
    context = tls_context(target)
    if context is not None:
        context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        async with asyncio.timeout(limits.connect_s):
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
            try:
                refuse_peer(target, writer.get_extra_info("peername"))
                if context is not None:
                    found = writer.get_extra_info("ssl_object").selected_alpn_protocol()
                    return bool(found == "h2")
                writer.write(_PREFACE)
                head = await reader.readexactly(9)
                return head[3] == _PREFACE[-6]
            finally:
                writer.transport.abort()
    except (OSError, asyncio.IncompleteReadError):
        return False
