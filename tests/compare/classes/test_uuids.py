from __future__ import annotations

import json
import uuid

from hypothesis import given
from hypothesis import strategies as st

from shadow.compare.classes import uuids
from tests.compare.classes.scalars import (
    ANYTHING,
    check_examples,
    check_never_raises,
    named_json,
)


def test_each_example_is_judged_as_it_says() -> None:
    check_examples(uuids)


@given(ANYTHING, ANYTHING)
def test_no_predicate_raises(go: object, rust: object) -> None:
    check_never_raises(uuids, go, rust)


def notations(value: uuid.UUID) -> list[object]:
    plain = str(value)
    return [plain, plain.upper(), value.hex, f"{{{plain}}}", f"urn:uuid:{plain}", list(value.bytes)]


@given(st.uuids(), st.integers(0, 5), st.integers(0, 5), st.integers(0, 127))
def test_notations_of_one_uuid_are_named_and_of_two_are_not(
    value: uuid.UUID, ours: int, theirs: int, bit: int
) -> None:
    go, rust = notations(value)[ours], notations(value)[theirs]
    telling = {ours, theirs} - {2, 5} and value.int
    found = named_json(json.dumps({"v": go}), json.dumps({"v": rust}))
    assert found == (["uuid-format"] if telling and go != rust else found)
    other = notations(uuid.UUID(int=value.int ^ 1 << bit))[theirs]
    assert "uuid-format" not in named_json(json.dumps({"v": go}), json.dumps({"v": other}))
