from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.codecs import text
from tests.compare.codecs.answers import SPELLING, content, diverges, found, in_bodies, judged

LABEL = "text/plain; charset=utf-8"
LINES = st.lists(st.text("ab é", max_size=2), min_size=2, max_size=5)


def test_a_changed_line_is_one_difference() -> None:
    assert found("a\nb\nc\n", "a\nB\nc\n", LABEL) == [("value_changed", "$[1]", '"b"', '"B"')]
    assert found("a\nb\nc", "a\nx\nb\nc", LABEL) == [("extra", "$[1]", None, '"x"')]


def test_text_without_a_label_is_compared_by_line() -> None:
    assert found("a\nb\nc", "a\nc", "") == [("missing", "$[1]", '"b"', None)]


def test_a_single_line_is_one_value() -> None:
    assert found("not found\n", "no such item\n", LABEL) == [
        ("value_changed", "", "not found\n", "no such item\n")
    ]
    assert found("one", "one\ntwo", LABEL) == [("value_changed", "", "one", "one\ntwo")]


def test_the_text_of_an_error_is_one_value() -> None:
    assert found("a\nb", "a\nc", LABEL, status=500) == [("value_changed", "", "a\nb", "a\nc")]


def test_ends_of_lines_are_a_difference_of_their_own() -> None:
    whole = ("value_changed", "", "lines end with CRLF", "lines end with LF")
    assert found("a\r\nb", "a\nb", LABEL) == [whole]
    assert found("a\r\nb", "a\nc", LABEL) == [("value_changed", "$[1]", '"b"', '"c"'), whole]
    assert found("a\r\nb\nc", "a\nb\r\nc", LABEL) == [
        ("value_changed", "", "line 0 ends with CRLF", "line 0 ends with LF")
    ]
    assert found("a\r\nb\nc", "a\r\nb\r\nc", LABEL) == [
        ("value_changed", "", "lines end with CRLF and LF", "lines end with CRLF")
    ]


def test_ends_of_lines_and_whole_texts_have_signatures_of_their_own() -> None:
    pairs = (("a\r\nb", "a\nb"), ("a", "b"))
    signatures = {in_bodies(judged(*pair, LABEL))[0].signature for pair in pairs}
    assert len(signatures) == 2


@given(LINES, LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["\n", "\r\n"]))
def test_another_text_diverges(left: list[str], right: list[str], one: str, two: str) -> None:
    ours, theirs = one.join(left), two.join(right)
    assert diverges(ours, theirs, LABEL) == (ours != theirs)


def test_one_text_in_two_charsets_is_spelling() -> None:
    labels = (LABEL, "text/plain; charset=ISO-8859-1")
    for body in ("é", "é\nü\n"):
        ours, theirs = body.encode(), body.encode("latin-1")
        judgement = judged(ours, theirs, labels)
        assert {(d.kind, d.verdict) for d in in_bodies(judgement)} == SPELLING
        assert diverges(ours, theirs, LABEL)
        assert diverges(ours, theirs, labels[1])
        assert diverges(ours, body.encode("utf-16"), LABEL)


def test_a_wide_charset_is_text_in_spite_of_its_nuls() -> None:
    label = "text/plain; charset=utf-16"
    ours, theirs = "a\nb".encode("utf-16"), "a\nc".encode("utf-16")
    assert found(ours, theirs, label) == [("value_changed", "$[1]", '"b"', '"c"')]
    assert found(ours, theirs, "text/plain")[0][2] != "a"


def test_a_charset_that_is_not_kept_to_is_a_guess_and_never_equal_to_text() -> None:
    odd = content(b"a\xff", LABEL)
    assert text.read(odd) == text.Text(text="aÿ", guessed=True)
    assert found(b"a\xff\nb", b"a\xff\nc", LABEL) == [("value_changed", "$[1]", '"b"', '"c"')]
    assert diverges(b"\xc3\xa9", b"\xe9", LABEL)


def test_what_is_binary() -> None:
    assert text.read(content(b"a\0", LABEL)) is None
    assert text.read(content(b"\xff", "application/octet-stream")) is None
    assert text.read(content(b"\xff", "application/x-thing; charset=odd")) is not None
