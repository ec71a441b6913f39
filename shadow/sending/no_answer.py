"""What keeps a request from its answer, in the same words whatever sends it."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from typing import Final

from msgspec.structs import replace

from shadow.errors import UnfinishedError
from shadow.model import NoAnswer, Observation, Timing
from shadow.sending.target import Target

NO_CONNECTION: Final = "connect: "
"""How the detail of a connect timeout begins."""

NO_FREE_CONNECTION: Final = "pool: "
"""How the detail of a timeout begins when no connection was free in all that time."""

UNSAFE_IDLE_S: Final = 1.0
"""An unsafe request, which is never sent twice, takes only a connection used this recently.
Services close idle ones after 2 s (gunicorn), 5 s (Node); Go and hyper, by default, never."""

NOT_REPEATED: Final = "the connection was a reused one, and an unsafe request is not sent twice"


def no_free_connection(waited_s: float) -> NoAnswer:
    """Every connection was taken for as long as a request may take."""
    detail = f"{NO_FREE_CONNECTION}no free connection within {waited_s:g} s"
    return NoAnswer(kind="timeout", detail=detail)


def no_connection(waited_s: float) -> NoAnswer:
    """Connecting took longer than it may."""
    detail = f"{NO_CONNECTION}no connection within {waited_s:g} s"
    return NoAnswer(kind="timeout", detail=detail)


def connect_failure(error: OSError, target: Target) -> NoAnswer:
    """Say what kept a connection from opening.

    Raises `UnfinishedError` when it is this machine that is out of file descriptors.
    """
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise UnfinishedError(
            f"{target.url}: out of file descriptors",
            "raise `ulimit -n` or use fewer connections",
        ) from error
    if isinstance(error, ssl.SSLCertVerificationError):
        return NoAnswer(kind="tls", detail=f"certificate refused: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return NoAnswer(kind="tls", detail=f"handshake failed: {error.reason or error}")
    if target.scheme == "https" and isinstance(
        error, ConnectionResetError | ConnectionAbortedError | BrokenPipeError
    ):
        return NoAnswer(kind="tls", detail="connection closed during the handshake")
    if isinstance(error, socket.gaierror):
        reason = str(error.strerror)
    else:
        reason = os.strerror(error.errno) if error.errno else str(error)
    return NoAnswer(kind="connect", detail=f"{target.authority}: {reason}")


def timed(
    observation: Observation, due: float | None, sent: float, done: float = 0.0
) -> Observation:
    """Add the timing; without `due` it was due when it was sent, without `done` it ends now.

    Of a request that was never sent, `sent` is when it was asked for.
    """
    timing = Timing(due=sent if due is None else due, sent=sent, done=done or time.perf_counter())
    return replace(observation, timing=timing)
