"""A body as a codec gets it: its bytes and what its Content-Type says of them."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from shadow.model import Response, header

_PARAMETER: Final = re.compile(
    r';[ \t]*+([^ \t=;"]++)[ \t]*+=[ \t]*+("(?:[^"\\]|\\.)*+"|[^;]*+)', re.DOTALL
)

CHARSETS: Final = frozenset(
    {
        *("utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be"),
        *("us-ascii", "ascii", "latin1", "macintosh", "koi8-r", "koi8-u", "ibm866", "tis-620"),
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
        *(f"windows-{page}" for page in range(1250, 1259)),
        *("shift_jis", "euc-jp", "iso-2022-jp", "euc-kr"),
        *("gb2312", "gbk", "gb18030", "big5"),
    }
)
"""Charset labels that are believed. Python knows more, and some that are no charsets."""


class MessageType(msgspec.Struct, frozen=True, kw_only=True):
    """The Protobuf message that an endpoint answers with."""

    descriptor_set: bytes
    """A serialized `google.protobuf.FileDescriptorSet` with its imports."""
    name: str
    """Full name of the message, `shop.v1.Item`."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One body with its content-encoding undone, and how it is labelled."""

    data: bytes
    media_type: str = ""
    """Without parameters, in lower case; empty where none is given."""
    parameters: dict[str, str] = {}
    """Parameters of the media type by lower-case name, unquoted."""
    message: MessageType | None = None
    """What the endpoint answers with, where the config says so."""


def content_of(response: Response, data: bytes, message: MessageType | None = None) -> Content:
    """The content of a response whose decoded body is `data`."""
    label = header(response.headers, "content-type") or ""
    media_type, _, _ = label.partition(";")
    parameters: dict[str, str] = {}
    for name, value in _PARAMETER.findall(label):
        plain = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value.strip()
        parameters.setdefault(name.lower(), plain)
    return Content(
        data=data,
        media_type=media_type.strip().lower(),
        parameters=parameters,
        message=message,
    )


def charset(content: Content) -> str:
    """The charset that the body is labelled with, where it is a known one; else empty."""
    label = content.parameters.get("charset", "").lower()
    return label if label in CHARSETS else ""


def text_of(content: Content) -> str | None:
    """The text in the charset it is labelled with, or in UTF-8; None where it is in neither.

    A byte order mark is no part of it.
    """
    label = charset(content)
    text = decoded(content.data, label) if label else None
    if text is None:
        text = decoded(content.data, "utf-8")
    return None if text is None else text.removeprefix("\ufeff")


def decoded(data: bytes, label: str) -> str | None:
    """Bytes in a known charset as text; None where they are not in it."""
    try:
        return data.decode(label)
    except UnicodeError:
        return None
