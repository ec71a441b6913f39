from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.captures.formats.native import decode_line, encode_line
from shadow.fuzzing import parameters, paths
from shadow.fuzzing.fields import with_field
from shadow.fuzzing.mutating import CHANGES, mutant
from shadow.model import Exchange, Request
from shadow.sending.rewrite import render
from shadow.sending.target import parse_target
from tests.captures.exchanges import all_headers

TARGET = parse_target("http://127.0.0.1:1", side="baseline", name="go", option="--go")
JSON = Request(
    method="POST",
    target="/v1/quote/17?page=2&at=2026-03-04&q=a%20b",
    headers=(("Content-Type", "application/json"),),
    body=b'{"lines":[{"sku":"SKU-1","quantity":2}],"at":"2026-03-04T05:06:07Z"}',
)
FORM = Request(
    method="POST",
    target="/login",
    headers=(("content-type", "application/x-www-form-urlencoded; charset=utf-8"),),
    body=b"user=u-1&limit=10",
)
GROUPS = ((Exchange(id="a", request=JSON),), (Exchange(id="b", request=FORM),))
path_text = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f")
)
any_request = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST"]),
    target=path_text.map("/".__add__),
    headers=all_headers,
    body=st.binary() | st.sampled_from([JSON.body, FORM.body]),
)


@settings(max_examples=60)
@given(any_request, st.integers(0, 1_000))
def test_what_comes_of_any_request_can_be_sent_and_written(request: Request, seed: int) -> None:
    for name, change in CHANGES.items():
        made = change(request, random.Random(seed))
        if made is None:
            continue
        assert made.method == request.method, name
        written = Exchange(id="x", request=made)
        assert decode_line(encode_line(written)) == written, name
        plain = Request(method=made.method, target=made.target, body=made.body)
        start = f"{made.method} {made.target} HTTP/1.1\r\n"
        assert render(plain, TARGET).startswith(start.encode("latin-1")), name


def test_a_position_is_one_request_for_ever() -> None:
    once = [mutant(GROUPS, 7, position) for position in range(200)]
    assert once == [mutant(GROUPS, 7, position) for position in range(200)]
    assert once != [mutant(GROUPS, 8, position) for position in range(200)]


def test_every_kind_is_drawn_and_what_fits_any_request_seldom() -> None:
    made = [each for n in range(1_500) if (each := mutant(GROUPS, 0, n)) is not None]
    kinds = Counter(kind for each in made for kind in each.kinds)
    assert kinds.keys() == CHANGES.keys()
    assert kinds["query"] > kinds["accept"]
    assert {len(each.kinds) for each in made} == {1, 2}


def test_what_has_nothing_to_change_is_left_alone() -> None:
    asterisk = Request(method="OPTIONS", target="*")
    draw = random.Random(0)
    made = {name for name, change in CHANGES.items() if change(asterisk, draw) is not None}
    assert made == {"accept"}


def test_parameters_are_repeated_emptied_misspelled_and_parted() -> None:
    made = {parameters.shape("page=2", random.Random(seed)) for seed in range(400)}
    assert {
        *("page=2&page=2", "page=", "page", "=2", "page=2;extra=1", "PAGE=2", "page=2%zz"),
        *("page[]=2", "%70age=2", "page=2&", ""),
    } <= made
    values = {parameters.value("a=1&page=2", random.Random(seed)) for seed in range(800)}
    assert {"a=1&page=3", "a=1&page=1", "a=0&page=2", "a=1&page=%ED%A0%80"} <= values
    assert {parameters.shape("", random.Random(seed)) for seed in range(40)} >= {"extra=1", "&"}


def test_paths_are_escaped_dotted_doubled_and_keep_the_width_of_an_id() -> None:
    made = {paths.spelling("/v1/items", random.Random(seed)) for seed in range(2_000)}
    assert {
        *(
            "//v1/items",
            "/v1//items",
            "/v1/items/",
            "/v1/./items",
            "/v1/x/../items",
            "/v1/../items",
        ),
        *("/v1/%69tems", "/v1/ite%6Ds", "/v1/ite%6ds", "/v1/items%2F", "/v1/ITEMS", "/v1/items%"),
    } <= made
    ids = {paths.value("/v1/items/itm-00041", random.Random(seed)) for seed in range(800)}
    assert {"/v1/items/itm-00040", "/v1/items/itm-00042", "/v1/items/"} <= ids
    assert paths.value("/v1/items", random.Random(0)) is None


def test_a_field_changes_in_its_place() -> None:
    headers = (("A", "1"), ("accept", "x"), ("B", "2"), ("Accept", "y"))
    assert with_field(headers, "Accept", "z") == (("A", "1"), ("accept", "z"), ("B", "2"))
    assert with_field(headers, "Accept", None) == (("A", "1"), ("B", "2"))
    assert with_field((), "Accept", "z") == (("Accept", "z"),)
