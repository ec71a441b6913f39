"""Takes out what a dropped secret stood in: the member, the parameter, the field."""

from __future__ import annotations

import re
from typing import Final

from shadow.captures.redact.marks import DROPPED

_GONE: Final = re.escape(DROPPED)
# Any of a thousand escaped quotes may begin a name: without a bound each is read to the end.
_NAME: Final = r'(?<!\\)(?P<quote>\\*+)"[^"\\]*+(?:\\.[^"\\]*+){0,64}?(?P=quote)"\s*+:\s*+'
_VALUE: Final = rf'(?:\\*+"{_GONE}\\*+"|{_GONE})'
_MEMBER: Final = re.compile(rf"(?P<before>,\s*+)?{_NAME}{_VALUE}\s*+(?P<after>,\s*+)?", re.DOTALL)
_ITEM: Final = re.compile(rf"(?<=[\[,:\s]){_VALUE}(?=\s*+[,\]}}])|\A\s*+{_VALUE}\s*+\Z")
_PARAMETER: Final = re.compile(
    rf"(?P<before>[?&;])[^?&;#=\s\"'<>]*+={_GONE}(?P<after>&)?", re.ASCII
)


def without_dropped(text: str) -> str:
    """Return a text without what is marked as dropped.

    A member of JSON goes with its name and a comma, a parameter with its name and an `&`; an item
    of a list becomes null, for the others keep their places; of other text only the value goes.
    """
    if DROPPED not in text:
        return text
    while (shorter := _MEMBER.sub(_one_comma, text)) != text:
        text = shorter
    text = _ITEM.sub("null", text)
    text = _PARAMETER.sub(lambda found: found["before"] if found["after"] else "", text)
    return text.replace(DROPPED, "")


def _one_comma(found: re.Match[str]) -> str:
    """Of two commas around a member one stays."""
    return found["before"] if found["before"] and found["after"] else ""
