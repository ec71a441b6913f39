"""XML in canonical form, as a tree of elements (see `elements`).

Spelling are the XML declaration, the order and quoting of attributes, entities and character
references, CDATA sections, empty-element tags, the encoding, and white space between elements
where there is no other text beside it and no `xml:space="preserve"`. Everything else is a value:
names with their prefixes, attributes, text, comments (`{"#comment": text}`) and processing
instructions (`{"?target": text}`). What stands before or after the root element is in `#before`
and `#after`. Paths: `$['order']['content'][1]['price']['text']`, `$['order']['@id']`.

A document type is the value `{"!DOCTYPE": [name, public, system]}` and nothing it names is
fetched; one that declares anything itself is not read, so no entity can expand.
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.parsers import expat

from shadow.compare.codecs.content import CHARSETS, Content, charset, decoded, text_of
from shadow.compare.codecs.elements import Elements
from shadow.compare.codecs.values import Meter, Tree, UnreadableError
from shadow.compare.json_text import Json

name: Final = "xml"

_UNLABELLED: Final = frozenset({"", "text/plain", "application/octet-stream"})
_DECLARED: Final = re.compile(rb"<\?xml[^>]{1,200}encoding\s{0,20}=\s{0,20}[\"']([\w.:-]{1,40})")
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def claims(content: Content) -> bool:
    """Whether the body is labelled as XML, or has no telling label and an XML declaration."""
    kind = content.media_type
    if kind.endswith(("/xml", "+xml")):
        return True
    return kind in _UNLABELLED and content.data[:64].lstrip().startswith(b"<?xml ")


def read(content: Content, meter: Meter) -> Tree:
    """The document. Raises UnreadableError, OverBudgetError."""
    text = _text(content)
    if text is None:
        raise UnreadableError("not in its charset")
    document = _Document(meter)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = document.elements.start
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.elements.text
    parser.CommentHandler = document.comment
    parser.ProcessingInstructionHandler = document.instruction
    parser.StartDoctypeDeclHandler = document.doctype
    parser.SkippedEntityHandler = document.skipped
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise UnreadableError(f"not XML: {error}") from None
    return Tree(value=document.value())


def _text(content: Content) -> str | None:
    """The text by the charset of the label, else the byte order mark, else the declaration.

    Source of the order: RFC 7303 section 3, which puts the mark before the label; a mark at
    odds with the label fails to decode there.
    """
    if charset(content):
        return text_of(content)
    if content.data.startswith(_UTF_16_MARKS):
        return decoded(content.data, "utf-16")
    declared = _DECLARED.match(content.data)
    label = declared[1].decode().lower() if declared else ""
    return decoded(content.data, label if label in CHARSETS else "utf-8")


class _Document:
    """The root element and what stands around it."""

    def __init__(self, meter: Meter) -> None:
        self.elements = Elements(meter, preserve=False)
        self.around: tuple[list[Json], list[Json]] = ([], [])

    def end(self, _name: str) -> None:
        self.elements.end()

    def node(self, node: Json) -> None:
        if len(self.elements.stack) > 1:
            self.elements.node(node)
        else:
            self.elements.meter.spend()
            self.around[bool(self.elements.root.children)].append(node)

    def comment(self, text: str) -> None:
        self.node({"#comment": text})

    def instruction(self, target: str, text: str) -> None:
        self.node({f"?{target}": text})

    def skipped(self, entity: str, _is_parameter_entity: Any) -> None:
        self.node({"&": entity})

    def doctype(self, root: str, system: str | None, public: str | None, declares: Any) -> None:
        if declares:
            raise UnreadableError("its document type declares something")
        self.node({"!DOCTYPE": [root, public, system]})

    def value(self) -> Json:
        before, after = self.around
        value: dict[str, Json] = {"#before": before} if before else {}
        value.update(self.elements.root.children[0])
        return {**value, "#after": after} if after else value
