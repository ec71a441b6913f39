"""Numbers over runs as sparklines: characters for a terminal, SVG for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from shadow.reports.text import plain

_BARS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = "·"
_STEADY: Final = 0.1
"""A range of less than this share of the highest value does not fill the height."""
_MARGIN: Final = 3.0  # a line's width and a dot's radius


def _scaled(values: Sequence[float | None]) -> list[float | None]:
    """The values from 0, the lowest, to 1, the highest; what hardly varies stays near 1."""
    known = [value for value in values if value is not None]
    if not known:
        return list(values)
    high = max(known)
    low = min(*known, high - _STEADY * abs(high)) if high else min(known)
    if high == low:
        return [None if value is None else 0.0 for value in values]
    return [None if value is None else (value - low) / (high - low) for value in values]


def sparkline(values: Sequence[float | None]) -> str:
    """Draw values as one character each; a value that is not known is a dot.

    >>> sparkline([0, 1, None, 4])
    '▁▃·█'
    """
    top = len(_BARS) - 1
    return "".join(
        _GAP if value is None else _BARS[round(value * top)] for value in _scaled(values)
    )


def sparkline_svg(
    values: Sequence[float | None], *, title: str, width: int = 160, height: int = 32
) -> str:
    """Draw values as a line in an SVG element, for an HTML page.

    A gap stays open, the last value has a dot, and `title` is what a screen reader says. Its
    colour is the text's. Nothing of the title is taken for markup.
    """
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "sparkline",
            "role": "img",
            "width": str(width),
            "height": str(height),
            "viewBox": f"0 0 {width} {height}",
        },
    )
    ET.SubElement(svg, "title").text = plain(title)
    places = _places(values, width, height)
    for line in _unbroken(places):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        style = {"fill": "none", "stroke": "currentColor", "stroke-width": "1.5"}
        if len(line) > 1:
            ET.SubElement(svg, "polyline", {"points": points, **style})
    dots = [place for place in places if place is not None]
    if dots:
        x, y = dots[-1]
        dot = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": "2", "fill": "currentColor"}
        ET.SubElement(svg, "circle", dot)
    return ET.tostring(svg, encoding="unicode")


def _places(
    values: Sequence[float | None], width: int, height: int
) -> list[tuple[float, float] | None]:
    step = (width - 2 * _MARGIN) / max(1, len(values) - 1)
    room = height - 2 * _MARGIN
    return [
        None if value is None else (_MARGIN + place * step, _MARGIN + (1 - value) * room)
        for place, value in enumerate(_scaled(values))
    ]


def _unbroken(
    places: Sequence[tuple[float, float] | None],
) -> Iterator[list[tuple[float, float]]]:
    """Yield the parts between gaps."""
    line: list[tuple[float, float]] = []
    for place in (*places, None):
        if place is not None:
            line.append(place)
        elif line:
            yield line
            line = []
