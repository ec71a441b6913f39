from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.codecs import codec_of, multipart
from shadow.compare.codecs.values import OverBudgetError, UnreadableError
from shadow.compare.json_text import to_text
from shadow.model import Outcome
from tests.compare.codecs.answers import (
    SPELLING,
    content,
    found,
    judged,
    meter,
    mutated,
    reads_or_refuses,
    verdicts,
)

PARTS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(st.sampled_from(["A", "b"]), st.sampled_from(["1", "x; y"])), max_size=2
        ),
        st.binary(max_size=6) | st.sampled_from([b"\r\n", b"--", b"\r\n\r\n", b"\xef\xbb\xbfa"]),
    ),
    min_size=1,
    max_size=3,
)
SEED = (
    b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nbody\r\n'
    b"--xyz\r\n\r\nb2\r\n--xyz--\r\n"
)


def label(boundary: str) -> str:
    return f'multipart/form-data; boundary="{boundary}"'


def written(parts: list[tuple[list[tuple[str, str]], bytes]], boundary: str) -> bytes:
    text = b""
    for headers, body in parts:
        head = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)
        text += f"--{boundary}\r\n".encode() + head + b"\r\n" + body + b"\r\n"
    return text + f"--{boundary}--\r\n".encode()


def read(body: bytes) -> str:
    return to_text(multipart.read(content(body, label("xyz")), meter()).value)


@given(PARTS)
def test_the_boundary_is_spelling(parts: list[tuple[list[tuple[str, str]], bytes]]) -> None:
    ours, theirs = written(parts, "0f-go"), written(parts, "1f-rust")
    assert verdicts(ours, theirs, (label("0f-go"), label("1f-rust"))) >= SPELLING
    bodies = [each[0] for each in found(ours, theirs, (label("0f-go"), label("1f-rust")))]
    assert bodies == ["spelling"]


@given(PARTS, PARTS)
def test_another_value_diverges(
    left: list[tuple[list[tuple[str, str]], bytes]],
    right: list[tuple[list[tuple[str, str]], bytes]],
) -> None:
    def meaning(parts: list[tuple[list[tuple[str, str]], bytes]]) -> list[object]:
        return [(sorted(headers, key=lambda pair: pair[0]), body) for headers, body in parts]

    judgement = judged(written(left, "xyz"), written(right, "xyz"), label("xyz"))
    assert (judgement.outcome == Outcome.DIVERGENT) == (meaning(left) != meaning(right))


@given(mutated(SEED, b"--xyz--", b"--xyz\r\n\r\n\r\n--xyz--"))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    reads_or_refuses("multipart", content(data or b"-", label("xyz")))


def test_parts() -> None:
    body = b"before\r\n" + SEED + b"after"
    assert read(body) == (
        '[{"headers":{"content-disposition":["form-data; name=\\"a\\""]},"body":"body"},'
        '{"headers":{},"body":"b2"}]'
    )
    assert read(b"--xyz\r\n\r\n\x00\xff\r\n--xyz--") == '[{"headers":{},"body":{"bytes":"00ff"}}]'


def test_places() -> None:
    assert found(SEED, SEED.replace(b"b2", b"b3"), label("xyz")) == [
        ("value_changed", "$[1]['body']", '"b2"', '"b3"')
    ]


def test_without_a_boundary_it_is_text() -> None:
    assert codec_of(content(SEED, "multipart/form-data")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"--xyz\r\n\r\nx\r\n",
        b"--xyz\n\nx\n--xyz--",
        b"--xyz2\r\n\r\nx\r\n--xyz--",
        b"--xyz\r\nx\r\n\r\ny\r\n--xyz--",
    ],
)
def test_what_is_not_multipart(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(body)


def test_size_is_bounded() -> None:
    parts = b"--b\r\n\r\nx\r\n" * 9_000 + b"--b--"
    with pytest.raises(OverBudgetError):
        multipart.read(content(parts, label("b")), meter(8_000))
