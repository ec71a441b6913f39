from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.reports.sparklines import sparkline, sparkline_svg

HOSTILE = "</title><script>alert(1)</script>\x00\x1b[31m\u202e\ud800 & \" ' é 漢字"
NUMBERS = st.none() | st.integers(0, 10**9) | st.floats(0, 1)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([None, None], "··"),
        ([5], "█"),
        ([0, 0], "▁▁"),
        ([0, 1, None, 4], "▁▃·█"),
        ([100, 101], "▇█"),  # a change of a hundredth does not fill the height
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
    ],
)
def test_a_sparkline(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@given(st.lists(NUMBERS, max_size=50))
def test_every_value_has_its_character(values: list[float | None]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    assert [c == "·" for c in line] == [value is None for value in values]


@given(st.lists(NUMBERS, max_size=50), st.text(max_size=30))
def test_an_svg_is_sound_whatever_is_in_it(values: list[float | None], title: str) -> None:
    svg = ET.fromstring(sparkline_svg(values, title=title, width=100, height=20))
    assert {each.tag.removeprefix(SVG) for each in svg} <= {"title", "polyline", "circle"}
    for line in svg.iter(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= 100
            assert 0 <= y <= 20
            assert math.isfinite(x + y)
    known = [value for value in values if value is not None]
    assert len(list(svg.iter(f"{SVG}circle"))) == bool(known)


def test_a_gap_parts_the_line() -> None:
    svg = ET.fromstring(sparkline_svg([1, 2, None, 3, 2, 1], title="p99"))
    lines = [line.attrib["points"].split() for line in svg.iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [2, 3]


def test_nothing_of_a_title_is_markup() -> None:
    text = sparkline_svg([1, 2], title=HOSTILE)
    assert "<script" not in text
    title = ET.fromstring(text).find(f"{SVG}title")
    assert title is not None
    assert title.text is not None
    assert "<script>alert(1)</script>" in title.text
