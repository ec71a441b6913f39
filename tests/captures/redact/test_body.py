from __future__ import annotations

import gzip
import os

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shadow.captures.redact.body import MAX_BYTES, Bodies, Kept
from shadow.captures.redact.looks import Looks
from shadow.captures.redact.marks import Marks
from shadow.captures.redact.rules import Names, Redaction
from shadow.captures.redact.text import Texts
from shadow.model import Response

MARKS = Marks(b"key of sixteen b")
NAMES = Names(Redaction(json=("ssn",)))
BODIES = Bodies(NAMES, MARKS, Texts(NAMES, MARKS, Looks(Redaction(), MARKS)))
SECRET = b'{"a": 1, "ssn": "x"}'
HIDDEN = SECRET.replace(b"x", MARKS.of("x").encode())
DROPPED = Kept(truncated=True)


def kept(
    body: bytes,
    media: str = "",
    coding: str = "",
    *,
    decoded: bool = False,
    truncated: bool = False,
) -> Kept:
    headers = (("Content-type", media), ("CONTENT-ENCODING", coding))
    return BODIES.redact(
        Response(status=200, headers=headers, body=body, decoded=decoded, truncated=truncated)
    )


def test_a_coded_body_is_stored_as_it_was_unless_it_holds_a_secret() -> None:
    plain, secret = gzip.compress(b'{"a": 1}'), gzip.compress(SECRET)
    assert kept(plain, "application/json", "gzip") == Kept(body=plain)
    assert kept(secret, "application/json", "gzip") == Kept(body=HIDDEN, decoded=True)
    assert kept(SECRET, "application/json", "gzip", decoded=True) == Kept(body=HIDDEN, decoded=True)
    assert kept(SECRET, "application/json", "identity") == Kept(body=HIDDEN)
    assert kept(SECRET, truncated=True) == Kept(body=HIDDEN, truncated=True)
    assert kept(b"", "application/json", "gzip") == Kept()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (SECRET, "gzip"),
        (gzip.compress(SECRET)[:-9], "gzip"),
        (SECRET, "unheard-of"),
        (gzip.compress(gzip.compress(SECRET)), "gzip, gzip"),
        (gzip.compress(bytes(MAX_BYTES + 1)), "gzip"),
        (zstandard.compress(bytes(MAX_BYTES + 1)), "zstd"),
        (b"a" * (MAX_BYTES + 1), ""),
        (os.urandom(MAX_BYTES + 1), ""),
    ],
)
def test_what_cannot_be_looked_into_is_dropped(body: bytes, coding: str) -> None:
    assert kept(body, "application/octet-stream", coding) == DROPPED


def test_the_largest_body_is_looked_into() -> None:
    body = SECRET.rjust(MAX_BYTES)
    assert kept(body) == Kept(body=HIDDEN.rjust(MAX_BYTES + len(HIDDEN) - len(SECRET)))


def test_pictures_are_kept_at_any_size() -> None:
    picture = b"\x89PNG\0token" + bytes(MAX_BYTES)
    assert kept(picture, "Image/PNG") == Kept(body=picture)
    assert kept(picture, "application/pdf") == DROPPED
    assert kept(b"<svg>" + SECRET, "image/svg+xml") == Kept(body=b"<svg>" + HIDDEN)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/msgpack", b"\x81\xa8password\xa1x"),
        ("application/x-msgpack", b"\x81\xa3pwd\xa1x"),
        ("application/msgpack", b"\x81\xa3SSN\xa1x"),
        ("application/cbor", b"\xa1\x65token\x61x"),
        ("application/octet-stream", b"\0\0api_key=x"),
        ("application/octet-stream", b"\0\0subscription-key=x"),
        ("application/json; charset=utf-16", SECRET.decode().encode("utf-16")),
        ("application/json", SECRET.decode().encode("utf-32")),
        ("", b"\xffsecret"),
        ("application/grpc", b"\0\0\0\0\x80\x0a\x14AKIAIOSFODNN7EXAMPLE"),
        ("text/plain; charset=utf-16", "to 4111 1111 1111 1111".encode("utf-16")),
    ],
)
def test_a_binary_body_that_names_a_secret_is_dropped(media: str, body: bytes) -> None:
    assert kept(body, media) == DROPPED


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/msgpack", b"\x81\xa9passenge\xa1x".replace(b"pass", b"mess")),
        ("application/octet-stream", bytes(range(256)) * 3),
        ("application/octet-stream", b"\0pwd\0jwt"),
        ("application/json; charset=utf-16", '{"a": "é"}'.encode("utf-16")),
        ("text/plain; charset=iso-8859-1", "père".encode("latin-1")),
        ("", "père".encode()),
    ],
)
def test_a_binary_body_that_names_none_is_kept(media: str, body: bytes) -> None:
    assert kept(body, media) == Kept(body=body)


def test_a_text_of_another_charset_is_looked_into() -> None:
    body = '{"é":1,"ssn":"x"}'.encode("latin-1")
    assert kept(body, "application/json").body == body.replace(b"x", MARKS.of("x").encode())
    assert kept(body, "") == DROPPED


MULTIPART = (
    "--b\r\nContent-Disposition: form-data; name=token\r\n\r\nx\r\n"
    '--b\r\ncontent-disposition: form-data; name="file"; filename="token"\r\n'
    "Content-Type: Application/JSON\r\n\r\n"
    '{"ssn":"x"}\r\n'
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'
)
HIDDEN_PARTS = MULTIPART.replace("\r\nx\r\n", f"\r\n{MARKS.of('x')}\r\n", 1).replace(
    '"x"', f'"{MARKS.of("x")}"'
)


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
@pytest.mark.parametrize("boundary", ["b", '"b"', "b; charset=utf-8"])
def test_the_parts_of_a_form_are_looked_into(line_end: str, boundary: str) -> None:
    body = MULTIPART.replace("\r\n", line_end).encode()
    hidden = HIDDEN_PARTS.replace("\r\n", line_end).encode()
    assert kept(body, f"multipart/form-data; Boundary={boundary}") == Kept(body=hidden)


def test_any_name_of_a_part_counts() -> None:
    for names in ('name="token[0]"', 'filename="name=a"; name="token"', 'name="a"; name="token"'):
        part = f"--b\r\nContent-Disposition: form-data; {names}\r\n\r\nx\r\n--b--\r\n".encode()
        hidden = part.replace(b"\nx\r", f"\n{MARKS.of('x')}\r".encode())
        assert kept(part, "multipart/form-data; boundary=b").body == hidden


@pytest.mark.parametrize("media", ["multipart/form-data", "multipart/form-data; boundary=other"])
def test_a_boundary_is_found_where_another_one_is_said(media: str) -> None:
    assert kept(MULTIPART.encode(), media) == Kept(body=HIDDEN_PARTS.encode())


def nested(times: int) -> bytes:
    """Parts of which each is a multipart body of its own, and a secret in the innermost."""
    body = '\r\ncontent-disposition: form-data; name="token"\r\n\r\nx\r\n'
    for number in range(times):
        parts = f"--Bb{number}\r\n\r\na\r\n--Bb{number}{body}--Bb{number}--\r\n"
        body = f"\r\nContent-Type: Multipart/Mixed; boundary=Bb{number}\r\n\r\n{parts}"
    return body.lstrip().encode().partition(b"\r\n\r\n")[2]


def test_parts_of_parts_are_looked_into() -> None:
    body = nested(2)
    hidden = body.replace(b"\nx\r", f"\n{MARKS.of('x')}\r".encode())
    assert kept(body, "multipart/mixed; boundary=Bb1") == Kept(body=hidden)
    for times in (10, 3_000):
        label = f"multipart/mixed; boundary=Bb{times - 1}"
        assert kept(nested(times), label) == DROPPED
    labels = b"content-type: multipart/x; boundary=z\r\n\r\n" * 10_000
    assert kept(labels, "multipart/x; boundary=z") == Kept(body=labels)


@pytest.mark.parametrize("media", ["", "text/plain", "application/json"])
def test_a_form_that_is_said_to_be_something_else_is_one(media: str) -> None:
    hidden = b"token=" + MARKS.of("x").encode() + b"&a=1"
    assert kept(b"token=x&a=1", media) == Kept(body=hidden)


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Disposition: form-data; name=a\r\nContent-Type: a/b\r\n\r\n\0token\r\n",
        b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==",
        b"\xfftoken",
    ],
)
def test_one_part_that_cannot_be_looked_into_drops_the_body(part: bytes) -> None:
    body = b"--b\r\n" + part + b"--b--\r\n"
    assert kept(body, "multipart/form-data; boundary=b") == DROPPED


def test_a_form_that_does_not_say_its_boundary_is_a_text() -> None:
    assert kept(b"a=1&token=x", "multipart/form-data").body.startswith(
        b"a=1&token=shadow-redacted-"
    )


@given(st.binary(max_size=100), st.sampled_from(["", "image/png", "multipart/x; boundary=\xff"]))
def test_no_body_raises(body: bytes, media: str) -> None:
    found = kept(body, media)
    assert found == DROPPED or found.body == body or b"shadow-redacted-" in found.body
