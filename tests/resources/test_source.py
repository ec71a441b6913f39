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
    [
        *("", "pid:", "pid:0", "pid:-1", "pid:x", "pid:99999999999", "pid:1" + "0" * 5000),
        *("cgroup:", "prom:file:///x", "top", "prom:http://[", "prom:http://h:x/", "prom:http://"),
        *("prom:http://me:a/b@h/metrics", "prom:http://me:1?b@h/metrics"),
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_source(text, "http://127.0.0.1:8080")
    assert "no place to read CPU and memory from" in raised.value.message
    assert "pid:123" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ghp_secret", "no place to read CPU and memory from"),
        ("docker:ghp_secret", "docker: no place to read CPU and memory from"),
        ("prom:http://h:ghp_secret", "prom: no place to read CPU and memory from"),
        ("ghp_Secret:x", "no place to read CPU and memory from"),
        ("averylongsecret:x", "no place to read CPU and memory from"),
    ],
)
def test_the_text_is_not_quoted(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_source(text, "http://127.0.0.1:8080")
    assert raised.value.message == message
