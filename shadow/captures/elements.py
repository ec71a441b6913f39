"""The elements of one array in a JSON document, as their bytes, however long the document is.

Only the structure is followed: brackets, strings and the keys on the way. An element is as it
stands in the file, and may be malformed inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from shadow.captures.streams import MAX_RECORD_BYTES, Chunks, Damage

_FLAT: Final = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_SCALAR: Final = re.compile(rb"[^\s,\]}\[{\"]*+")
_IN_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SPACE: Final = re.compile(rb"\s*+")
_OPENING: Final = frozenset(b"{[")
_CLOSING: Final = frozenset(b"}]")
_QUOTE: Final = ord('"')

CUT: Final = Damage("the document ends in the middle")
TOO_LONG: Final = Damage(f"the record is longer than {MAX_RECORD_BYTES} bytes")
NO_JSON: Final = Damage("the document is not JSON from here on")


class Elements:
    """Iterates over the elements of the array at `path`, a key for each object on the way.

    Yields each element's bytes. One of more than `MAX_RECORD_BYTES` is passed over and a `Damage`
    stands for it; where the document ends or goes wrong too early, a `Damage` comes last.
    """

    def __init__(self, stream: Chunks, path: Sequence[str] | None = ()) -> None:
        """With None for the path, the elements are documents that follow each other."""
        self._stream = stream
        self._path = path
        self._buffer = bytearray()
        self._at = 0
        """Where the next thing to look at begins."""
        self._ended = CUT
        self.found = False
        """Whether there is such an array; known once the first element was asked for."""

    def __iter__(self) -> Iterator[bytes | Damage]:
        if not self._enter():
            return
        self.found = True
        while True:
            byte = self._next()
            if byte is None and self._path is None and self._ended is CUT:
                return
            if byte == ord("]") and self._path is not None:
                return
            if byte == ord(","):
                self._at += 1
                continue
            if byte is None or byte in _CLOSING or byte == ord(":"):
                yield self._ended if byte is None else NO_JSON
                return
            element = self._value(keep=True)
            yield element
            if element is self._ended:
                return

    def _enter(self) -> bool:
        """Go to the first element of the array; whether there is one."""
        if self._path is None:
            return True
        for key in self._path:
            if self._next() != ord("{") or not self._enter_member(key):
                return False
        if self._next() != ord("["):
            return False
        self._at += 1
        return True

    def _enter_member(self, wanted: str) -> bool:
        """Go from an object to the value of its member of a name."""
        self._at += 1
        while (byte := self._next()) == _QUOTE or byte == ord(","):
            if byte == ord(","):
                self._at += 1
                continue
            key = self._value(keep=True)
            if self._next() != ord(":"):
                return False
            self._at += 1
            if not isinstance(key, Damage) and _text(key) == wanted:
                return True
            self._next()
            if self._value(keep=False) is self._ended:
                return False
        return False

    def _next(self) -> int | None:
        """Pass over white space; the byte that stands there, or None at the end."""
        while True:
            space = _SPACE.match(self._buffer, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._grow():
                return None

    def _grow(self) -> bool:
        """Read on; what stands before the next thing to look at is let go."""
        chunk = next(self._stream, None)
        if isinstance(chunk, Damage):
            self._ended = chunk
        if chunk is None or isinstance(chunk, Damage):
            self._stream = iter(())
            return False
        del self._buffer[: self._at]
        self._at = 0
        self._buffer += chunk
        return True

    def _value(self, *, keep: bool) -> bytes | Damage:
        """Pass over a value, and return it if it is to be kept and not too long."""
        size = depth = 0
        at = self._at
        while True:
            at = self._flat(at) if depth else self._scalar(at)
            if at >= len(self._buffer):
                if not keep or at - self._at > MAX_RECORD_BYTES:
                    size += at - self._at
                    self._at = at
                at -= self._at
                if not self._grow():
                    return self._ended
                continue
            byte = self._buffer[at]
            if byte == _QUOTE:
                found = self._rest_of_string(at + 1)
                if found is None:
                    return self._ended
                at = found
            elif byte in _OPENING:
                depth, at = depth + 1, at + 1
            elif depth:
                depth, at = depth - 1, at + 1
            if not depth:
                break
        size += at - self._at
        value = bytes(self._buffer[self._at : at]) if keep and size <= MAX_RECORD_BYTES else b""
        self._at = at
        return TOO_LONG if size > MAX_RECORD_BYTES else value

    def _flat(self, at: int) -> int:
        found = _FLAT.match(self._buffer, at)
        return found.end() if found else at

    def _scalar(self, at: int) -> int:
        found = _SCALAR.match(self._buffer, at)
        return found.end() if found else at

    def _rest_of_string(self, at: int) -> int | None:
        """Return where a string ends, of which `at` is inside; None where it does not."""
        while True:
            found = _IN_STRING.match(self._buffer, at)
            at = found.end() if found else at
            if at < len(self._buffer) and self._buffer[at] == _QUOTE:
                return at + 1
            if at - self._at > MAX_RECORD_BYTES:  # it is passed over as a whole
                self._at = at - MAX_RECORD_BYTES - 1
            at -= self._at
            if not self._grow():
                return None


def _text(key: bytes) -> str | None:
    try:
        return msgspec.json.decode(key, type=str)
    except ValueError:
        return None
