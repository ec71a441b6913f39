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
from shadow.sending.fields import Telling

MARK: Final = "Shadow-Via"
RECORDED: Final = "Shadow-Recorded-Via"
"""The mark of a recorder, another one: what it passes on is mirrored behind it like any other."""
_MARKS: Final = frozenset({MARK.lower(), RECORDED.lower()})
_PROTO: Final = ("X-Forwarded-Proto", "http")
_TELLING: Final = Telling(*_MARKS, "connection", "x-forwarded-for", "x-forwarded-proto")
_ORDINARY: Final = frozenset({("connection", "keep-alive"), ("connection", "close")})
"""What a `Connection` may say that names no field."""
_NEVER_NAMED: Final = _MARKS | {"host", "content-length", "transfer-encoding"}
"""Fields that go on whatever `Connection` says: a request is another one without them."""
MAX_MARKS: Final = 1_000
"""Characters of a mark; a longer one is a loop of somebody's."""

_Fields = list[tuple[str, str]]
Way = Literal["own", "other", "loop"]
"""Nobody marked the request; another sidecar did, and mirrors it; this one did."""


class Forwarding:
    """Marks requests as those of one sidecar."""

    def __init__(self, ident: str = "", *, mark: str = MARK) -> None:
        self.ident = ident or secrets.token_hex(6)
        self._mark = mark
        self._key = mark.lower()
        self._merged = frozenset({self._key, "x-forwarded-for"})
        """Fields that go on as one, with what we add."""

    def way(self, headers: Headers) -> Way:
        """Say where a request has been."""
        marks = [value for name, value in headers if _TELLING[name] == self._key]
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
        fields: _Fields = []
        special: _Fields = []
        for field in request.headers:
            key = _TELLING[field[0]]
            if key:
                special.append((key, field[1]))
                if key in self._merged:
                    continue
            fields.append(field)
        if special and (len(special) > 1 or special[0] not in _ORDINARY):
            fields, special = _end_to_end(fields, special)
        fields += self._ours(special, peer)
        return _with(request, tuple(fields))

    def _ours(self, special: _Fields, peer: str) -> _Fields:
        """What is added, with what the client sent of the same name."""
        earlier, mark, proto = "", "", False
        for key, value in special:
            if key == "x-forwarded-for":
                earlier += f"{value}, "
            elif key == self._key:
                mark += f"{value}, "
            elif key == "x-forwarded-proto":
                proto = True
        ours: _Fields = []
        if peer:
            ours.append(("X-Forwarded-For", earlier + peer))
        elif earlier:
            ours.append(("X-Forwarded-For", earlier[:-2]))
        if not proto:
            ours.append(_PROTO)
        ours.append((self._mark, mark + self.ident))
        return ours

    def copied(self, headers: Headers, request: Request) -> Request:
        """Return a request that came as a copy, with its fields as they were, and our mark."""
        return _with(request, (*headers, (self._mark, self.ident)))


def _end_to_end(fields: _Fields, special: _Fields) -> tuple[_Fields, _Fields]:
    """Take out what belongs to the client's connection."""
    named = [value.lower() for key, value in special if key == "connection"]
    if not named or named in (["keep-alive"], ["close"]):
        return fields, special
    tokens = [token.strip() for value in named for token in value.split(",")]
    dropped = {"connection", *tokens} - _NEVER_NAMED
    return (
        [field for field in fields if field[0].lower() not in dropped],
        [field for field in special if field[0] not in dropped],
    )


def _with(request: Request, headers: Headers) -> Request:
    return Request(method=request.method, target=request.target, headers=headers, body=request.body)
