from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shadow.captures import UnwritableError, open_writer
from shadow.captures.formats.curl import CurlScript
from shadow.model import Exchange, Request
from tests.cli.sidecars import serving

HOSTILE = [
    Exchange(
        id="a'; touch owned #\u2028",
        request=Request(
            method="POST",
            target="/$(touch%20owned)/`id`/'\"\\?a=$HOME&b=*[1-3]{x}/../..",
            headers=(
                ("Host", "elsewhere.example.com"),
                ("X-A", "'; touch owned; '\xe4"),
                ("X-Empty", ""),
                ("Content-Length", "999"),
            ),
            body=b"\0\xff'$(touch owned)\n\n",
        ),
    ),
    Exchange(id="b", request=Request(method="GET", target="/plain", headers=(("Accept", "a"),))),
    Exchange(id="c", request=Request(method="HEAD", target="/head")),
    Exchange(id="d", request=Request(method="POST", target="/long", body=b"x" * 1_100_000)),
]


def test_a_script_sends_what_was_recorded_and_nothing_else(tmp_path: Path) -> None:
    script = tmp_path / "load.sh"
    with open_writer(script, CurlScript()) as writer:
        for exchange in HOSTILE:
            writer.write(exchange)
    with serving() as service:
        subprocess.run(
            ["sh", script],
            check=True,
            cwd=tmp_path,
            env={
                "BASE_URL": service.url,
                "PATH": "/usr/bin:/bin",
                "HOME": str(tmp_path),
                "http_proxy": "http://127.0.0.1:1",  # nobody listens there
            },
            capture_output=True,
            timeout=30,
        )
    assert list(tmp_path.iterdir()) == [script]
    first, second, *_, last = service.asked
    assert (first.method, first.path) == ("POST", HOSTILE[0].request.target)
    assert first.body == HOSTILE[0].request.body
    fields = dict(first.headers)
    assert fields["X-A"] == "'; touch owned; '\xe4"
    assert fields["X-Empty"] == ""
    assert fields["Content-Length"] == str(len(first.body))
    assert fields["Host"] == service.url.removeprefix("http://")
    assert "User-Agent" not in fields
    assert (second.method, second.path) == ("GET", "/plain")
    assert len(last.body) == 1_100_000
    assert "Expect" not in dict(last.headers)


def test_without_a_target_the_script_says_so(tmp_path: Path) -> None:
    script = tmp_path / "load.sh"
    with open_writer(script, CurlScript()) as writer:
        writer.write(HOSTILE[1])
    done = subprocess.run(["sh", script], env={}, capture_output=True, check=False, timeout=30)
    assert done.returncode != 0
    assert b"BASE_URL" in done.stderr


def test_what_cannot_be_sent_is_left_out() -> None:
    for request in (
        Request(method="GET", target="*"),
        Request(method="GET", target="/a#b"),
        Request(method="HEAD", target="/", body=b"x"),
        Request(method="POST", target="/", body=b"x", truncated=True),
        Request(method="POST", target="/", body=b"x", decoded=True),
    ):
        with pytest.raises(UnwritableError):
            CurlScript().encode(Exchange(id="a", request=request))
