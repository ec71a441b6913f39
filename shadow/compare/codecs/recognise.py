"""What a body is: by its media type, then by a look at it."""

from __future__ import annotations

import msgspec

from shadow.compare.codecs import codec_of, html, json, ndjson, text
from shadow.compare.codecs.content import Content
from shadow.compare.codecs.values import Meter, OverBudgetError, Tree, UnreadableError
from shadow.compare.json_text import Document
from shadow.compare.parts import Unread


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """One body and what it was found to be."""

    kind: str
    """`json`, `ndjson`, `text`, `binary` or the name of a codec."""
    content: Content
    document: Unread | Document | None = None
    """For `json`."""
    tree: Tree | None = None
    """For a codec, unless it is over its budget or was not asked for."""
    text: text.Text | None = None
    """For `ndjson` and `text`."""
    over_budget: str = ""
    """Why it was not read to its end."""
    advice: str = ""
    """What would make it readable."""

    @property
    def is_json(self) -> bool:
        """It is JSON or lines of it."""
        return self.kind in ("json", "ndjson")


def recognise(content: Content, meter: Meter, *, trees: bool = True) -> Body:
    """What a body is. It never fails: what nothing else can read is `binary`.

    Without `trees` a body is told as a whole, and a page is not read for that.
    """
    if json.claims(content):
        found = json.text_of(content)
        document = json.read(found) if found is not None else None
        if document is not None:
            return Body(kind="json", content=content, document=document)
    codec = codec_of(content)
    if codec is html and not trees and html.is_readable(content):
        return Body(kind=html.name, content=content)
    if codec is not None:
        try:
            return Body(kind=codec.name, content=content, tree=codec.read(content, meter))
        except OverBudgetError as over:
            return Body(kind=codec.name, content=content, over_budget=str(over))
        except UnreadableError as error:
            if error.advice:
                return Body(kind="binary", content=content, advice=error.advice)
    return _text_or_binary(content)


def _text_or_binary(content: Content) -> Body:
    if json.claims(content):
        lines = json.text_of(content)
        if lines is not None and ndjson.claims(content, lines):
            return Body(kind="ndjson", content=content, text=text.Text(text=lines))
    found = text.read(content)
    return Body(kind="binary" if found is None else "text", content=content, text=found)
