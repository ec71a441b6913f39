"""What a session hands out: tokens, cookies and ids, and the capture of such sessions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services import run, sessions, traffic
from shadow.captures import read
from shadow.model import Exchange

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Ask = Callable[..., tuple[int, bytes]]
Login = Callable[[str, str], str]
BINARIES = pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
MODES = pytest.mark.parametrize("tokens", ["", "random"], ids=["derived", "random"])
STATUSES = [200, 201, 201, 200, 200, 200, 200, 204, 404]
GIVEN = re.compile(r"drf-[0-9a-f]{12}|[0-9a-f]{64}")


def by_session(exchanges: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for exchange in exchanges:
        found.setdefault(exchange["session"], []).append(exchange)
    return found


@BINARIES
@MODES
def test_a_session_lives_on_what_it_was_given(binary: Path, tokens: str) -> None:
    with run.running(binary, {"TOKENS": tokens, "IDS": tokens}) as service:
        calls = sessions.plan(sessions=4, seed=1)
        exchanges = list(traffic.Recorder(service.url).record(calls))
    for user, own in by_session(exchanges).items():
        assert [exchange["response"]["status"] for exchange in own] == STATUSES
        login, deleted = own[0]["response"], own[-2]["response"]
        token = json.loads(login["body"])["token"]
        cookies = [text for name, text in login["headers"] if name.lower() == "set-cookie"]
        with_cookie = user in {"u-2", "u-4"}
        assert cookies == [f"sid={token}; Path=/; HttpOnly; SameSite=Lax"] * with_cookie
        header = ("Cookie", f"sid={token}") if with_cookie else ("Authorization", f"Bearer {token}")
        assert all(header in exchange["request"]["headers"] for exchange in own[1:])
        names = {name.lower() for name, _ in deleted["headers"]}
        assert names == {"date", "x-request-id"}
        assert "body" not in deleted


@BINARIES
def test_a_cookie_counts_as_a_bearer_token_does(binary: Path, ask: Ask, login: Login) -> None:
    with run.running(binary, {"TOKENS": "random"}) as service:
        token = login(service.url, "u-1")
        target = "/v1/items?owner=me"
        statuses = {
            (bearer, cookie): ask(service.url, "GET", target, None, bearer, cookie=cookie)[0]
            for bearer in ("", "nope", token)
            for cookie in ("", "sid=nope", f"a=1; sid={token}; b=2")
        }
    for (bearer, cookie), status in statuses.items():
        assert status == (200 if token in bearer + cookie else 401), (bearer, cookie)


@BINARIES
@MODES
def test_a_token_expires(binary: Path, tokens: str, ask: Ask, login: Login) -> None:
    with run.running(binary, {"TOKENS": tokens, "TOKEN_TTL_S": "2"}) as service:
        before = time.monotonic()
        token = login(service.url, "u-1")
        issued = time.monotonic()

        def status(**given: str) -> int:
            return ask(service.url, "GET", "/v1/items?owner=me", **given)[0]

        while status(token=token) == 200:
            assert time.monotonic() - issued < 5
        assert time.monotonic() - before > 2
        assert status(cookie=f"sid={token}") == 401
        assert ask(service.url, "POST", "/v1/items", {}, token)[0] == 401
        assert status(token=login(service.url, "u-1")) == 200


@BINARIES
def test_a_login_tells_how_long_its_token_lives(binary: Path, ask: Ask) -> None:
    credentials = {"user": "u-1", "password": "pass-u-1"}
    told = []
    for lifetime in ("", "60"):
        with run.running(binary, {"TOKEN_TTL_S": lifetime}) as service:
            body = ask(service.url, "POST", "/v1/login", credentials)[1]
            told.append(json.loads(body)["expires_in"])
    assert told == [3600, 60]


def test_both_services_take_each_others_dated_tokens(ask: Ask, login: Login) -> None:
    env = {"TOKEN_TTL_S": "600"}
    with run.running(run.GO, env) as go, run.running(run.RUST, env) as rust:
        for issuer, other in ((go, rust), (rust, go)):
            token = login(issuer.url, "u-1")
            assert re.fullmatch(r"u-1\.\d{13}\.[0-9a-f]{64}", token)
            assert ask(other.url, "GET", "/v1/items?owner=me", None, token)[0] == 200


def test_the_requests_of_two_recordings_differ_in_what_was_given_only(tmp_path: Path) -> None:
    recordings = []
    for name in ("first.jsonl", "second.jsonl"):
        assert sessions.record(sessions=3, seed=5, out=tmp_path / name) == 27
        lines = (tmp_path / name).read_text("utf-8").splitlines()
        recordings.append([json.loads(line) for line in lines])
    first, second = (
        [json.dumps([each["ts"], each["session"], each["request"]]) for each in recording]
        for recording in recordings
    )
    assert first != second
    assert [GIVEN.sub("…", each) for each in first] == [GIVEN.sub("…", each) for each in second]


def test_the_committed_capture_keeps_what_was_given() -> None:
    records = list(read([sessions.CAPTURE]))
    exchanges = [each for each in records if isinstance(each, Exchange)]
    assert len(exchanges) == len(records) == 20 * len(STATUSES)
    given: dict[str | None, set[str]] = {}
    for exchange in exchanges:
        assert exchange.response is not None
        sent = str((exchange.request.target, exchange.request.headers))
        assert set(GIVEN.findall(sent)) <= given.get(exchange.session, set())
        answer = str((exchange.response.headers, exchange.response.body))
        given.setdefault(exchange.session, set()).update(GIVEN.findall(answer))
    assert set(given) == {f"u-{number}" for number in range(1, 21)}
    assert {len(values) for values in given.values()} == {3}  # a token and two ids
