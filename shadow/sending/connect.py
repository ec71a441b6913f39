"""Opening a connection: resolve, connect, TLS handshake; each failure as the value it is."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from shadow.errors import UnfinishedError
from shadow.model import NoAnswer
from shadow.sending.connection import Connection
from shadow.sending.denied import Denied
from shadow.sending.limits import Limits
from shadow.sending.no_answer import connect_failure, no_connection
from shadow.sending.reader import Heads
from shadow.sending.target import Target


def tls_context(target: Target) -> ssl.SSLContext | None:
    """Return the TLS settings for a target, None for plain HTTP.

    Certificates are verified against the system's store, or the file that `SSL_CERT_FILE`
    names (as for curl and Go), and the host name with them, unless the target says otherwise.
    """
    if target.scheme == "http":
        return None
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if not target.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def connect(
    target: Target,
    *,
    limits: Limits,
    tls: ssl.SSLContext | None,
    timeout_s: float,
    heads: Heads | None = None,
) -> Connection | NoAnswer:
    """Open one connection; a failure is a `NoAnswer` without timing.

    Connections to one target may share `heads`. Raises `UnfinishedError` when it is this
    machine that is out of file descriptors, and where `[safety] never` denies the address.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            transport, connection = await loop.create_connection(
                lambda: Connection(limits, heads),
                target.host,
                target.port,
                ssl=tls,
                server_hostname=target.host if tls else None,
                ssl_handshake_timeout=timeout_s + 1 if tls else None,
            )
    except TimeoutError:
        return no_connection(timeout_s)
    except OSError as error:
        return connect_failure(error, target)
    try:
        refuse_peer(target, transport.get_extra_info("peername"))
    except UnfinishedError:
        transport.abort()
        raise
    return connection


def refuse_peer(target: Target, peer: Any) -> None:
    """Refuse a connection that leads to an address on the list `[safety] never`.

    Nothing has been sent on it. Raises UnfinishedError.
    """
    refuse_address(target.denied, peer, f"target {target.name} ({target.url})")


def refuse_address(denied: Denied, peer: Any, who: str) -> None:
    """As `refuse_peer`, for whatever is asked: `who` it is begins the message."""
    if denied and isinstance(peer, tuple) and peer:
        entry = denied.by_address(str(peer[0]))
        if entry:
            raise UnfinishedError(
                f"{who} led to {peer[0]}, which is on the list [safety] never: {entry}",
                "nothing was sent there: look at what the name resolves to",
            )
