"""The levels of `shadow races`, and the command that shows a finding again."""

from __future__ import annotations

import pytest

from shadow.config.racing import levels
from shadow.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "found"),
    [("16", (1, 16)), ("64, 4,1,4", (1, 4, 64)), ("1,1024", (1, 1024))],
)
def test_levels_rise_from_alone(text: str, found: tuple[int, ...]) -> None:
    assert levels(text) == found


@pytest.mark.parametrize(
    "text", ["00102499", "", "1", "0,4", "-1", "4,", "four", "1025", "9" * 5000, "٤"]
)
def test_what_is_no_level_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--levels "):
        levels(text)
