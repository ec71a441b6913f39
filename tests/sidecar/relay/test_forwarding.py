"""What services get of a client's request. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Headers, Request
from shadow.sidecar.relay.forwarding import MARK, MAX_MARKS, RECORDED, Forwarding

OURS = Forwarding("me")


def onward(*headers: tuple[str, str], peer: str = "192.0.2.7", marked: bool = False) -> Headers:
    """What a proxy sends on; without its mark, which comes last, unless that is wanted."""
    request = Request(method="POST", target="/a?", headers=headers, body=b"body")
    sent = Forwarding("me").onward(request, peer)
    assert (sent.method, sent.target, sent.body) == ("POST", "/a?", b"body")
    assert sent.headers[-1][0] == MARK
    return sent.headers if marked else sent.headers[:-1]


FOR, PROTO = ("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "http")


@pytest.mark.parametrize(
    ("came", "sent"),
    [
        ((), (FOR, PROTO)),
        (
            (("Host", "x"), ("a", "1"), ("A", "2")),
            (("Host", "x"), ("a", "1"), ("A", "2"), FOR, PROTO),
        ),
        (
            (
                ("x-forwarded-FOR", "1.1.1.1, 2.2.2.2"),
                ("Host", "x"),
                ("X-Forwarded-For", "3.3.3.3"),
            ),
            (("Host", "x"), ("X-Forwarded-For", "1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7"), PROTO),
        ),
        ((("x-forwarded-proto", "https"),), (("x-forwarded-proto", "https"), FOR)),
        (
            (("Connection", "keep-alive"), ("A", "b")),
            (("Connection", "keep-alive"), ("A", "b"), FOR, PROTO),
        ),
        ((("Connection", "Close"),), (("Connection", "Close"), FOR, PROTO)),
        # What a client's Connection names ends here, and it cannot take ours away.
        (
            (("Connection", "x-hop, X-Forwarded-For"), ("X-Hop", "1"), ("X-Forwarded-For", "me")),
            (FOR, PROTO),
        ),
        ((("Connection", "close"), ("connection", "a"), ("A", "b")), (FOR, PROTO)),
        ((("Connection", "X-Forwarded-Proto"), ("X-Forwarded-Proto", "https")), (FOR, PROTO)),
        (
            (
                ("Connection", "host, content-length,transfer-encoding"),
                ("Host", "x"),
                ("Content-Length", "4"),
            ),
            (("Host", "x"), ("Content-Length", "4"), FOR, PROTO),
        ),
        ((("Connection", "Upgrade"), ("Upgrade", "websocket")), (FOR, PROTO)),
    ],
)
def test_fields(came: Headers, sent: Headers) -> None:
    assert onward(*came) == sent


def test_a_client_without_an_address() -> None:
    assert onward(peer="") == (PROTO,)
    assert onward(("X-Forwarded-For", "a"), peer="") == (("X-Forwarded-For", "a"), PROTO)


def test_the_mark() -> None:
    assert onward(marked=True)[-1] == (MARK, "me")
    came = (("shadow-via", "one"), ("A", "b"), (MARK, "two"), ("Connection", "shadow-via"))
    assert onward(*came, marked=True) == (("A", "b"), FOR, PROTO, (MARK, "one, two, me"))


def test_the_mark_of_a_recorder_is_another_one() -> None:
    """Each leaves that of the other alone, however a client names it."""
    recorder = Forwarding("rec", mark=RECORDED)
    came = (("Shadow-Via", "one"), ("Connection", "shadow-via, shadow-recorded-via"))
    request = Request(method="GET", target="/", headers=came)
    recorded = recorder.onward(request, "192.0.2.7")
    assert recorded.headers == (("Shadow-Via", "one"), FOR, PROTO, (RECORDED, "rec"))
    assert (recorder.way(came), recorder.way(recorded.headers)) == ("own", "loop")
    assert OURS.way(recorded.headers) == "other"
    assert OURS.way(recorded.headers[1:]) == "own"
    proxied = OURS.onward(recorded, "192.0.2.8").headers
    assert (recorder.way(proxied), OURS.way(proxied)) == ("loop", "loop")


@pytest.mark.parametrize(
    ("marks", "way"),
    [
        ((), "own"),
        (("you",), "other"),
        (("me",), "loop"),
        (("you, me",), "loop"),
        (("you,me , they",), "loop"),
        (("you", "me"), "loop"),
        (("me2",), "other"),
        (("",), "other"),
        (("x" * (MAX_MARKS + 1),), "loop"),
    ],
)
def test_where_a_request_has_been(marks: tuple[str, ...], way: str) -> None:
    headers = (("Host", "x"), *[("sHadow-via", mark) for mark in marks], ("User-Agent", "me"))
    assert OURS.way(headers) == way


NAMES = st.sampled_from(
    ["Host", "A", "X-Forwarded-For", "x-forwarded-proto", "Connection", "Shadow-Via", "User-Agent"]
)
VALUES = st.sampled_from(["a", "me", "x-forwarded-for, a", "keep-alive", "shadow-via", ""])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6).map(tuple))
def test_a_request_that_comes_round_is_known(headers: Headers) -> None:
    request = Request(method="GET", target="/", headers=headers)
    sent = OURS.onward(request, "192.0.2.7").headers
    assert OURS.way(sent) == "loop"
    addresses = [value for name, value in sent if name.lower() == "x-forwarded-for"]
    assert len(addresses) == 1
    assert addresses[0].split(", ")[-1] == "192.0.2.7"
    assert len([name for name, _ in sent if name.lower() == "host"]) == len(
        [name for name, _ in headers if name.lower() == "host"]
    )
    # To send it on again changes nothing but what is ours.
    kept = [field for field in sent if field[0] not in ("X-Forwarded-For", MARK)]
    again = OURS.onward(Request(method="GET", target="/", headers=sent), "192.0.2.7").headers
    assert [field for field in again if field[0] not in ("X-Forwarded-For", MARK)] == kept


def test_a_copy_is_as_it_came() -> None:
    request = Request(method="GET", target="/", headers=(("A", "b"),), body=b"x")
    sent = OURS.copied((("Host", "x"),), request)
    assert sent == Request(
        method="GET", target="/", headers=(("Host", "x"), (MARK, "me")), body=b"x"
    )


def test_each_sidecar_has_a_name_of_its_own() -> None:
    assert Forwarding().ident != Forwarding().ident
