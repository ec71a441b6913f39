from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shadow.compare.classes import semantics
from tests.compare.classes.shape_families import (
    ANYTHING,
    check_examples,
    check_never_raises,
    mutants,
    named_json,
)
from tests.compare.values import text

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\ufffd")


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(semantics)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(semantics, go, rust)


def cut_as_go(value: str, size: int) -> str:
    """As encoding/json writes s[:size]: one U+FFFD for each byte that is no UTF-8."""
    data = value.encode()[:size]
    whole = data.decode("utf-8", "ignore")
    return whole + "\ufffd" * (len(data) - len(whole.encode()))


@given(st.text(CHARACTERS, min_size=1, max_size=12), st.integers(1, 12))
def test_a_cut_rune_is_named_whatever_rust_does(value: str, size: int) -> None:
    go = cut_as_go(value, size)
    assume(go.endswith("\ufffd"))
    rest = go.rstrip("\ufffd")
    assert named_json(text([go]), text([rest])) == ["string-slice-boundary"]
    if len(value) >= size:
        assert named_json(text([go]), text([value[:size]])) == ["string-slice-boundary"]
    assert named_json(text([go]), text([rest + "x"]))[0] in (None, "case-mapping")


@given(st.lists(st.characters(codec="utf-8"), max_size=6), st.integers(0, 3))
def test_split_by_nothing_is_named_with_both_ends_only(items: list[str], place: int) -> None:
    go = {"l": items, "n": 1}
    rust = {"l": ["", *items, ""], "n": 1}
    assert named_json(text(go), text(rust)) == ["split-empty-separator"] * 2
    for wrong in (["", *items], [*items, ""], ["", *items, "", ""], ["x", *items, ""]):
        assert "split-empty-separator" not in named_json(text(go), text({"l": wrong, "n": 1}))
    if items:
        changed = [*items]
        changed[place % len(items)] += "x"
        rust = {"l": ["", *changed, ""], "n": 1}
        assert "split-empty-separator" not in named_json(text(go), text(rust))


@pytest.mark.parametrize(
    ("go", "rust"),
    [
        ("STRAßE ŉ ﬁ ᾼ", "STRASSE \u02bcN FI \u0391\u0399"),
        ("istanbul", "i\u0307stanbul"),
        ("ǅungla", "Ǆungla"),
        ("ßa ﬁne", "SSa FIne"),
    ],
)
def test_case_mappings_read_off_both_languages(go: str, rust: str) -> None:
    assert named_json(text([go]), text([rust])) == ["case-mapping"]
    for other in mutants(rust):
        if other != go and not set(other) & {"\u0307", "ß", "ŉ", "ﬁ", "ᾼ"}:
            assert "case-mapping" not in named_json(text([go]), text([other])), other


@given(st.text(st.sampled_from("&<>\"'a; #39quotx27ltgamp"), max_size=20))
def test_entities_are_named_only_for_the_same_characters(inner: str) -> None:
    escapes = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
    go = "".join({**escapes, '"': "&#34;", "'": "&#39;"}.get(c, c) for c in inner + "'")
    rust = "".join({**escapes, '"': "&quot;", "'": "&#x27;"}.get(c, c) for c in inner + "'")
    assert named_json(text([go]), text([rust])) == ["html-entity-escape"]
    for other in mutants(rust):
        if not other.endswith(("&#x027;", "&#x27;")):
            assert named_json(text([go]), text([other]))[0] in (None, "url-escape-set"), other
