"""Which transport a target needs."""

from __future__ import annotations

from shadow.sending.limits import Limits
from shadow.sending.service import Service
from shadow.sending.target import Target
from shadow.sending.through_httpx import HttpxService
from shadow.sending.wire import Wire


def open_service(target: Target, limits: Limits | None = None) -> Service:
    """Return what sends to a target: the wire, or httpx for HTTP/2 and through a proxy."""
    if target.http2 or target.proxy is not None:
        return HttpxService(target, limits=limits)
    return Wire(target, limits=limits)  # type: ignore[return-value]  # until it has `start`
