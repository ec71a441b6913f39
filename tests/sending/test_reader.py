from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Response
from shadow.sending import reader as reader_module
from shadow.sending.limits import Limits
from shadow.sending.reader import AnswerReader, Heads, MalformedAnswer

LIMITS = Limits(max_body=1000, max_header=2000)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def read(*pieces: bytes, method: str = "GET") -> AnswerReader:
    reader = AnswerReader(LIMITS)
    reader.begin(method)
    for piece in pieces:
        reader.feed(piece)
    return reader


@pytest.mark.parametrize(
    ("method", "sent", "status", "body", "reusable"),
    [
        ("GET", OK + b"Content-Length: 2\r\n\r\nok", 200, b"ok", True),
        ("GET", OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
        ("GET", b"\r\n" + OK + b"Content-Length: 2\r\n\r\nok", 200, b"ok", True),
        ("GET", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", True),
        ("GET", b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", 999, b"ok", True),
        ("GET", CHUNKED + b"2;a=b\r\nok\r\n1\r\n!\r\n0\r\n\r\n", 200, b"ok!", True),
        ("GET", CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", 200, b"ok", True),
        (
            "GET",
            b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok",
            200,
            b"ok",
            True,
        ),
        (
            "GET",
            b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n"
            + OK
            + b"Content-Length: 2\r\n\r\nok",
            200,
            b"ok",
            True,
        ),
        (
            "GET",
            b"HTTP/1.1 104 X\r\nContent-Length: 3\r\n\r\nabc" + OK + b"Content-Length: 2\r\n\r\nok",
            200,
            b"ok",
            True,
        ),
        ("HEAD", OK + b"Content-Length: 9\r\n\r\n", 200, b"", True),
        ("HEAD", OK + b"\r\n", 200, b"", True),
        ("HEAD", OK + b"Connection: close\r\nContent-Length: 9\r\n\r\n", 200, b"", False),
        ("HEAD", OK + b"Connection: x, Close\r\n\r\n", 200, b"", False),
        ("HEAD", b"HTTP/1.0 200 OK\r\n\r\n", 200, b"", False),
        ("HEAD", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", 200, b"", True),
        ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n", 200, b"", False),
        ("HEAD", OK + b"Content-Length: 2\r\n\r\nok", 200, b"", False),
        ("GET", b"HTTP/1.1 204 No\r\n\r\n", 204, b"", True),
        ("GET", b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", 204, b"", False),
        ("GET", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b"", False),
        ("GET", b"HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n", 304, b"", True),
        ("GET", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", False),
        (
            "GET",
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            200,
            b"ok",
            True,
        ),
        (
            "GET",
            OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
            200,
            b"ok",
            True,
        ),
        ("GET", OK + b"Content-Length: 2\r\n\r\nokH", 200, b"ok", False),
        ("GET", OK + b"Content-Length: 2\r\n\r\nok\x00", 200, b"ok", False),
        ("GET", (OK + b"Content-Length: 2\r\n\r\nok") * 2, 200, b"ok", False),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True])
def test_complete_answers(  # noqa: PLR0917  a table
    bytewise: bool,
    method: str,
    sent: bytes,
    status: int,
    body: bytes,
    reusable: bool,
) -> None:
    reader = AnswerReader(LIMITS)
    reader.begin(method)
    for piece in [sent[i : i + 1] for i in range(len(sent))] if bytewise else [sent]:
        # Byte by byte, what comes after the end comes to an idle connection: not to the reader.
        if not reader.complete:
            reader.feed(piece)
    assert reader.complete
    response = reader.take()
    assert (response.status, response.body) == (status, body)
    if not bytewise:
        assert reader.reusable == reusable


def test_headers_are_as_on_the_wire() -> None:
    head = b"Set-Cookie: a=1\r\nset-cookie:b=2 \t\r\nX-Empty:\r\nX-Raw: \xff\xe9\r\n"
    reader = read(OK + head + b"Content-Length: 0\r\n\r\n")
    assert reader.take().headers == (
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("X-Empty", ""),
        ("X-Raw", "\xff\xe9"),
        ("Content-Length", "0"),
    )


def test_a_taken_answer_is_not_held_on_to() -> None:
    reader = read(OK + b"Content-Length: 2\r\n\r\nok")
    assert reader.take().body == b"ok"
    assert reader.take().body == b""


def test_interim_headers_and_trailers_stay_out() -> None:
    early = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"
    reader = read(early + CHUNKED + b"0\r\nX-Sum: 1\r\n\r\n")
    assert reader.take().headers == (("Transfer-Encoding", "chunked"),)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    ],
)
def test_a_body_may_last_until_the_close(head: bytes) -> None:
    reader = read(head, b"one", b"two")
    before = reader.complete
    reader.end()
    assert (before, reader.complete) == (False, True)
    assert reader.take().body == b"onetwo"
    assert not reader.reusable


@pytest.mark.parametrize(
    ("sent", "progress"),
    [
        (b"", "before the first byte"),
        (b"HTTP/1.1 200 OK\r\nA", "inside the head of the answer, after 18 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "inside the head"),
        (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nabc", "after 3 of 5 bytes of body"),
        (CHUNKED + b"5\r\nabc", "after 3 bytes of body"),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "after 2 bytes of body",
        ),
    ],
)
def test_a_close_before_the_end_completes_nothing(sent: bytes, progress: str) -> None:
    reader = read(sent) if sent else read()
    reader.end()
    assert not reader.complete
    assert progress in reader.progress()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "HTTP/"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "status"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "status"),
        (b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", "status 000"),
        (b"HTTP/3.0 200 OK\r\n\r\n", "version"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "version 2.0"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx", "status 101"),
        (b"HTTP/1.1 101 Switching\r\n\r\nxx", "status 101"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "CR"),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "Content-Length"),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "Content-Length"),
        (OK + b"Content-Length: -2\r\n\r\n", "Content-Length"),
        (OK + b"Content-Length: 99999999999999999999\r\n\r\n", "Content-Length"),
        (OK + b"A B: x\r\n\r\n", "header"),
        (OK + b"A: x\0\r\n\r\n", "header"),
        (OK + b"A: x\r\n folded\r\n\r\n", "header"),
        (CHUNKED + b"zz\r\n", "chunk size"),
        (CHUNKED + b"2\r\nokk\r\n", "chunk"),
        (CHUNKED + b"ffffffffffffffffff\r\n", "hunk"),
        (OK + b"A: " + b"x" * 3000, "2000 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 100, "2000 bytes"),
        (CHUNKED + b"0\r\nX: " + b"x" * 3000, "2000 bytes"),
        (CHUNKED + b"2;" + b"x" * 3000, "2000 bytes"),
    ],
)
def test_malformed_answers(sent: bytes, reason: str) -> None:
    with pytest.raises(MalformedAnswer, match=reason):
        read(sent)
    with pytest.raises(MalformedAnswer):
        read(*[sent[i : i + 1] for i in range(len(sent))])


def test_the_number_of_header_fields_is_bounded() -> None:
    reader = AnswerReader(Limits())
    with pytest.raises(MalformedAnswer, match="2000 header fields"):
        reader.feed(OK + b"a:b\r\n" * 2001 + b"\r\n")


@pytest.mark.parametrize(
    ("sent", "size", "truncated"),
    [
        (OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000, 1000, False),
        (OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, 1000, True),
        (OK + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 5000, 1000, True),
        (OK + b"\r\n" + b"x" * 1001, 1000, True),
        (CHUNKED + (b"258\r\n" + b"x" * 600 + b"\r\n") * 2 + b"0\r\n\r\n", 1000, True),
    ],
)
def test_a_body_is_cut_at_the_bound(
    sent: bytes,
    size: int,
    truncated: bool,
) -> None:
    reader = read(sent)
    assert reader.complete
    response = reader.take()
    assert (len(response.body), response.truncated) == (size, truncated)
    assert reader.reusable != truncated


def test_the_bound_on_heads_does_not_count_bodies() -> None:
    chunks = b"".join(b"1\r\nx\r\n" for _ in range(900))
    assert read(CHUNKED, chunks, b"0\r\n\r\n").take().body == b"x" * 900


NAMES = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=8).filter(
    lambda name: (
        name.lower() not in {"connection", "content-length", "transfer-encoding", "upgrade"}
    )
)
VALUES = st.text([chr(c) for c in range(32, 256) if c != 127], max_size=8).map(
    lambda value: value.strip(" \t")
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, Response, str]:
    """Bytes, what they mean, and the method they answer."""
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    body = draw(st.binary(max_size=30))
    method = draw(st.sampled_from(["GET", "HEAD"]))
    head_only = method == "HEAD"
    if not head_only and draw(st.booleans()):
        headers.append(("Transfer-Encoding", "chunked"))
        cut = draw(st.integers(0, len(body)))
        parts = [part for part in (body[:cut], body[cut:]) if part]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        headers.append(("Content-Length", str(len(body))))
        framed = b"" if head_only else body
    status = draw(st.sampled_from([200, 201, 404, 500]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    meant = Response(status=status, headers=tuple(headers), body=b"" if head_only else body)
    return b"HTTP/1.1 %d X\r\n%b\r\n%b" % (status, lines, framed), meant, method


@given(sequence=st.lists(answers(), min_size=1, max_size=4), data=st.data())
def test_answers_on_one_connection_however_they_arrive(
    sequence: list[tuple[bytes, Response, str]], data: st.DataObject
) -> None:
    reader = AnswerReader(LIMITS)
    for sent, meant, method in sequence:
        reader.begin(method)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=4)))
        for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            reader.feed(sent[start:stop])
        assert reader.complete
        assert reader.take() == meant
        assert reader.reusable


# Known heads.

OK_2 = OK + b"Content-Length: 2\r\n\r\n"


def knowing(*sent: bytes) -> Heads:
    """The heads of answers to GET that a reader has read whole."""
    heads = Heads()
    for each in sent:
        with contextlib.suppress(MalformedAnswer):
            AnswerReader(LIMITS, heads).feed(each)
    return heads


class NoHeads(Heads):
    """Never knows one, so that the parser reads every answer."""

    def recall(self, data: bytes) -> None:
        pass


def outcome(heads: Heads, method: str, pieces: list[bytes], limits: Limits = LIMITS) -> object:
    """Everything that a reader says of an answer."""
    reader = AnswerReader(limits, heads)
    reader.begin(method)
    try:
        for piece in pieces:
            reader.feed(piece)
    except MalformedAnswer as error:
        return str(error)
    if not reader.complete:
        return reader.progress()
    return reader.take(), reader.reusable, reader.received


def test_an_answer_with_a_known_head_does_not_reach_the_parser() -> None:
    heads = knowing(OK_2 + b"ok")
    reader = AnswerReader(LIMITS, heads)
    reader._parser = None
    reader.feed(OK_2 + b"no")
    assert reader.take() == Response(status=200, headers=(("Content-Length", "2"),), body=b"no")
    assert reader.reusable


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "sent",
    [
        OK_2 + b"ok",
        OK_2,
        OK_2 + b"o",
        OK_2 + b"okH",
        (OK_2 + b"ok") * 2,
        b"\r\n" + OK_2 + b"ok",
        OK + b"Content-Length: 0\r\n\r\n",
        OK + b"\r\nok",
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK_2 + b"ok",
        b"HTTP/1.1 204 No\r\n\r\n",
        b"HTTP/1.1 304 Not\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    ],
)
def test_a_known_head_changes_nothing(method: str, sent: bytes) -> None:
    heads = knowing(OK_2 + b"ok", sent, sent)
    assert outcome(heads, method, [sent]) == outcome(NoHeads(), method, [sent])


def test_a_body_beyond_the_bound_is_cut_with_a_known_head_too() -> None:
    heads, small = knowing(OK_2 + b"ok"), Limits(max_body=1)
    expected = outcome(NoHeads(), "GET", [OK_2 + b"ok"], small)
    assert outcome(heads, "GET", [OK_2 + b"ok"], small) == expected


@given(st.lists(answers(), min_size=1, max_size=3), st.data())
def test_known_heads_change_nothing_however_answers_arrive(
    sequence: list[tuple[bytes, Response, str]], data: st.DataObject
) -> None:
    heads = knowing(*[sent for sent, _, method in sequence if method == "GET"])
    whole = data.draw(st.sampled_from(sequence))[0] + data.draw(st.binary(max_size=3))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=2)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    for method in ("GET", "HEAD"):
        assert outcome(heads, method, pieces) == outcome(NoHeads(), method, pieces)


def test_the_heads_that_are_known_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "_MAX_HEADS", 3)
    heads = Heads()
    for number in range(10):
        AnswerReader(LIMITS, heads).feed(OK + b"A: %d\r\nContent-Length: 0\r\n\r\n" % number)
    assert 0 < len(heads._known) <= 3
    AnswerReader(Limits(), heads).feed(
        OK + b"A: " + b"x" * 3_000 + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert all(len(head) < 100 for head in heads._known)


def test_heads_that_never_come_again_are_seldom_looked_up_until_one_does() -> None:
    heads = Heads()
    for number in range(1_000):
        AnswerReader(LIMITS, heads).feed(OK + b"A: %d\r\nContent-Length: 0\r\n\r\n" % number)
    assert len(heads._known) < 100
    for _ in range(200):
        AnswerReader(LIMITS, heads).feed(OK_2 + b"ok")
    assert heads._vain == 0


@given(st.lists(st.binary(max_size=40) | st.just(OK) | st.just(CHUNKED), max_size=6))
def test_any_bytes_are_an_answer_malformed_or_unfinished(pieces: list[bytes]) -> None:
    reader = AnswerReader(LIMITS)
    for piece in pieces:
        try:
            reader.feed(piece)
        except MalformedAnswer:
            return
        if reader.complete:
            assert reader.take().status >= 200
            return
    assert reader.progress()
