from __future__ import annotations

import pytest

from shadow.compare.classes.examples import answer, http_error, plain
from shadow.model import Observation
from tests.compare.classes.http_families import named
from tests.compare.classes.pairs import pair_of

CREATED = answer(201, '{"id":7}', Location="/items/7")
MISSING = (
    "Failed to deserialize the JSON body into the target type: "
    "missing field `name` at line 1 column 2"
)


def location_named(go: Observation, rust: Observation) -> list[str | None]:
    pair = pair_of(go, rust)
    found = zip(pair.differences, named(pair), strict=True)
    return [name for difference, name in found if difference.name == "location"]


@pytest.mark.parametrize("status", [400, 422])
def test_the_location_goes_with_the_success_that_was_refused(status: int) -> None:
    assert location_named(CREATED, plain(status, MISSING)) == ["decode-missing-field"]
    seen_other = answer(303, Location="/items/7")
    assert location_named(seen_other, plain(status, MISSING)) == ["decode-missing-field"]


def test_the_location_comes_with_the_success_of_the_other_side() -> None:
    go = http_error(400, "json: cannot unmarshal array into Go value of type main.Item")
    assert location_named(go, CREATED) == ["decode-array-as-struct"]


def test_another_location_is_not_explained() -> None:
    elsewhere = plain(422, MISSING, Location="/help")
    assert location_named(CREATED, elsewhere) == [None]
    assert location_named(answer(201, "{}"), elsewhere) == [None]


def test_a_location_is_not_explained_by_an_unknown_refusal() -> None:
    assert location_named(CREATED, plain(422, "name is taken")) == [None]
    assert location_named(CREATED, answer(201, '{"id":7}')) == [None]
    assert location_named(CREATED, answer(500)) == [None]


def test_a_body_is_read_once_decoded_or_not_at_all() -> None:
    side = pair_of(answer(200, b"\xff\x00a"), answer(200, "x", Content_Encoding="gzip"))
    assert side.go.body == b"\xff\x00a"
    assert side.go.text == "\ufffd\0a"
    assert (side.rust.body, side.rust.text) == (None, "")
