from __future__ import annotations

from typing import Any

from shadow.minimise import left_out
from shadow.model import Exchange, Request


def exchange(**given: Any) -> Exchange:
    return Exchange(id="x", request=Request(method="POST", **given))


def test_each_kind_is_counted() -> None:
    whole = exchange(
        target="/a?x=1&y=2",
        headers=(("Accept", "*/*"), ("Cookie", "a=1; b=2; c=3"), ("X-A", "1")),
        body=b'{"a":[1,2],"b":3}',
    )
    small = exchange(target="/a?y=2", headers=(("Cookie", "b=2"),), body=b'{"a":[2]}')
    assert left_out([whole, whole, whole], [small]) == {
        "request": 2,
        "header": 2,
        "cookie": 2,
        "parameter": 1,
        "JSON value": 2,
        "body byte": 8,
    }


def test_of_what_lost_nothing_nothing_is_said() -> None:
    same = exchange(target="/", body=b"text")
    assert left_out([same], [same]) == {}
