from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures import Broken, Record, Unsupported
from shadow.captures.formats import mitmproxy
from shadow.captures.formats.mitmproxy import MitmproxyFlows
from shadow.model import Exchange, NoAnswer


def netstring(value: Any) -> bytes:
    """A value as mitmproxy writes it."""
    if value is None:
        return b"0:~"
    if isinstance(value, dict):
        data, kind = b"".join(netstring(k) + netstring(v) for k, v in value.items()), b"}"
    elif isinstance(value, list):
        data, kind = b"".join(map(netstring, value)), b"]"
    elif isinstance(value, bool):
        data, kind = str(value).lower().encode(), b"!"
    else:
        kinds = {bytes: b",", str: b";", int: b"#", float: b"^"}
        data, kind = value if isinstance(value, bytes) else str(value).encode(), kinds[type(value)]
    return b"%d:%b%b" % (len(data), data, kind)


def flow(**parts: Any) -> dict[str, Any]:
    asked = {
        "method": b"GET",
        "scheme": b"http",
        "host": "h",
        "port": 8080,
        "path": b"/a",
        "authority": b"",
        "headers": [[b"X-A", b"1"], [b"x-a", b"2"]],
        "content": b"",
        "timestamp_start": 1785751200.5,
        "timestamp_end": 1785751200.6,
    }
    answered = {
        "status_code": 200,
        "reason": b"OK",
        "headers": [],
        "content": b"ok",
        "timestamp_start": 1785751200.7,
        "timestamp_end": 1785751200.75,
    }
    asked.update(parts.pop("request", {}))
    return {"type": "http", "version": 21, "request": asked, "response": answered, **parts}


def read(*flows: Any, size: int = 1000) -> list[Record]:
    data = b"".join(map(netstring, flows))
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    return list(MitmproxyFlows().read(chunks, "a"))


def test_a_flow() -> None:
    assert MitmproxyFlows().sniff(netstring(flow()))
    (found,) = read(flow())
    assert isinstance(found, Exchange)
    assert found.request.headers == (("Host", "h:8080"), ("X-A", "1"), ("x-a", "2"))
    assert found.response is not None
    assert found.response.body == b"ok"
    assert found.latency_ms == 250.0
    assert found.ts is not None
    assert found.ts.isoformat() == "2026-08-03T10:00:00.500000+00:00"


def test_what_is_no_answer_or_no_exchange() -> None:
    failed, tcp, socket, missing = read(
        flow(response=None, error={"msg": "connection reset", "timestamp": 1.0}),
        {"type": "tcp", "version": 21},
        flow(websocket={"messages": []}),
        flow(request={"content": None, "method": b"POST"}),
    )
    assert isinstance(failed, Exchange)
    assert failed.error == NoAnswer(kind="reset", detail="connection reset")
    assert isinstance(tcp, Unsupported)
    assert isinstance(socket, Unsupported)
    assert isinstance(missing, Exchange)
    assert missing.request.truncated


@pytest.mark.parametrize(
    "message", ["Client disconnected.", "Connection killed.", "stream reset by client (CANCEL)"]
)
def test_what_the_client_gave_up_says_nothing_about_the_service(message: str) -> None:
    (found,) = read(flow(response=None, error={"msg": message, "timestamp": 1.0}))
    assert isinstance(found, Exchange)
    assert found.response is None
    assert found.error is None


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (flow(version=5), "it was written by mitmproxy 5 or older"),
        (flow(version=[0, 18]), "it was written by mitmproxy 5 or older"),
        (flow(request={"headers": [[b"a"]]}), "the request headers are no pairs"),
        (flow(request={"path": b"a b"}), "the request target holds a space"),
        (flow(request={"path": 1}), "a part of the request is no text"),
        (flow(response={"status_code": "x"}), "the status is no number"),
        ([1], "a flow is no dictionary"),
    ],
)
def test_what_cannot_be_read_is_broken_and_the_next_is_read(broken: Any, reason: str) -> None:
    found, good = read(broken, flow())
    assert isinstance(found, Broken)
    assert found.reason.startswith(reason)
    assert isinstance(good, Exchange)


def test_a_long_flow_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mitmproxy, "MAX_RECORD_BYTES", 1_000)
    long = flow(request={"content": b"x" * 5_000})
    for size in (7, 100, 100_000):
        found, good = read(long, flow(), size=size)
        assert isinstance(found, Broken)
        assert isinstance(good, Exchange)


def test_values_in_values_are_bounded() -> None:
    value: Any = b"x"
    for _ in range(100):
        value = [value]
    (found,) = read(value)
    assert isinstance(found, Broken)
    assert found.reason == "it is nested too deeply"


@given(st.binary(max_size=300))
def test_any_bytes_will_do(data: bytes) -> None:
    for whole in (data, b"%d:%b}" % (len(data), data), netstring(flow())[:200] + data):
        list(MitmproxyFlows().read(iter([whole]), "a"))
