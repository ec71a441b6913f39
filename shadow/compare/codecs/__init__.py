"""What a body is made of: one module a format, each a `Codec`, and the table of them.

A codec turns a body into a tree of JSON-like values (see `values`), which the walk compares as
it compares JSON; so list rules, tolerances, classes and noise hold in every format. JSON, NDJSON
and plain text are no codecs of this table: they are recognised by a look at them as well, and
the layout of their text is compared too.
"""

from __future__ import annotations

from typing import Final, Protocol

from shadow.compare.codecs import cbor, form, html, messagepack, multipart, protobuf, sse, xml
from shadow.compare.codecs.content import Content
from shadow.compare.codecs.values import Meter, Tree


class Codec(Protocol):
    """A format; each module in `CODECS` is one."""

    @property
    def name(self) -> str:
        """What the format is called; `name-spelling` is what spells equal bodies differently."""

    def claims(self, content: Content) -> bool:
        """Whether the body says it is of the format."""

    def read(self, content: Content, meter: Meter) -> Tree:
        """The body as a tree. Raises UnreadableError, OverBudgetError and nothing else."""


CODECS: Final[tuple[Codec, ...]] = (
    sse,
    form,
    multipart,
    xml,
    html,
    messagepack,
    cbor,
    protobuf,
)
BINARY: Final[tuple[Codec, ...]] = (messagepack, cbor, protobuf)
"""The formats in which a byte of white space is a value: the tab is MessagePack's and CBOR's 9."""


def codec_of(content: Content) -> Codec | None:
    """The codec that claims a body; None where there is none, or no body but white space."""
    codec = next((codec for codec in CODECS if codec.claims(content)), None)
    blank = content.data.isspace() and codec not in BINARY
    return None if blank or not content.data else codec


def spelling(codec: str, left: Content, right: Content) -> str:
    """What differs between two bodies with equal trees, as a class or by the format's name."""
    if codec == html.name:
        texts = [side.data.decode("latin-1") for side in (left, right)]
        if html.same_but_references(*texts):
            return "html-entity-escape"
    return f"{codec}-spelling"
