from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.config.units import MAX_BYTES, MAX_SECONDS, octets, seconds
from shadow.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("1d", 86400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        (" 2 H ", 7200),
        ("366d", MAX_SECONDS),
    ],
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text, "--window") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4096", 4096),
        ("1b", 1),
        ("64MiB", 64 << 20),
        ("10GB", 10**10),
        ("1.5 kib", 1536),
        ("100kb", 100_000),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert octets(text, "--queue-bytes") == value


@pytest.mark.parametrize(
    "text",
    ["", "5", "1w", "h", "-1s", "0s", "1h30m", "1e3s", "inf", "nan", "1,5h", "٣s"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        seconds(text, "--window")
    assert refused.value.message == f"--window {text}: is no duration"
    assert "1h" in refused.value.hint


@pytest.mark.parametrize("text", ["367d", "9" * 400 + "d"])
def test_what_is_too_long(text: str) -> None:
    with pytest.raises(ConfigError, match="is longer than 366 days"):
        seconds(text, "--window")


@pytest.mark.parametrize(
    "text",
    ["", "MiB", "1TB", "-1", "0", "0.5", "1e3", "inf", "1 2", "9" * 400, f"{MAX_BYTES + 1}", "٣"],
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        octets(text, "--queue-bytes")
    assert refused.value.message == f"--queue-bytes {text}: is no size"


@given(st.text(max_size=20))
def test_any_text_is_a_value_or_an_error(text: str) -> None:
    for read, most in ((seconds, MAX_SECONDS), (octets, MAX_BYTES)):
        try:
            found = read(text, "--x")
        except ConfigError:
            continue
        assert 0 < found <= most
