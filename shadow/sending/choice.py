"""Which transport a target needs."""

from __future__ import annotations

from shadow.sending.limits import Limits
from shadow.sending.service import Service
from shadow.sending.target import Target
from shadow.sending.wire import Wire


def open_service(target: Target, limits: Limits | None = None) -> Service:
    """Return what sends to a target, with its credentials where it has some of its own."""
    if target.auth is None:
        return _transport(target, limits)
    from shadow.sending.credentials import Authorised, Credentials  # noqa: PLC0415 - as below

    return Authorised(_transport(target, limits), Credentials(target.auth, target.name))


def _transport(target: Target, limits: Limits | None) -> Service:
    """The wire, or httpx for HTTP/2 and through a proxy."""
    if target.http2 or target.proxy is not None:
        from shadow.sending.through_httpx import HttpxService  # noqa: PLC0415 - httpx is slow to load

        return HttpxService(target, limits=limits)
    return Wire(target, limits=limits)
