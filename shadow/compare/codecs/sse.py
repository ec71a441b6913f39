"""Server-sent events (`text/event-stream`), by event record.

A stream is the list of its events, each an object with the fields it has of `event`, `id`,
`retry` and `data`. Data that is a JSON object or array is that value, other data text; the
lines of one event's data are one. An event that no empty line ends, which clients drop, has
`"unfinished": true`. Spelling are comments, unknown fields (clients ignore both), the ends of
lines, the space after a colon and the order of an event's fields. Paths: `$[2]['event']`,
`$[2]['data']['price']`.

Source of the rules: HTML, section 9.2.6, "Interpreting an event stream".
"""

from __future__ import annotations

import re
from typing import Final

from shadow.compare.codecs.content import Content, text_of
from shadow.compare.codecs.values import Meter, Tree, UnreadableError
from shadow.compare.json_text import Json, NotJsonError
from shadow.compare.json_text import read as read_json

name: Final = "sse"

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_FIELDS: Final = ("event", "id", "retry")


def claims(content: Content) -> bool:
    """Whether the body is labelled as an event stream."""
    return content.media_type == "text/event-stream"


def read(content: Content, meter: Meter) -> Tree:
    """The events. Raises UnreadableError for what is not in its charset, OverBudgetError."""
    text = text_of(content)
    if text is None:
        raise UnreadableError("not in its charset")
    events: list[Json] = []
    repeats = False
    fields: dict[str, Json] = {}
    data: list[str] = []
    lines = _LINE_END.split(text)
    meter.spend(len(lines))
    for position, line in enumerate(lines):
        last = position == len(lines) - 1
        if line:
            _field(line, fields, data)
        if (last or not line) and (fields or data):
            event: dict[str, Json] = {key: fields[key] for key in _FIELDS if key in fields}
            if data:
                event["data"], inner = _data("\n".join(data))
                repeats = repeats or inner
            meter.spend()
            if last:
                event["unfinished"] = True
            events.append(event)
            fields, data = {}, []
    return Tree(value=events, repeats=repeats)


def _field(line: str, fields: dict[str, Json], data: list[str]) -> None:
    key, _, value = line.partition(":")
    value = value.removeprefix(" ")
    if key == "data":
        data.append(value)
    elif key in _FIELDS:
        fields[key] = value


def _data(text: str) -> tuple[Json, bool]:
    """The data of an event, and whether some object in it repeats a name."""
    if text.lstrip()[:1] not in ("{", "["):
        return text, False
    try:
        document = read_json(text)
    except NotJsonError:
        return text, False
    return document.value, document.repeats
