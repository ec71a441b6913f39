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
_MARK: Final = MARK.lower()
_MARK_LENGTH: Final = len(MARK)
_MERGED: Final = frozenset({_MARK, "x-forwarded-for"})
"""Fields that go on as one, with what we add."""
_SPECIAL: Final = _MERGED | {"connection", "x-forwarded-proto"}
_LENGTHS: Final = frozenset(map(len, _SPECIAL))
_ORDINARY: Final = frozenset({"keep-alive", "close"})
"""What a `Connection` may say that names no field."""
_NEVER_NAMED: Final = frozenset({"host", "content-length", "transfer-encoding", _MARK})
"""Fields that go on whatever `Connection` says: a request is another one without them."""
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
        marks = [
            value for name, value in headers if len(name) == _MARK_LENGTH and name.lower() == _MARK
        ]
        if not marks:
            return "own"
        mark = ",".join(marks)
        looped = self.ident in [each.strip() for each in mark.split(",")]
        return "loop" if looped or len(mark) > MAX_MARKS else "other"

    def onward(self, request: Request, peer: str) -> Request:
        """Return the request as both services get it.

        What its `Connection` names is taken out before ours is added: a client that names
        X-Forwarded-For would hide its address else (RFC 9110 section 7.6.1).
        """
        fields: list[tuple[str, str]] = []
        special: dict[str, list[str]] = {}
        for field in request.headers:
            name = field[0]
            if len(name) in _LENGTHS and (key := name.lower()) in _SPECIAL:
                special.setdefault(key, []).append(field[1])
                if key in _MERGED:
                    continue
            fields.append(field)
        named = special.get("connection")
        if named is not None and (len(named) > 1 or named[0].lower() not in _ORDINARY):
            fields = _end_to_end(fields, special)
        earlier = special.get("x-forwarded-for", [])
        if peer:
            earlier.append(peer)
        if earlier:
            fields.append(("X-Forwarded-For", ", ".join(earlier)))
        if "x-forwarded-proto" not in special:
            fields.append(("X-Forwarded-Proto", "http"))
        if self._marked:
            fields.append((MARK, ", ".join([*special.get(_MARK, ()), self.ident])))
        return _with(request, tuple(fields))

    def copied(self, headers: Headers, request: Request) -> Request:
        """Return a request that came as a copy, with its fields as they were, and our mark."""
        return _with(request, (*headers, (MARK, self.ident)))


def _end_to_end(
    fields: list[tuple[str, str]], special: dict[str, list[str]]
) -> list[tuple[str, str]]:
    """Take out what belongs to the client's connection, of `special` too."""
    tokens = ",".join(special["connection"]).lower().split(",")
    named = {token.strip() for token in tokens} - _NEVER_NAMED | {"connection"}
    for key in named:
        special.pop(key, None)
    return [field for field in fields if field[0].lower() not in named]


def _with(request: Request, headers: Headers) -> Request:
    return Request(method=request.method, target=request.target, headers=headers, body=request.body)
