from __future__ import annotations

import pytest

from shadow.errors import ConfigError
from shadow.sidecar.ports.options import parse_listen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_where_to_listen(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9464", "is not HOST:PORT"),
        (":9464", "is not HOST:PORT"),
        ("::1:9464", "is not HOST:PORT"),
        ("[localhost]:1", "is not HOST:PORT"),
        ("localhost:\u0661", "is not HOST:PORT"),
        ("localhost:", "bad port"),
        ("localhost:http", "bad port http"),
        ("localhost:65536", "bad port 65536"),
        ("localhost:-1", "bad port -1"),
    ],
)
def test_where_one_cannot(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_listen(text)
    assert refused.value.message.startswith(f"--listen {text}: {message}")
    assert refused.value.hint
