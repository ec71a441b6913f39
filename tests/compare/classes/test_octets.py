from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import octets
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(octets)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(octets, go, rust)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_an_array_is_named_only_for_the_very_bytes(octets_: bytes, data: st.DataObject) -> None:
    text = json.dumps(base64.b64encode(octets_).decode())
    assert named_json(f"[{text}]", json.dumps([list(octets_)])) == ["bytes-base64-vs-array"]
    index = data.draw(st.integers(0, len(octets_) - 1))
    other = list(octets_)
    other[index] ^= data.draw(st.integers(1, 255))
    assert named_json(f"[{text}]", json.dumps([other])) == [None]


@given(st.binary(min_size=1, max_size=40), st.binary(min_size=1, max_size=40))
def test_two_encodings_are_named_only_for_the_very_bytes(ours: bytes, theirs: bytes) -> None:
    go = base64.b64encode(ours).decode()
    rust = base64.urlsafe_b64encode(theirs).decode().rstrip("=")
    found = named_json(json.dumps([go]), json.dumps([rust]))
    if ours != theirs:
        assert "base64-variant" not in found
    elif go.endswith("="):
        assert found == ["base64-variant"]


@given(st.binary(min_size=16, max_size=40))
def test_an_unpadded_encoding_of_the_same_bytes_is_named(ours: bytes) -> None:
    go = base64.b64encode(ours).decode()
    rust = go.rstrip("=")
    assert named_json(json.dumps([go]), json.dumps([rust])) == ["base64-variant"] * (go != rust)
