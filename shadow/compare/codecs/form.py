"""Forms (`application/x-www-form-urlencoded`), by field.

A form is an object of lists: each field with its values in their order. Spelling are how
characters are escaped, `a` for `a=`, empty pairs, and the order of the fields among each other.
Paths: `$['tag'][1]`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from shadow.compare.codecs.content import Content, charset, decoded
from shadow.compare.codecs.values import Meter, Tree, UnreadableError
from shadow.model import FORM

name: Final = "form"


def claims(content: Content) -> bool:
    """Whether the body is labelled as a form."""
    return content.media_type == FORM


def read(content: Content, meter: Meter) -> Tree:
    """The fields. Raises UnreadableError for text that is not in its charset, OverBudgetError."""
    label = charset(content) or "utf-8"
    fields: dict[str, list[str]] = {}
    meter.spend(content.data.count(b"&") + 1)
    for pair in content.data.split(b"&"):
        if pair:
            key, _, value = pair.partition(b"=")
            fields.setdefault(_unescaped(key, label), []).append(_unescaped(value, label))
    return Tree(value={key: fields[key] for key in sorted(fields)})


def _unescaped(escaped: bytes, label: str) -> str:
    text = decoded(unquote_to_bytes(escaped.replace(b"+", b" ")), label)
    if text is None:
        raise UnreadableError(f"not in {label}")
    return text
