from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Answer, Exchange, Request, Response
from shadow.sessions.live import Correlator
from shadow.sessions.places import parse_place
from shadow.sessions.rules import Rule, Rules, Sink, Source
from shadow.sessions.shifting import Shift, Shifts, moved, resigned

DAY = timedelta(days=100)


@pytest.mark.parametrize(
    ("text", "later"),
    [
        ("2026-08-03T10:00:00Z", "2026-11-11T10:00:00Z"),
        ("2026-08-03t10:00:00.120+02:00", "2026-11-11t10:00:00.120+02:00"),
        ("2026-08-03 10:00:00", "2026-11-11 10:00:00"),
        ("2026-08-03", "2026-11-11"),
        ("Mon, 03 Aug 2026 10:00:00 GMT", "Wed, 11 Nov 2026 10:00:00 GMT"),
        ("1785751200", "1794391200"),
        ("1785751200123", "1794391200123"),
        ("1785751200123456789", "1794391200123456789"),
    ],
)
def test_a_time_is_moved_and_spelled_as_it_was(text: str, later: str) -> None:
    assert moved(text, DAY) == later


@pytest.mark.parametrize(
    "text", ["", "17", "2026-13-03", "2026-02-30T10:00:00Z", "GMT", "x GMT", "9999-12-31", "EUR"]
)
def test_what_is_no_time_stays(text: str) -> None:
    assert moved(text, DAY) is None


@given(
    st.integers(1_000_100_000, 7_000_000_000),
    st.integers(-1000, 1000),
)
def test_moving_there_and_back_gives_the_same(seconds: int, days: int) -> None:
    by = timedelta(days=days)
    whole = datetime.fromtimestamp(seconds, UTC)
    for text in (
        f"{whole:%Y-%m-%dT%H:%M:%S}.5Z",
        whole.date().isoformat(),
        format_datetime(whole, usegmt=True),
    ):
        there = moved(text, by)
        assert there is not None
        assert moved(there, -by) == text
    assert date.fromisoformat(moved(whole.date().isoformat(), by) or "") == whole.date() + by


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims: dict[str, object], key: str, algorithm: str = "HS256") -> str:
    head = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    signed = f"{encoded(head)}.{encoded(json.dumps(claims).encode())}"
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{encoded(signature)}"


def claims_of(text: str) -> dict[str, object]:
    part = text.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_a_token_gets_later_times_and_a_true_signature() -> None:
    old = token({"sub": "u-1", "exp": 1785751200, "iat": 1785747600, "level": 3}, "key")
    new = resigned(old, DAY, "key")
    assert new is not None
    claims = {"sub": "u-1", "exp": 1794391200, "iat": 1794387600, "level": 3}
    assert claims_of(new) == claims
    signed, _, signature = new.rpartition(".")
    assert signature == encoded(hmac.new(b"key", signed.encode(), hashlib.sha256).digest())


@pytest.mark.parametrize(
    "text", ["", "a.b.c", token({}, "k", "RS256"), "e30.e30.", "W10.W10.x", "...", "x" * 300]
)
def test_what_cannot_be_signed_anew_is_left(text: str) -> None:
    assert resigned(text, DAY, "key") is None


def test_times_move_at_the_named_places_only() -> None:
    shifts = Shifts(
        [
            Shift(endpoint="POST /v1/quote", place=parse_place("$.at")),
            Shift(place=parse_place("query:expires")),
            Shift(place=parse_place("header:authorization"), key="key"),
        ],
        DAY,
    )
    old = token({"exp": 1785751200}, "key")
    request = Request(
        method="POST",
        target="/v1/quote?expires=1785751200&since=1785751200",
        headers=(("Authorization", f"Bearer {old}"),),
        body=b'{"at":"2026-08-03T10:00:00Z","until":"2026-08-03T10:00:00Z"}',
    )
    new = shifts.shifted(request, "POST /v1/quote")
    assert new.target == "/v1/quote?expires=1794391200&since=1785751200"
    assert new.headers == (("Authorization", f"Bearer {resigned(old, DAY, 'key')}"),)
    assert new.body == b'{"at":"2026-11-11T10:00:00Z","until":"2026-08-03T10:00:00Z"}'
    assert shifts.shifted(request, "POST /v1/other").body == request.body


def test_a_year_keeps_its_four_digits() -> None:
    assert moved("0999-01-01T00:00:00Z", timedelta(days=1)) == "0999-01-02T00:00:00Z"


def test_what_a_side_gave_is_not_moved() -> None:
    place = parse_place("header:authorization")
    rule = Rule("token", Source("POST /login", parse_place("$.token")), (Sink("*", place),))
    correlator = Correlator(Rules([rule]), shifts=Shifts([Shift(place=place, key="key")], DAY))
    old, stray, live = (token({"exp": number}, "key") for number in (1785751200, 5, 1800000000))

    def login(given: str) -> Response:
        return Response(status=200, body=json.dumps({"token": given}).encode())

    def sent(carried: str) -> str:
        headers = (("Authorization", f"Bearer {carried}"),)
        asked = Request(method="GET", target="/", headers=headers)
        prepared = correlator.prepare(Exchange(id="2", session="s", request=asked), "GET /")
        return prepared.requests[1].headers[0][1]

    request = Request(method="POST", target="/login")
    made = Exchange(id="1", session="s", request=request, response=login(old))
    correlator.observed(made, "POST /login", [Answer(response=login(live))] * 2)
    assert sent(old) == f"Bearer {live}"
    assert sent(stray) == f"Bearer {resigned(stray, DAY, 'key')}"
