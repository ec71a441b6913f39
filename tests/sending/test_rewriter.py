from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Request
from shadow.sending import rewriter
from shadow.sending.rewrite import Unsendable, render
from shadow.sending.rewriter import Rewriter
from shadow.sending.target import Target
from tests.sending.drawn import NAMES, PATHS, REQUESTS, VALUES, target

ANY_TEXT = st.text([*map(chr, range(256)), "\u0100"], max_size=12)
ODD_NAMES = NAMES | st.sampled_from([":authority", "A B", "", "HOST", "Keep-Alive"]) | ANY_TEXT
ODD_VALUES = VALUES | ANY_TEXT | st.sampled_from(["keep-alive", "Keep-Alive", "close"])
ODD_REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "CONNECT", "connect", "OPTIONS", "GE T", "get"]),
    target=PATHS | ANY_TEXT | st.sampled_from(["*", "http://other/x", "/a b", "/\xe9", "/a\r"]),
    headers=st.lists(st.tuples(ODD_NAMES, ODD_VALUES), max_size=6).map(tuple),
    body=st.binary(max_size=4),
    decoded=st.booleans(),
    truncated=st.booleans(),
)
TARGETS = st.builds(
    target,
    st.sampled_from(["http://go:8080", "https://[::1]", "http://rust:81/base"]),
    st.sampled_from([(), (("Authorization", "own"), ("X-A", "1"))]),
    keep_host=st.booleans(),
)


def written(one: Rewriter | Target, request: Request) -> bytes | tuple[str, str]:
    """The message, or why there is none."""
    try:
        return one.render(request) if isinstance(one, Rewriter) else render(request, one)
    except Unsendable as unsendable:
        return unsendable.reason, unsendable.detail


@given(
    requests=st.lists(REQUESTS | ODD_REQUESTS, max_size=3), targets=st.lists(TARGETS, max_size=3)
)
def test_it_makes_the_same_of_every_request(requests: list[Request], targets: list[Target]) -> None:
    rewriters = [(each, Rewriter(each)) for each in targets]
    for request in requests:
        for each, fast in rewriters:
            assert written(fast, request) == written(each, request)


def test_an_ordinary_request_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(
        method="POST",
        target="/v1/quote?currency=EUR",
        headers=(("A", "1"), ("Host", "x"), ("Connection", "keep-alive"), ("Content-Length", "9")),
        body=b"{}",
    )
    each, twin = target("http://go:8080/base"), target("http://rust:8081", keep_host=True)
    expected = [render(request, each), render(request, twin)]
    monkeypatch.setattr(rewriter, "render", None)
    assert [Rewriter(each).render(request), Rewriter(twin).render(request)] == expected
