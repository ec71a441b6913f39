from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.config.lines import Place, line_of, told

TEXT = """\
# a comment, a.b = 1
top = 1
[targets.baseline]
url = "x"
headers = { "X-Env" = "a" }
[targets."odd name"]
'quoted' = 2
[[accept]]
reason = "one"
[[accept]]
reason = "two"
paths = [
  "a",
  "b",
]
[accept.inner]
deep.er = 1
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("top",), 2),
        (("targets", "baseline"), 3),
        (("targets", "baseline", "url"), 4),
        (("targets", "baseline", "headers", "X-Env"), 5),
        (("targets", "odd name", "quoted"), 7),
        (("accept", 0), 8),
        (("accept", 0, "reason"), 9),
        (("accept", 0, "owner"), 8),
        (("accept", 1, "reason"), 11),
        (("accept", 1, "paths", 1), 12),
        (("accept", 1, "inner", "deep", "er"), 17),
        (("missing",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key(place: Place, line: int | None) -> None:
    assert line_of(TEXT, place) == line


def test_a_place_as_people_write_it() -> None:
    assert told(("accept", 1, "owner")) == "accept[1].owner"
    assert told(("targets",)) == "targets"
    assert told(()) == ""


@given(st.text(alphabet="[]=\"'. \n#ab0", max_size=60), st.lists(st.sampled_from(["a", "b", 0])))
def test_any_text_has_a_line_or_none(text: str, place: list[str | int]) -> None:
    line = line_of(text, tuple(place))
    assert line is None or 1 <= line <= len(text.splitlines())
