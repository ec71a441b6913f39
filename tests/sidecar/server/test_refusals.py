"""Which requests are refused, by their heads alone. Pure."""

from __future__ import annotations

import pytest

from shadow.model import Headers, Request
from shadow.sidecar.server.refusals import Refusal, Wishes, check, framing_of

HOST = ("hOST", "a")


def checked(*headers: tuple[str, str], version: str = "1.1", upgrading: bool = False) -> Wishes:
    request = Request(method="GET", target="/", headers=headers)
    return check(request, version=version, upgrading=upgrading)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_most_requests_ask_for_nothing(version: str) -> None:
    headers = (HOST, ("Date", "x"), ("Accept", "y"), ("X-Seventeen-Long!", "z"))
    assert checked(*headers, version=version) == Wishes(expects=False, upgrade="")


def test_only_http_1_1_asks_for_something() -> None:
    headers = (HOST, ("Expect", "100-Continue"), ("Upgrade", "WebSocket"))
    assert checked(*headers, upgrading=True) == Wishes(expects=True, upgrade="websocket")
    assert checked(*headers) == Wishes(expects=True, upgrade="")
    assert checked(*headers, version="1.0", upgrading=True) == Wishes(expects=False, upgrade="")


def test_http_1_0_needs_no_host_but_not_two() -> None:
    assert checked(version="1.0") == checked(HOST, version="1.0")
    with pytest.raises(Refusal) as refused:
        checked(HOST, HOST, version="1.0")
    assert (refused.value.status, refused.value.reason) == (400, "host")


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2", "3.0"])
def test_other_versions(version: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked(HOST, version=version)
    assert (refused.value.status, refused.value.reason) == (505, "version")


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        ((), b""),
        ((HOST,), b""),
        ((("content-length", "0"),), b""),
        ((("Content-length", "007"),), b"Content-Length: 7\r\n"),
        ((HOST, ("TRANSFER-encoding", "chunked")), b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_framing(headers: Headers, line: bytes) -> None:
    assert framing_of(headers) == line
