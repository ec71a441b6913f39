"""Changes to one parameter of a query or a form; the others keep their spelling. Pure."""

from __future__ import annotations

import random
from typing import Final
from urllib.parse import quote, unquote_plus

from shadow.fuzzing import edges

MAX_PARAMETERS: Final = 1_000
"""Of a longer query nothing is changed."""


def value(query: str, draw: random.Random) -> str | None:
    """A value becomes another one of its kind, or a text at an edge."""
    pairs = _pairs(query)
    named = [index for index, pair in enumerate(pairs) if "=" in pair]
    if not named:
        return None
    index = draw.choice(named)
    name, _, text = pairs[index].partition("=")
    pairs[index] = f"{name}={escaped(other(unquote_plus(text), draw))}"
    return "&".join(pairs)


def shape(query: str, draw: random.Random) -> str | None:
    """A parameter is repeated, empty, without value, gone, misspelled, or parted by `;`."""
    pairs = _pairs(query)
    if not pairs:
        return draw.choice(("extra=1", "extra", "=", "&", "%zz=1")) if not query else None
    index = draw.randrange(len(pairs))
    pair = pairs[index]
    name, _, text = pair.partition("=")
    choices = (
        f"{pair}&{pair}",
        f"{pair}&{name}={escaped(other(unquote_plus(text), draw))}",
        f"{name}=",
        name,
        f"={text}",
        f"{pair};extra=1",
        f"{pair}&extra=1",
        f"{pair}&",
        f"&{pair}",
        f"{swapped(name)}={text}",
        f"{name}[]={text}",
        f"{pair}%zz",
        f"{pair}%",
        f"%{ord(name[:1] or 'x') & 0xFF:02x}{name[1:]}={text}",
        f"{name}={text}={text}",
        f"{name}=+{text}",
        "",
    )
    pairs[index] = draw.choice(choices)
    changed = "&".join(each for place, each in enumerate(pairs) if each or place != index)
    return changed.replace("&", ";", 1) if draw.random() < 0.05 else changed


def other(text: str, draw: random.Random) -> str:
    """Another text than this one: a number or a date where it is one, else any."""
    chance = draw.random()
    if edges.is_date(text) and chance < 0.7:
        return edges.date(text, draw)
    if edges.is_number(text) and chance < 0.7:
        return edges.number(text, draw)
    return edges.string(text, draw)


def escaped(text: str) -> str:
    """A text in percent-encoding; a lone surrogate as the three bytes that stand for it."""
    return quote(text, safe="", errors="surrogatepass")


def swapped(text: str) -> str:
    """A text of a head with upper for lower letters; a character that is no ASCII is a byte."""
    return "".join(each.swapcase() if each.isascii() else each for each in text)


def _pairs(query: str) -> list[str]:
    pairs = query.split("&") if query else []
    return pairs if len(pairs) <= MAX_PARAMETERS else []
