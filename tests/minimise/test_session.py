from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow.minimise import Budget, Minimised, minimised
from shadow.minimise.json_tree import MAX_DEPTH, tree_of
from shadow.model import Exchange, Request

TEXT = (("Content-Type", "text/plain"),)
JSON = (("Content-Type", "application/json"),)


def exchange(number: int, **given: Any) -> Exchange:
    return Exchange(id=str(number), request=Request(**{"method": "POST", "target": "/", **given}))


def smallest(
    session: list[Exchange], shows: Callable[[Sequence[Exchange]], bool], **budget: float
) -> Minimised:
    async def oracle(candidate: Sequence[Exchange]) -> bool:
        return shows(candidate)

    return asyncio.run(minimised(session, oracle, Budget(**budget)))  # type: ignore[arg-type]  # its numbers


def last(found: Minimised) -> Request:
    return found.session[-1].request


def test_a_request_comes_down_to_what_matters() -> None:
    request = exchange(
        1,
        target="/quote?debug=1&currency=EUR&lang=en",
        headers=(
            *(("Host", "h"), ("User-Agent", "x"), ("Cookie", "a=1; sid=7; b=2")),
            *(*JSON, ("Accept", "*/*")),
        ),
        body=b'{ "lines": [{"sku":"A","n":1.50},{"sku":"SKU-7","n":2}], "coupon": "LONG-CODE" }',
    )

    def shows(session: Sequence[Exchange]) -> bool:
        request = session[-1].request
        try:
            body = json.loads(request.body)
        except ValueError:
            return False
        lines = body.get("lines", [])
        cookies = dict(request.headers).get("Cookie", "")
        return (
            any(line.get("sku") == "SKU-7" for line in lines)
            and "coupon" in body
            and "sid=7" in cookies
            and "currency=EUR" in request.target
        )

    found = smallest([request], shows)
    assert last(found).target == "/quote?currency=EUR"
    assert last(found).headers == (("Host", "h"), ("Cookie", "sid=7"))
    assert last(found).body == b'{"lines":[{"sku":"SKU-7"}],"coupon":""}'
    assert found.finished


def test_only_the_requests_before_that_are_needed_stay() -> None:
    session = [exchange(number) for number in range(20)]
    found = smallest(session, lambda kept: {"3", "11"} <= {each.id for each in kept})
    assert [each.id for each in found.session] == ["3", "11", "19"]


@pytest.mark.parametrize(
    ("headers", "body", "needle", "left"),
    [
        ((("Content-Type", "application/x-www-form-urlencoded"),), b"a=1&b=2&c=3", b"b=2", b"b=2"),
        (TEXT, b"x" * 300 + b"needle" + b"y" * 300, b"needle", b"needle"),
        (JSON, b'{"a":[1,2,{"b":"needle"}],"c":3}', b"needle", b'{"a":[{"b":"needle"}]}'),
        (JSON, b'{"n":1.500e3,"m":2}', b"1.500e3", b'{"n":1.500e3}'),
        (JSON, b'{"a":1,"a":2}', b'"a":1', b'{"a":1}'),
        (JSON, b"[" * 300 + b"1" + b"]" * 300, b"[" * 300, b"[" * 300),
        (JSON, b'{"a":1', b"{", b"{"),
        (JSON, b'{"a":5}', b'"a":', b'{"a":0}'),
        (JSON, b'{"a":1}', b"", b""),
        (JSON, b'{"a":"some text with <b> in it"}', b"<b>", b'{"a":"<b>"}'),
        (JSON, rb'{"a":"x\ud83d\ude00y\nz"}', rb"\ud83d", rb'{"a":"\ud83d\ude00"}'),
        (JSON, b'{"a":"' + b"x" * 5_000 + b"<" + b"y" * 5_000 + b'"}', b"<", b'{"a":"<"}'),
    ],
)  # fmt: skip
def test_bodies_of_every_kind(
    headers: tuple[tuple[str, str], ...], body: bytes, needle: bytes, left: bytes
) -> None:
    found = smallest(
        [exchange(1, headers=headers, body=body)], lambda kept: needle in kept[-1].request.body
    )
    assert last(found).body == left


def test_words_of_a_parameter_go_too() -> None:
    found = smallest(
        [exchange(1, target="/s?q=old+obsidian+lamp&x=a%20b")],
        lambda kept: "q=" in kept[-1].request.target and "obsidian" in kept[-1].request.target,
    )
    assert last(found).target == "/s?q=obsidian"


def test_a_budget_ends_it_with_the_smallest_so_far() -> None:
    headers = tuple((f"X-{number}", "v") for number in range(40))
    needed = {headers[3], headers[30]}
    found = smallest(
        [exchange(1, headers=headers)],
        lambda kept: needed <= set(kept[-1].request.headers),
        requests=12,
    )
    assert not found.finished
    assert found.requests <= 12
    assert needed <= set(last(found).headers)
    assert len(last(found).headers) < 40


def test_time_is_a_budget_too() -> None:
    found = smallest([exchange(1, headers=JSON)], lambda _: True, seconds=0.0)
    assert not found.finished
    assert found.requests == 0


def test_what_shows_now_and_then_is_asked_again() -> None:
    asked = 0

    async def shows(session: Sequence[Exchange]) -> bool:
        nonlocal asked
        asked += 1
        return asked % 3 == 0 and b"needle" in session[-1].request.body

    session = [exchange(1, headers=JSON, body=b'{"a":"needle","b":1,"c":[1,2,3]}')]
    found = asyncio.run(minimised(session, shows, Budget(requests=10_000), tries=3))
    assert last(found).body == b'{"a":"needle"}'


trees = st.recursive(
    st.one_of(st.integers(-99, 99), st.text("ab", max_size=3), st.none(), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("xyz", max_size=2), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text("xyz", min_size=1, max_size=2), trees, min_size=1, max_size=4))
@settings(max_examples=40)
def test_the_result_still_shows_and_the_same_order_is_taken_each_time(
    body: dict[str, Any],
) -> None:
    name = min(body)
    session = [exchange(1, headers=JSON, body=json.dumps(body).encode())]

    def shows(kept: Sequence[Exchange]) -> bool:
        found: object = json.loads(kept[-1].request.body or b"{}")
        return isinstance(found, dict) and name in found

    first, second = smallest(session, shows), smallest(session, shows)
    assert first == second
    assert list(json.loads(last(first).body)) == [name]


@given(trees)
def test_a_tree_is_written_as_it_was_read(tree: object) -> None:
    text = json.dumps({"a": tree}, separators=(",", ":"))
    found = tree_of(text.encode())
    assert found is not None
    assert found.written() == text


def test_what_is_nested_beyond_reason_is_no_tree() -> None:
    deep = MAX_DEPTH + 2
    assert tree_of(b"[" * deep + b"]" * deep) is None
    assert tree_of(b"[" * 200_000 + b"]" * 200_000) is None
    assert tree_of(b"nothing") is None


def test_of_two_equal_headers_one_goes() -> None:
    field = ("X-A", "1")
    found = smallest(
        [exchange(1, headers=(field, field))], lambda s: field in s[-1].request.headers
    )
    assert last(found).headers == (field,)


def test_each_cookie_header_is_made_smaller_by_itself() -> None:
    headers = (("Cookie", "a=1; b=2"), ("cookie", "c=3;sid=7;  d=4"))

    def shows(session: Sequence[Exchange]) -> bool:
        values = [value for _, value in session[-1].request.headers]
        return any("a=1" in each for each in values) and any("sid=7" in each for each in values)

    assert last(smallest([exchange(1, headers=headers)], shows)).headers == (
        ("Cookie", "a=1"),
        ("cookie", "sid=7"),
    )


fields = st.lists(st.sampled_from([f"X-{each}" for each in "abcdef"]), max_size=6).map(
    lambda names: tuple((name, "v") for name in names)
)
pairs = st.lists(st.sampled_from("pqrst"), max_size=5)


@given(headers=fields, query=pairs, body=pairs, data=st.data())
@settings(max_examples=60)
def test_what_is_needed_stays_and_nothing_else_does(
    headers: tuple[tuple[str, str], ...], query: list[str], body: list[str], data: st.DataObject
) -> None:
    request = exchange(
        1,
        target="/?" + "&".join(query) if query else "/",
        headers=headers,
        body=json.dumps(body).encode(),
    )

    def some(of: Sequence[str]) -> set[str]:
        return set(data.draw(st.lists(st.sampled_from(of)))) if of else set()

    names, parameters, items = some([name for name, _ in headers]), some(query), some(body)

    def shows(session: Sequence[Exchange]) -> bool:
        kept = session[-1].request
        _, _, asked = kept.target.partition("?")
        return (
            names <= {name for name, _ in kept.headers}
            and parameters <= set(asked.split("&"))
            and items <= set(json.loads(kept.body or b"[]"))
        )

    found = smallest([request], shows)
    kept = last(found)
    assert found.finished
    assert sorted(name for name, _ in kept.headers) == sorted(names)
    assert sorted(kept.target.partition("?")[2].split("&")) == (sorted(parameters) or [""])
    assert sorted(json.loads(kept.body or b"[]")) == sorted(items)


def test_what_was_asked_is_not_held() -> None:
    body = json.dumps(["x" * 1000] * 1000).encode()
    tracemalloc.start()
    try:
        smallest([exchange(1, headers=JSON, body=body)], lambda _: False, requests=40)
        assert tracemalloc.get_traced_memory()[1] < 12 * len(body)
    finally:
        tracemalloc.stop()
