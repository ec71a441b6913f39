from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.compare.classes.base import Place
from shadow.model import Answer, NoAnswer, Observation, Request, Response
from tests.compare.classes.http_families import CLASSES, MODULES, SPELLINGS, loud_names, named
from tests.compare.classes.pairs import Labelled, load, pair_of


@pytest.mark.parametrize("module", MODULES)
def test_each_example_is_judged_as_it_says(module: ModuleType) -> None:
    for cls in module.CLASSES:
        assert len(cls.title) <= 60, cls.id
        if cls.needs == "never":
            continue
        assert len(cls.valid) >= 2, cls.id
        assert len(cls.invalid) >= 2, cls.id
        for example in cls.valid:
            assert example.go is not None
            assert example.rust is not None
            found = named(pair_of(example.go, example.rust, example.request))
            assert cls.id in found, (cls.id, example, found)
            assert None not in found, (cls.id, example, found)
        for example in cls.invalid:
            assert example.go is not None
            assert example.rust is not None
            found = named(pair_of(example.go, example.rust, example.request))
            assert found, (cls.id, example)
            assert cls.id not in found, (cls.id, example, found)


def test_ids_are_unique() -> None:
    assert len(SPELLINGS) == len(CLASSES)


MINE = [row for row in load() if row.label in SPELLINGS]
NEAR = [row for row in load() if row.looks_like in SPELLINGS]


@pytest.mark.parametrize("row", MINE, ids=lambda row: row.id)
def test_each_labelled_pair_is_named(row: Labelled) -> None:
    pair, label, also, accept = row.pair, row.label, row.also, row.accept
    found = loud_names(pair)
    assert label in found
    assert found <= {label, *also, *accept}


@pytest.mark.parametrize("row", NEAR, ids=lambda row: row.id)
def test_no_near_miss_is_named(row: Labelled) -> None:
    pair, looks_like = row.pair, row.looks_like
    assert looks_like not in named(pair)


BODIES = st.sampled_from(
    [
        *("", "x", "{", "[" * 200, '{"a":', '{"error":"missing field `a` at line 1 column 2"}'),
        *(
            "404 page not found\n",
            "unexpected EOF",
            ": : : :",
            "\ud800",
            '<a href="/d/">x</a>.\n\n',
        ),
        *("Failed to deserialize query string: n: invalid digit found in string", "%zz%", "\n"),
        *("Invalid URL: Cannot parse `a` to a `u32`", 'can not parse "" to a u8', "null", "[]"),
    ]
)


VALUES = st.sampled_from(
    ["", "/", "//[", "/d/", "?", "%", "%c3%a9", "\xe9", "text/plain", "application/json", ",", "*"]
)


NAMES = st.sampled_from(
    [
        *("Content-Type", "Location", "Allow", "Vary", "Set-Cookie", "Connection", "Grpc-Status"),
        *("Grpc-Message", "Grpc-Status-Details-Bin", "Access-Control-Allow-Origin", "Cookie"),
        *("X-Content-Type-Options", "Access-Control-Allow-Methods", "Content-Range", "Expect"),
    ]
)


HEADERS = st.lists(st.tuples(NAMES, VALUES | st.text(st.characters(max_codepoint=255))), max_size=4)
STATUSES = st.sampled_from(
    [0, 200, 204, 206, 301, 302, 304, 307, 400, 404, 405, 413, 415, 416, 417, 422, 431, 500, 503]
)


ANSWERS = st.builds(
    lambda status, headers, body: Answer(
        response=Response(
            status=status, headers=tuple(headers), body=body.encode("utf-8", "surrogatepass")
        )
    ),
    STATUSES,
    HEADERS,
    BODIES,
) | st.builds(NoAnswer, kind=st.sampled_from(["reset", "timeout", "protocol"]))


REQUESTS = st.none() | st.builds(
    lambda method, target, headers, body: Request(
        method=method, target=target, headers=tuple(headers), body=body
    ),
    st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]),
    st.sampled_from(["/", "*", "//[", "/d", "/q?a=%zz&a=1;b#x", "/%2F%ff", "?", "", "/a/../\xe9"]),
    HEADERS,
    st.sampled_from([b"", b"{}", b'{"A":1}', b"\xff", b"a=1;b", b"[" * 3000]),
)


@settings(max_examples=300)
@given(ANSWERS, ANSWERS, REQUESTS)
def test_no_predicate_raises(go: Observation, rust: Observation, request: Request | None) -> None:
    if isinstance(go, NoAnswer) and isinstance(rust, NoAnswer):
        return
    pair = pair_of(go, rust, request)
    for cls in CLASSES:
        assert cls.whole is None or cls.whole(pair) in (True, False)
        for difference in pair.differences:
            assert cls.at is None or cls.at(Place(difference, pair)) in (True, False)
