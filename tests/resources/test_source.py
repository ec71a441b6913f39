from __future__ import annotations

import pytest

from shadow.errors import ConfigError
from shadow.resources.source import parse_source


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("auto", "port 8080"),
        ("pid:123", "pid:123"),
        ("cgroup:/sys/fs/cgroup/go", "cgroup:/sys/fs/cgroup/go"),
        ("prom:http://127.0.0.1:9100/metrics", "prom:http://127.0.0.1:9100/metrics"),
    ],
)
def test_sources(text: str, name: str) -> None:
    assert parse_source(text, "http://127.0.0.1:8080").name == name


@pytest.mark.parametrize(
    "text",
    ["", "pid:", "pid:0", "pid:-1", "pid:x", "pid:99999999999", "cgroup:", "prom:file:///x", "top"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_source(text, "http://127.0.0.1:8080")
    assert "no place to read CPU and memory from" in raised.value.message
    assert "pid:123" in (raised.value.hint or "")
