"""Elements of XML and HTML as a tree.

An element is an object with its name as the one key: `{"price": {"@unit": "EUR", "text": "3"}}`.
Attributes are `@name`, in the order of their names. An element that holds only text has it in
`text`; any other has its children, elements and text as they come, in `content`. An element with
nothing in it has neither.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from shadow.compare.codecs.values import Meter
from shadow.compare.json_text import Json

SPACE: Final = " \t\n\r"


class _Open:
    __slots__ = ("children", "name", "preserve", "value")

    def __init__(self, name: str, value: dict[str, Json], *, preserve: bool) -> None:
        self.name = name
        self.value = value
        self.preserve = preserve
        """White space between the elements in it is kept."""
        self.children: list[Json] = []


class Elements:
    """Builds the tree from tags and text in their order, without recursion."""

    def __init__(self, meter: Meter, *, preserve: bool) -> None:
        self.meter = meter
        self.root = _Open("", {}, preserve=preserve)
        self.stack = [self.root]
        self.within: Counter[str] = Counter()
        """How many elements of each name are open."""
        self.pending: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element; its attributes are sorted, as their order means nothing."""
        self.meter.spend(1 + len(attributes))
        self.flush()
        value: dict[str, Json] = {f"@{key}": attributes[key] for key in sorted(attributes)}
        space = attributes.get("xml:space")
        preserve = self.stack[-1].preserve if space is None else space == "preserve"
        self.stack.append(_Open(name, value, preserve=preserve))
        self.within[name] += 1

    def end(self) -> None:
        """Close the innermost element."""
        self.flush()
        element = self.stack.pop()
        self.within[element.name] -= 1
        children = element.children
        if len(children) == 1 and isinstance(children[0], str):
            element.value["text"] = children[0]
        elif children:
            element.value["content"] = _significant(children, preserve=element.preserve)
        self.stack[-1].children.append({element.name: element.value})

    def text(self, text: str) -> None:
        """Add text to the innermost element."""
        self.pending.append(text)

    def node(self, node: Json) -> None:
        """Add something that is neither an element nor text."""
        self.meter.spend()
        self.flush()
        self.stack[-1].children.append(node)

    def flush(self) -> None:
        """Make one text of the pieces that stand side by side."""
        text = "".join(self.pending)
        self.pending.clear()
        if text:
            self.stack[-1].children.append(text)


def _significant(children: list[Json], *, preserve: bool) -> list[Json]:
    """Children without the white space between elements, unless there is other text too."""
    texts = [child for child in children if isinstance(child, str)]
    if preserve or any(text.strip(SPACE) for text in texts):
        return children
    return [child for child in children if not isinstance(child, str)]
