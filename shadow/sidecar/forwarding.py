"""A client's request as it goes on to a service. Pure.

Both services get the same fields: those of the client, its address at the end of
`X-Forwarded-For`, `X-Forwarded-Proto` where it is missing, and the mark of this sidecar, by
which a request that comes round again is known. What belongs to the client's connection is left
out when it is rendered (`shadow.sending.rewrite`).
"""

from __future__ import annotations

import secrets
from typing import Final, Literal

from shadow.model import Headers, Request

MARK: Final = "Shadow-Via"
_MARK_KEY: Final = MARK.lower()
MAX_MARKS: Final = 1_000
"""Characters of a mark; a longer one is a loop of somebody's."""

Way = Literal["own", "other", "loop"]
"""Nobody marked the request; another sidecar did, and mirrors it; this one did."""


class Forwarding:
    """Marks requests as those of one sidecar."""

    def __init__(self, ident: str = "", *, marked: bool = True) -> None:
        self.ident = ident or secrets.token_hex(6)
        self._marked = marked

    def way(self, headers: Headers) -> Way:
        """Say where a request has been."""
        for name, value in headers:
            if len(name) == len(MARK) and name.lower() == _MARK_KEY:
                idents = [each.strip() for each in value.split(",")]
                looped = self.ident in idents or len(value) > MAX_MARKS
                return "loop" if looped else "other"
        return "own"

    def onward(self, request: Request, peer: str) -> Request:
        """Return the request as both services get it."""
        fields: list[tuple[str, str]] = []
        earlier: list[str] = []
        proto, mark = False, self.ident
        for field in request.headers:
            name = field[0]
            first = name[:1]
            if first in "xX" and len(name) > 14:
                key = name.lower()
                if key == "x-forwarded-for":
                    earlier.append(field[1])
                    continue
                proto = proto or key == "x-forwarded-proto"
            elif first in "sS" and len(name) == len(MARK) and name.lower() == _MARK_KEY:
                mark = f"{field[1]}, {mark}"
                continue
            fields.append(field)
        if peer:
            earlier.append(peer)
        if earlier:
            fields.append(("X-Forwarded-For", ", ".join(earlier)))
        if not proto:
            fields.append(("X-Forwarded-Proto", "http"))
        if self._marked:
            fields.append((MARK, mark))
        return _with(request, tuple(fields))

    def copied(self, headers: Headers, request: Request) -> Request:
        """Return a request that came as a copy, with its fields as they were, and our mark."""
        return _with(request, (*headers, (MARK, self.ident)))


def _with(request: Request, headers: Headers) -> Request:
    return Request(method=request.method, target=request.target, headers=headers, body=request.body)
