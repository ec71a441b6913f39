"""What goes to a client before a body. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Headers
from shadow.sidecar.server.heads import HEAD_SIZE, UNKNOWN_SIZE, Framing, Heads, chunk

CHUNKED = ("Transfer-Encoding", "chunked")


def rendered(
    *headers: tuple[str, str], status: int = 200, modern: bool = True, keep: bool = True, size: int
) -> tuple[list[str], Framing]:
    head, framing = Heads().render(status, headers, modern=modern, keep=keep, size=size)
    assert head.endswith(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")[:-2]
    assert line.startswith(f"HTTP/1.1 {status} ")
    return fields, framing


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    ("headers", "status", "modern", "size", "fields", "framing"),
    [
        # The service's own length.
        ([("Content-Length", "2")], 200, True, 2, ["Content-Length: 2"], "length"),
        ([("content-length", "2")], 200, True, UNKNOWN_SIZE, ["content-length: 2"], "length"),
        ([("Content-Length", "2")], 200, False, UNKNOWN_SIZE, ["Content-Length: 2"], "length"),
        # Chunks.
        ([CHUNKED], 200, True, 2, ["Transfer-Encoding: chunked"], "chunked"),
        ([CHUNKED], 200, True, UNKNOWN_SIZE, ["Transfer-Encoding: chunked"], "chunked"),
        ([CHUNKED], 200, False, 2, ["Content-Length: 2"], "length"),
        ([CHUNKED], 200, False, UNKNOWN_SIZE, [], "close"),
        # Until the service closed.
        ([], 200, True, 2, ["Content-Length: 2"], "length"),
        ([], 200, True, UNKNOWN_SIZE, ["Transfer-Encoding: chunked"], "chunked"),
        ([], 200, False, 2, ["Content-Length: 2"], "length"),
        ([], 200, False, UNKNOWN_SIZE, [], "close"),
        # No body.
        ([("Content-Length", "9")], 200, True, HEAD_SIZE, ["Content-Length: 9"], "none"),
        ([CHUNKED], 200, True, HEAD_SIZE, ["Transfer-Encoding: chunked"], "none"),
        ([], 200, True, HEAD_SIZE, [], "none"),
        ([CHUNKED], 200, False, HEAD_SIZE, [], "none"),
        ([("Content-Length", "9")], 304, True, 0, ["Content-Length: 9"], "none"),
        ([CHUNKED], 304, True, 0, [], "none"),
        ([], 204, True, 0, [], "none"),
        ([("Content-Length", "9")], 204, True, 0, [], "none"),
        ([("Content-Length", "0")], 204, True, HEAD_SIZE, [], "none"),
    ],
)
def test_framing(  # noqa: PLR0917 - a table
    headers: list[tuple[str, str]],
    status: int,
    modern: bool,
    size: int,
    fields: list[str],
    framing: Framing,
    keep: bool,
) -> None:
    connection = ["Connection: close"] if not keep or framing == "close" else []
    if not modern and not connection:
        connection = ["Connection: keep-alive"]
    seen = rendered(*headers, status=status, modern=modern, keep=keep, size=size)
    assert seen == (fields + connection, framing)


def test_what_belongs_to_the_service_s_connection_stays_there() -> None:
    fields, framing = rendered(
        ("Connection", "x-One, Close"),
        ("Keep-Alive", "timeout=5"),
        ("X-One", "1"),
        ("Set-Cookie", "b=2"),
        ("connection", "X-Two ,, content-length"),
        ("Proxy-Connection", "keep-alive"),
        ("x-two", "2"),
        ("TE", "trailers"),
        ("Trailer", "X-Sum"),
        ("Upgrade", "h2c"),
        ("set-COOKIE", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X-Three", ""),
        ("Content-Length", "5"),
        size=5,
    )
    assert fields == [
        *("Set-Cookie: b=2", "set-COOKIE: a=1", "Set-Cookie: b=2"),
        *("X-Three: ", "Content-Length: 5"),
    ]
    assert framing == "length"


def test_bytes_of_a_value_are_kept() -> None:
    head, _ = Heads().render(200, (("A", "\xff\xe9"),), modern=True, keep=True, size=0)
    assert b"A: \xff\xe9\r\n" in head


def test_an_odd_status_has_no_reason() -> None:
    head, _ = Heads().render(799, (), modern=True, keep=True, size=0)
    assert head.startswith(b"HTTP/1.1 799 \r\n")


NAMES = st.sampled_from(["Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "A", "a"])
VALUES = st.sampled_from(["5", "chunked", "close", "a", "a, content-length", "", "x" * 3_000])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4).map(tuple)
SIZES = st.sampled_from([HEAD_SIZE, UNKNOWN_SIZE, 0, 5])


@given(
    st.lists(
        st.tuples(st.sampled_from([200, 204, 500]), HEADERS, st.booleans(), st.booleans(), SIZES),
        max_size=6,
    )
)
def test_a_head_that_was_rendered_before_is_the_same(
    asked: list[tuple[int, Headers, bool, bool, int]],
) -> None:
    heads = Heads()
    for status, headers, modern, keep, size in [*asked, *asked]:
        fresh = Heads().render(status, headers, modern=modern, keep=keep, size=size)
        assert heads.render(status, headers, modern=modern, keep=keep, size=size) == fresh


def test_what_is_remembered_is_bounded() -> None:
    heads = Heads()
    for number in range(2 * Heads.KEPT):
        heads.render(200, (("Date", str(number)),), modern=True, keep=True, size=0)
        assert len(heads._known) <= Heads.KEPT
    before = len(heads._known)
    heads.render(200, (("A", "x" * Heads.LONGEST),), modern=True, keep=True, size=0)
    assert len(heads._known) == before


def test_a_chunk() -> None:
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"
