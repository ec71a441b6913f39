from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigError
from shadow.model import Request
from shadow.sending.reshape import Reshaping, parse_reshaping
from shadow.sending.rewrite import render
from shadow.sending.rewriter import Rewriter
from shadow.sending.target import Target, parse_target

SHAPED = Reshaping(
    paths=(("/v1/", "/api/v1/"), ("/", "/old/")),
    set_query=(("key", "a b&"),),
    drop_query=frozenset({"debug"}),
)


def target(**given: object) -> Target:
    return parse_target("http://h:1/p", side="candidate", name="rust", option="--rust", **given)  # type: ignore[arg-type]  # each test gives what fits


@pytest.mark.parametrize(
    ("recorded", "sent"),
    [
        ("/v1/a", "/api/v1/a?key=a%20b%26"),
        ("/v2/a?x=%41&&y", "/old/v2/a?x=%41&&y&key=a%20b%26"),
        ("/v1/?debug=1&k%65y=old&key=older&z", "/api/v1/?k%65y=a%20b%26&z"),
        ("//evil.example.com/", "/old//evil.example.com/?key=a%20b%26"),
    ],
)
def test_path_and_query(recorded: str, sent: str) -> None:
    assert SHAPED.apply(recorded) == sent


def test_nothing_to_change_changes_nothing() -> None:
    assert not Reshaping()
    assert Reshaping(drop_query=frozenset({"a"})).apply("/?a=1") == "/"


def test_a_message_as_the_target_wants_it() -> None:
    wanted = target(reshaping=SHAPED, host_header="api.internal", drop_headers=("X-Debug",))
    request = Request(
        method="GET",
        target="http://other/v1/a",
        headers=(("Host", "recorded"), ("x-debug", "1"), ("X-A", "2")),
    )
    assert render(request, wanted) == (
        b"GET /p/api/v1/a?key=a%20b%26 HTTP/1.1\r\nHost: api.internal\r\nX-A: 2\r\n\r\n"
    )


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    st.sampled_from(["http://other", "", "//other", "*"]),
)
def test_the_fast_way_gives_the_same_and_the_target_stays_a_path(rest: str, start: str) -> None:
    wanted = target(reshaping=SHAPED, drop_headers=("a",))
    request = Request(method="GET", target=f"{start}/{rest}", headers=(("A", "1"), ("B", "2")))
    try:
        slow = render(request, wanted)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            Rewriter(wanted).render(request)
        return
    assert Rewriter(wanted).render(request) == slow
    assert slow.startswith(b"GET /p/")


@pytest.mark.parametrize("pair", [("v1", "/a"), ("/v1", "http://e"), ("/a b", "/"), ("/a", "/?x")])
def test_what_is_no_beginning_of_a_path_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"targets\.candidate\.paths: .* is no beginning"):
        parse_reshaping([pair], [], [], "targets.candidate")


@pytest.mark.parametrize("host", ["a b", "a/b", "u@h", "h\u00e4"])
def test_a_host_that_cannot_be_sent_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="cannot be sent"):
        target(host_header=host)


@pytest.mark.parametrize("name", ["Host", "Content-Length", "a b"])
def test_a_header_that_must_be_sent_is_not_left_out(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be left out"):
        target(drop_headers=(name,))
