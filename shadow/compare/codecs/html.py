"""HTML as a tree of tags, attributes and text (see `elements`).

Spelling are the case of names, the order and quoting of attributes, character references,
comments, and white space: a run of it is one space, and none at the tags of block elements;
within `pre`, `textarea`, `script` and `style` it is kept. A page is the list of what it holds at
the top. Tags are taken as they stand: an element whose end tag is left out holds what follows,
an end tag without an element is `{"/name": {}}`, the document type `{"!doctype": text}`, other
declarations `{"<!": text}`; a tag that does not end is text. Paths:
`$[1]['html']['content'][0]['body']['content'][2]['p']['text']`.

Read here and not by `html.parser`, which takes quadratic time for some texts and reads some of
them differently from one Python to the next.
"""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import Final

from shadow.compare.codecs.content import Content, text_of
from shadow.compare.codecs.elements import Elements
from shadow.compare.codecs.values import Meter, Tree, UnreadableError

name: Final = "html"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_VOID: Final = _names("area base br col embed hr img input link meta param source track wbr")
_RAW: Final = _names("iframe noembed noframes script style xmp")
"""Their content is text without character references, up to the end tag."""
_TEXT_ONLY: Final = _RAW | {"textarea", "title"}
_VERBATIM: Final = ("pre", "textarea", "script", "style", "xmp")
_BLOCK: Final = _names(
    "address article aside base blockquote body br caption center col colgroup dd details dialog "
    "dir div dl dt fieldset figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head header "
    "hgroup hr html legend li link main menu meta nav noframes ol optgroup option p pre script "
    "search section style summary table tbody td template tfoot th thead title tr ul"
)

_MARKUP: Final = re.compile(r"<(?:(?P<tag>/?)(?P<name>[A-Za-z][^ \t\n\f\r/>]*+)|!--|[!?/])")
_ATTRIBUTE: Final = re.compile(
    r"[ \t\n\f\r/]*+(?:(?P<close>>)|(?P<name>=?[^ \t\n\f\r/>=]*+)"
    r"(?:[ \t\n\f\r]*+=[ \t\n\f\r]*+"
    r"(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+)?)"
    r")?+)"
)
_LINE_END: Final = re.compile(r"\r\n?")
_SPACES: Final = re.compile(r"[ \t\n\f\r]+")
_REFERENCE: Final = re.compile(
    r"&(?:#0*(?P<decimal>[0-9]+)|#[xX]0*(?P<hex>[0-9a-fA-F]+)|(?P<name>[A-Za-z][A-Za-z0-9]{1,40}));?"
)


def claims(content: Content) -> bool:
    """Whether the body is labelled as HTML."""
    return content.media_type == "text/html"


def is_readable(content: Content) -> bool:
    """Whether `read` finds a page: any text in its charset is one."""
    return text_of(content) is not None


def read(content: Content, meter: Meter) -> Tree:
    """The page. Raises UnreadableError for what is not in its charset, OverBudgetError."""
    text = text_of(content)
    if text is None:
        raise UnreadableError("not in its charset")
    page = _Page(_LINE_END.sub("\n", text), Elements(meter, preserve=True))
    page.read()
    return Tree(value=page.elements.root.children)


def unescaped(text: str, *, attribute: bool = False) -> str:
    """The text without character references (HTML 13.5), of any length."""

    def one(match: re.Match[str]) -> str:
        number = match["decimal"] or match["hex"]
        if number is not None:
            # Python refuses to read numbers of thousands of digits.
            digits = number if len(number) <= 7 else "9999999"
            return html.unescape(f"&#{'x' * (match['decimal'] is None)}{digits};")
        legacy = not match[0].endswith(";") and text[match.end() : match.end() + 1] == "="
        # In an attribute `&copy=1` is no reference, nor is `&copyright`.
        if attribute and (legacy or _runs_on(match[0])):
            return match[0]
        return html.unescape(match[0])

    return _REFERENCE.sub(one, text) if "&" in text else text


def _runs_on(reference: str) -> bool:
    return not reference.endswith(";") and reference[1:] not in html5


def same_but_references(left: str, right: str) -> bool:
    """Whether two texts differ only in how they write characters as references."""
    return left.count("&") == right.count("&") > 0 and unescaped(left) == unescaped(right)


class _Page:
    """Splits a page into tags and text; each character is looked at a bounded number of times."""

    def __init__(self, text: str, elements: Elements) -> None:
        self.text = text
        self.elements = elements
        self.position = 0
        self.pending: list[str] = []
        self.at_block = True
        """The text that is pending stands behind the tag of a block element."""

    def read(self) -> None:
        while (found := _MARKUP.search(self.text, self.position)) is not None:
            self.pending.append(unescaped(self.text[self.position : found.start()]))
            self.position = found.end()
            self.elements.meter.spend()
            if found["name"] is None:
                self.declaration(found[0])
            elif found["tag"]:
                self.end_tag(found["name"].lower(), found.start())
            else:
                self.start_tag(found["name"].lower(), found.start())
        self.pending.append(unescaped(self.text[self.position :]))
        self.flush(block=True)
        while len(self.elements.stack) > 1:
            self.elements.end()
        self.elements.flush()

    def declaration(self, mark: str) -> None:
        """A comment, a document type, or something that has no place in HTML."""
        start = self.position
        if mark == "<!--":
            self.position -= 2  # `<!-->` is a whole comment
        if self.skip("-->" if mark == "<!--" else ">") and mark == "<!--":
            return
        inside = self.text[start : self.position].removesuffix(">")
        self.flush(block=True)
        if mark == "<!" and inside[:7].lower() == "doctype":
            self.elements.node({"!doctype": " ".join(inside[7:].lower().split())})
        else:
            self.elements.node({mark: inside})
        self.at_block = True

    def skip(self, mark: str) -> bool:
        """Go behind the next mark, or to the end where there is none."""
        end = self.text.find(mark, self.position)
        self.position = len(self.text) if end < 0 else end + len(mark)
        return end >= 0

    def end_tag(self, tag: str, start: int) -> None:
        if not self.skip(">"):
            self.pending.append(self.text[start:])
            return
        self.flush(block=tag in _BLOCK)
        self.at_block = tag in _BLOCK
        if not self.elements.within[tag]:
            self.elements.node({f"/{tag}": {}})
            return
        while self.elements.stack[-1].name != tag:
            self.elements.end()
        self.elements.end()

    def start_tag(self, tag: str, start: int) -> None:
        attributes, closed = self.attributes()
        if not closed:
            self.pending.append(self.text[start:])
            return
        self.flush(block=tag in _BLOCK)
        self.at_block = tag in _BLOCK
        self.elements.start(tag, attributes)
        foreign = self.elements.within["svg"] or self.elements.within["math"]
        if tag in _VOID or (foreign and self.text[self.position - 2] == "/"):
            self.elements.end()
        elif tag in _TEXT_ONLY:
            self.content_of(tag)

    def attributes(self) -> tuple[dict[str, str], bool]:
        """The attributes up to the end of the tag, and whether it has an end."""
        found: dict[str, str] = {}
        while self.position < len(self.text):
            match = _ATTRIBUTE.match(self.text, self.position)
            assert match is not None, "every part of the pattern may be empty"
            self.position = max(match.end(), self.position + 1)
            self.elements.meter.spend()
            if match["close"]:
                return found, True
            value = match["double"] or match["single"] or match["bare"] or ""
            if match["name"]:
                found.setdefault(match["name"].lower(), unescaped(value, attribute=True))
        return found, False

    def content_of(self, tag: str) -> None:
        """The text of an element that can hold nothing else."""
        end = re.compile(rf"</{tag}(?=[ \t\n\f\r/>])", re.IGNORECASE).search(
            self.text, self.position
        )
        stop = end.start() if end else len(self.text)
        inside = self.text[self.position : stop]
        self.pending.append(inside if tag in _RAW else unescaped(inside))
        self.position = stop

    def flush(self, *, block: bool) -> None:
        """Hand over the text before a tag; `block`: the tag is one of a block element."""
        text = "".join(self.pending)
        self.pending.clear()
        if not any(self.elements.within[tag] for tag in _VERBATIM):
            text = _SPACES.sub(" ", text)
            text = text.removeprefix(" ") if self.at_block else text
            text = text.removesuffix(" ") if block else text
        if text:
            self.elements.text(text)
