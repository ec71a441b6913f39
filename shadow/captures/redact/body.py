"""Secrets in bodies, whatever they are; what cannot be looked into is not kept.

A body that is coded (gzip, br, zstd) is decoded to be looked into. It is stored as it was where
no secret is in it, else decoded. Binary formats are not taken apart: one in which a secret stands,
or the name of one, is dropped, for its value may stand there too.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from shadow.captures.redact.codings import decoded
from shadow.captures.redact.dropping import without_dropped
from shadow.captures.redact.marks import Marks
from shadow.captures.redact.rules import Names
from shadow.captures.redact.text import Texts
from shadow.model import Headers, Request, Response
from shadow.secret_names import WORDS

MAX_BYTES: Final = 1024 * 1024
"""A body with more, decoded, is not looked into, and so not kept."""

_PICTURES: Final = ("image/", "audio/", "video/", "font/")
"""Kept at any size where they look binary: their bytes name nothing."""
_HEAD: Final = 1024
_TEXTUAL: Final = re.compile(r"text/|[^;]*(?:json|xml|javascript|urlencoded|graphql)")
_FORM: Final = "application/x-www-form-urlencoded"
# As many clients send one without saying so.
_LIKE_A_FORM: Final = re.compile(r"[^\s=&?/<>{}\"']++=[^\s<>{}\"']*+\s*+")
_NESTING: Final = 3
"""Multipart bodies in one another that are taken apart."""
_FIRST_LINE: Final = re.compile(rb"\s*+(--[^\r\n]++)\r?\n")
_BOUNDARY: Final = re.compile(r';\s*+boundary="?([^\s";]++)', re.IGNORECASE)
_FIELD: Final = re.compile(r'(?<![\w*])name\s*+=\s*+"?([^";\r\n]*+)', re.IGNORECASE)
_PART_TYPE: Final = re.compile(r"^content-type:([^\r\n]*+)", re.IGNORECASE | re.MULTILINE)
_PART_CODED: Final = re.compile(
    r"^content-transfer-encoding:\s*+(?!7bit|8bit|binary)\S", re.IGNORECASE | re.MULTILINE
)
_BLANK_LINE: Final = re.compile(rb"(\r?\n\r?\n)")
_WORDS: Final = tuple(
    word.replace(" ", between).encode()
    for word in WORDS
    if len(word) > len("pwd")
    for between in (("", "_", "-") if " " in word else ("",))
)
# Three letters stand in random bytes too often, so they count only where names are expected.
_SHORT_WORDS: Final = tuple(word.encode() for word in WORDS if len(word) <= len("pwd"))
_NAMED: Final = re.compile(r"msgpack|messagepack|cbor|bson|smile|ubjson")


class Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A body as it may be stored; the fields mean what they mean in `shadow.model`."""

    body: bytes = b""
    decoded: bool = False
    truncated: bool = False


_DROPPED: Final = Kept(truncated=True)


class Bodies:
    """Redacts bodies. Safe to share between threads."""

    def __init__(self, names: Names, marks: Marks, texts: Texts) -> None:
        self._names = names
        self._marks = marks
        self._texts = texts
        self._words = _WORDS + tuple(name.encode() for name in names.configured)

    def redact(self, message: Request | Response) -> Kept:
        """Return the body to store; none, truncated, where it cannot be looked into."""
        body, is_decoded = message.body, message.decoded
        same = Kept(body=body, decoded=is_decoded, truncated=message.truncated)
        if not body:
            return same
        media, codings = _labels(message.headers)
        plain: bytes | None = body
        if codings and not is_decoded:
            plain = decoded(body, codings, MAX_BYTES)
        elif media.startswith(_PICTURES) and b"\0" in body[:_HEAD]:
            return same
        if plain is None or len(plain) > MAX_BYTES:
            return _DROPPED
        redacted = self._content(plain, media)
        if redacted is None:
            return _DROPPED
        if redacted == plain:
            return same
        is_decoded = is_decoded or plain is not body
        return Kept(body=redacted, decoded=is_decoded, truncated=message.truncated)

    def _content(self, data: bytes, media: str, nesting: int = _NESTING) -> bytes | None:
        delimiter = _delimiter(data, media) if media.startswith("multipart/") else b""
        if delimiter:
            return self._parts(data, delimiter, nesting - 1) if nesting else None
        if not _is_text(data, media):
            return None if self._may_hold_secret(data, media) else data
        text = data.decode("latin-1")
        is_form = media.startswith(_FORM) or _LIKE_A_FORM.fullmatch(text) is not None
        redacted = self._texts.form(text) if is_form else self._texts.text(text)
        return redacted.encode("latin-1", "replace")

    def _may_hold_secret(self, data: bytes, media: str) -> bool:
        words = self._words + _SHORT_WORDS if _NAMED.search(media) else self._words
        bare = data.replace(b"\0", b"")  # so UTF-16 is read too
        lowered = bare.lower()
        return any(word in lowered for word in words) or any(
            self._texts.looks_secret(each.decode("latin-1")) for each in (data, bare)
        )

    def _parts(self, data: bytes, delimiter: bytes, nesting: int) -> bytes | None:
        """Return a multipart body (RFC 2046 5.1) with each part redacted."""
        parts = [self._part(part, nesting) for part in data.split(delimiter)]
        whole = [part for part in parts if part is not None]
        return delimiter.join(whole) if len(whole) == len(parts) else None

    def _part(self, part: bytes, nesting: int) -> bytes | None:
        pieces = _BLANK_LINE.split(part, 1)
        if len(pieces) == 1:
            return self._content(part, "")
        head = pieces[0].decode("latin-1")
        content: bytes | None = pieces[2]
        secrets = map(self._names.field, _FIELD.findall(head))
        secret = next((each for each in secrets if each is not None), None)
        if secret is not None:
            value = pieces[2].rstrip(b"\r\n")
            mark = without_dropped(self._marks.of(value.decode("latin-1"), secret))
            content = mark.encode("latin-1") + pieces[2][len(value) :]
        elif _PART_CODED.search(head):
            return None
        else:
            media = _PART_TYPE.search(head)
            content = self._content(pieces[2], _media(media[1]) if media else "", nesting)
        return None if content is None else pieces[0] + pieces[1] + content


def _labels(headers: Headers) -> tuple[str, list[str]]:
    """Return the media type with its parameters, the type in lower case, and the codings."""
    media, codings = "", []
    for name, value in headers:
        if len(name) == 12 and name.lower() == "content-type":
            media = media or value
        elif len(name) == 16 and name.lower() == "content-encoding":
            codings += [value] if value.strip().lower() not in ("", "identity") else []
    return _media(media), codings


def _media(value: str) -> str:
    kind, semicolon, parameters = value.partition(";")
    return kind.strip().lower() + semicolon + parameters


def _delimiter(data: bytes, media: str) -> bytes:
    """Return what stands between parts: what the media type says, or what the body begins with."""
    said = _BOUNDARY.search(media)
    delimiter = b"--" + said[1].encode("latin-1", "replace") if said else b""
    if said and delimiter in data:
        return delimiter
    found = _FIRST_LINE.match(data)
    return found[1] if found else b""


def _is_text(data: bytes, media: str) -> bool:
    if b"\0" in data:
        return False
    if data.isascii() or _TEXTUAL.match(media):
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
