"""Changes to one segment of a path; the others keep their spelling. Pure."""

from __future__ import annotations

import random
import re
from typing import Final
from urllib.parse import unquote

from shadow.fuzzing import edges
from shadow.fuzzing.parameters import escaped, other, swapped

MAX_PATH: Final = 4_096
_DIGITS: Final = re.compile(r"[0-9]{1,40}")


def value(path: str, draw: random.Random) -> str | None:
    """A segment with a digit gets another number in it, or becomes another text."""
    segments = _segments(path)
    variable = [index for index, each in enumerate(segments) if _is_variable(each)]
    if not variable:
        return None
    index = draw.choice(variable)
    segment = segments[index]
    digits = list(_DIGITS.finditer(segment))
    if digits and not edges.is_date(segment) and draw.random() < 0.75:
        found = draw.choice(digits)
        new = edges.number(found[0], draw)
        if draw.random() < 0.8:
            new = new.zfill(len(found[0]))  # an id keeps its width
        segments[index] = segment[: found.start()] + escaped(new) + segment[found.end() :]
    else:
        segments[index] = escaped(other(unquote(segment), draw))
    return "/".join(segments)


def spelling(path: str, draw: random.Random) -> str | None:
    """A segment gets escapes, dots, slashes or other letters."""
    segments = _segments(path)
    if len(segments) < 2:
        return None
    index = draw.randrange(1, len(segments))
    segment = segments[index]
    at = draw.randrange(len(segment) + 1)
    code = ord(segment[at]) if at < len(segment) else ord("x")
    rest = segment[at + 1 :]
    choices = (
        f"{segment[:at]}%{code:02x}{rest}",
        f"{segment[:at]}%{code:02X}{rest}",
        f"{segment[:at]}%2F{segment[at:]}",
        f"{segment[:at]}%2f{segment[at:]}",
        f"{segment[:at]}%zz{segment[at:]}",
        f"{segment}%",
        f"{segment}%00",
        f"./{segment}",
        f"x/../{segment}",
        f"x/%2e%2e/{segment}",
        f"../{segment}",
        f"{segment}/..",
        f"{segment}/.",
        f"/{segment}",
        f"{segment}/",
        f"{segment};x=1",
        f"{segment}.json",
        swapped(segment),
        "",
    )
    segments[index] = draw.choice(choices)
    return "/".join(segments)


def _segments(path: str) -> list[str]:
    return path.split("/") if path.startswith("/") and len(path) <= MAX_PATH else []


def _is_variable(segment: str) -> bool:
    """Whether a segment looks like a value; `v1` does not."""
    return any(each.isdigit() for each in segment) and not re.fullmatch(r"v[0-9]+", segment)
