"""Which requests of a capture are changed: a few of each endpoint, each of another shape."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from shadow.captures.shapes import shape_of
from shadow.model import Exchange, Request, Response

MAX_ENDPOINTS: Final = 200
PER_ENDPOINT: Final = 20
MAX_BODY: Final = 256 * 1024
"""A longer body makes no seed."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Of all bodies together."""


class Seeds:
    """The first exchange of each kind: of one endpoint, request shape and recorded status."""

    def __init__(self, endpoint: Callable[[Request], str]) -> None:
        self._endpoint = endpoint
        self._kinds: set[tuple[str, bytes, int]] = set()
        self._groups: dict[str, list[Exchange]] = {}
        self._room = MAX_BYTES

    def see(self, exchange: Exchange) -> None:
        """Take an exchange where it is of a new kind, and there is room for it."""
        request = exchange.request
        if request.truncated or len(request.body) > min(MAX_BODY, self._room):
            return
        endpoint = self._endpoint(request)
        group = self._groups.get(endpoint, [])
        if len(group) >= PER_ENDPOINT or (not group and len(self._groups) >= MAX_ENDPOINTS):
            return
        status = exchange.response.status if exchange.response is not None else 0
        kind = (endpoint, shape_of(request), status)
        if kind in self._kinds:
            return
        self._kinds.add(kind)
        self._room -= len(request.body)
        # Of the recorded answer the status tells whether the request still does what it did.
        told = Response(status=status) if status else None
        kept = msgspec.structs.replace(exchange, response=told, error=None, session=None)
        self._groups.setdefault(endpoint, []).append(kept)

    def has(self, endpoint: str) -> bool:
        """Whether there is a seed of an endpoint."""
        return endpoint in self._groups

    def groups(self) -> tuple[tuple[Exchange, ...], ...]:
        """The seeds by endpoint, in the order in which they were seen."""
        return tuple(map(tuple, self._groups.values()))


def digest(groups: Sequence[Sequence[Exchange]]) -> str:
    """What tells whether two runs have the same seeds."""
    whole = hashlib.sha256()
    for group in groups:
        for exchange in group:
            whole.update(request_digest(exchange.request))
        whole.update(b"\n")
    return whole.hexdigest()[:16]


def request_digest(request: Request) -> bytes:
    """What tells whether two requests are the same one."""
    return hashlib.sha256(msgspec.msgpack.encode(request)).digest()[:16]
