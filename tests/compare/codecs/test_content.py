from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.codecs.content import CHARSETS, charset, content_of, decoded, text_of
from shadow.model import Response
from tests.compare.codecs.answers import content


@pytest.mark.parametrize(
    ("label", "media_type", "parameters"),
    [
        ("", "", {}),
        ("Text/HTML", "text/html", {}),
        ("text/plain; Charset=UTF-8", "text/plain", {"charset": "UTF-8"}),
        (
            'multipart/mixed;boundary="a;\\"b"; x = y ',
            "multipart/mixed",
            {"boundary": 'a;"b', "x": "y"},
        ),
        ("text/plain; charset=a; charset=b", "text/plain", {"charset": "a"}),
        ("text/plain;;=; charset", "text/plain", {}),
    ],
)
def test_labels(label: str, media_type: str, parameters: dict[str, str]) -> None:
    body = content(b"", label)
    assert (body.media_type, body.parameters) == (media_type, parameters)


def test_no_label() -> None:
    body = content_of(Response(status=200), b"x")
    assert (body.media_type, body.parameters, body.data) == ("", {}, b"x")


@given(st.text(st.characters(max_codepoint=255)))
def test_any_label_is_taken(label: str) -> None:
    assert charset(content(b"", label)) in CHARSETS | {""}


def test_python_knows_every_charset() -> None:
    for label in CHARSETS:
        assert codecs.lookup(label).name
        assert decoded("a".encode(label), label) == "a"


@pytest.mark.parametrize(
    "label", ["", "punycode", "idna", "zlib", "unicode_escape", "utf-7", "x\0", "..", "é"]
)
def test_other_labels_are_not_believed(label: str) -> None:
    body = content("é\\x41".encode(), f"text/plain; charset={label}")
    assert charset(body) == ""
    assert text_of(body) == "é\\x41"


@given(st.text(), st.sampled_from(["utf-8", "utf-16", "utf-16le", "utf-32", "gb18030"]))
def test_text_is_read_in_the_charset_it_is_labelled_with(text: str, label: str) -> None:
    plain = text.encode("utf-8", "replace").decode()
    body = content(plain.encode(label), f"text/plain; charset={label.upper()}")
    assert text_of(body) == plain.removeprefix("\ufeff")


def test_what_is_not_in_its_charset() -> None:
    assert text_of(content(b"\xff", "text/plain; charset=utf-8")) is None
    assert text_of(content("é".encode(), "text/plain; charset=us-ascii")) == "é"
    assert text_of(content(b"\xef\xbb\xbfa", "text/plain")) == "a"
