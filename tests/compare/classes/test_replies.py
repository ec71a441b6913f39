from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.compare.classes import cookies, decoding, headers, inputs, replies, routing
from shadow.compare.classes.base import DivergenceClass, Pair, Place, answer, asked
from shadow.compare.classes.replies import http_error, plain, reasons, texts
from shadow.model import Answer, NoAnswer, Observation, Request, Response
from tests.compare.classes.pairs import load, pair_of

MODULES = (inputs, decoding, routing, replies, cookies, headers)
"""The families about requests and HTTP, in the order in which they are tried."""
CLASSES: tuple[DivergenceClass, ...] = tuple(cls for module in MODULES for cls in module.CLASSES)
SPELLINGS = {cls.id for cls in CLASSES}


def named(pair: Pair) -> list[str | None]:
    """The class of each difference, by these families alone."""
    explaining = [cls for cls in CLASSES if cls.whole is not None and cls.whole(pair)]
    found = []
    for difference in pair.differences:
        place = Place(difference, pair)
        wholes = (cls.id for cls in explaining if cls.covers_place(place))
        places = (cls.id for cls in CLASSES if cls.at is not None and cls.at(place))
        spelling = difference.spelling if difference.spelling in SPELLINGS else None
        found.append(spelling or next(wholes, None) or next(places, None))
    return found


def names(go: Observation, rust: Observation, request: Request | None = None) -> set[str | None]:
    """The classes of all differences but spellings."""
    return loud_names(pair_of(go, rust, request))


def loud_names(pair: Pair) -> set[str | None]:
    loud = zip(pair.differences, named(pair), strict=True)
    return {name for difference, name in loud if difference.kind != "spelling"}


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
def test_each_labelled_pair_is_named(row: object) -> None:
    pair, label, also, accept = row.pair, row.label, row.also, row.accept  # type: ignore[attr-defined]  # a Labelled, hidden from the parametrizer
    found = loud_names(pair)
    assert label in found
    assert found <= {label, *also, *accept}


@pytest.mark.parametrize("row", NEAR, ids=lambda row: row.id)
def test_no_near_miss_is_named(row: object) -> None:
    pair, looks_like = row.pair, row.looks_like  # type: ignore[attr-defined]  # as above
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


def test_texts_are_read_from_plain_and_json_errors() -> None:
    def read(observation: Observation) -> tuple[str, ...]:
        return texts(pair_of(observation, answer()).go)

    assert read(http_error(400, "EOF")) == ("EOF",)
    assert set(read(answer(400, '{"code":"e1","errors":[{"message":"no"}]}'))) == {"e1", "no"}
    assert read(answer(400, '{"error":')) == ('{"error":',)
    assert read(plain(200, "EOF")) == ()
    assert read(plain(400, "x" * 10_001)) == ()
    assert list(reasons("a: b: c")) == ["a: b: c", "b: c", "c"]


def test_a_panic_needs_a_cut_connection_or_default_bodies() -> None:
    cut = NoAnswer(kind="reset", detail="eof")
    assert names(cut, plain(500, "Service panicked")) == {"panic-response"}
    assert names(answer(500), cut) == {"panic-response"}
    assert names(NoAnswer(kind="timeout"), answer(500)) == {None}
    assert names(cut, answer(503)) == {None}
    assert "panic-response" not in names(answer(500), answer(500, '{"error":"x"}'))


@pytest.mark.parametrize(
    ("go", "rust"),
    [
        (plain(503, "Service Unavailable"), answer(408)),
        (plain(503, "request timed out"), answer(502)),
        (plain(504, "request timed out"), answer(408)),
        (plain(503, "request timed out"), answer(408, "the body is late")),
    ],
)
def test_other_failures_are_no_timeouts(go: Observation, rust: Observation) -> None:
    assert "timeout-status" not in names(go, rust)


def test_a_raw_reply_is_told_from_a_handlers_400() -> None:
    raw = plain(400, "400 Bad Request", Connection="close")
    assert names(raw, answer(200, "{}")) == {"malformed-request-reply"}
    assert "malformed-request-reply" not in names(plain(400, "400 Bad Request"), answer(200, "{}"))
    mutant = plain(400, "400 Bad Requests", Connection="close")
    assert "malformed-request-reply" not in names(mutant, answer(200, "{}"))


def test_an_empty_head_answer_is_no_encode_failure() -> None:
    go = answer(200, Content_Type="application/json")
    rust = plain(500, "key must be a string")
    assert "encode-failure-200" in names(go, rust)
    assert "encode-failure-200" not in names(go, rust, asked(method="HEAD"))
