"""The admin port: who may ask, what is refused, what a change comes to."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ShadowError, UnfinishedError
from shadow.reports.live.view import Live, LiveGuard, LiveRoute, LiveRoutes
from shadow.results.routes import RouteChange, RouteState, changed
from shadow.rollout.routes import Moved
from shadow.sidecar.ports import control
from shadow.sidecar.ports.control import MAX_BODY, Control
from shadow.sidecar.ports.door import SESSION_S, TOLD_EVERY_S, Door

TOKEN = "correct-horse-battery-staple"
AT = datetime(2026, 11, 26, 12, 5, 7, tzinfo=UTC)
ITEMS = "GET /v1/items/{id}"
HOST = (b"host", b"127.0.0.1:9465")
BEARER = (b"authorization", b"Bearer " + TOKEN.encode())
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
GETS = ("/-/routes", "/-/changes", "/-/live", "/-/live.json")
POSTS = tuple(f"/-/routes/{action}" for action in ("set", "unset", "abort", "reset"))


class View:
    """Routes in memory, with the ledger of what was done to them."""

    def __init__(self) -> None:
        self.states: dict[str, RouteState] = {}
        self.ledger: list[RouteChange] = []
        self.failure: ShadowError | None = None
        self.looks = 0

    def live(self) -> Live:
        self.looks += 1
        return Live(at=AT, started=AT, command="proxy", routes=self.routes())

    def routes(self) -> LiveRoutes:
        guard = LiveGuard(
            route="*",
            guard="errors",
            n=0,
            x=0,
            log_e=0.0,
            log_sr=float("-inf"),
            threshold_e=3.0,
            threshold_sr=9.9,
        )
        routes = (LiveRoute.of(state, weight=0.0) for state in self.states.values())
        return LiveRoutes(routes=tuple(routes), guards=(guard,))

    def endpoints(self) -> Collection[str]:
        return {ITEMS}

    async def changes(self, limit: int) -> Sequence[RouteChange]:
        if self.failure is not None:
            raise self.failure
        return self.ledger[::-1][:limit]

    async def change(self, change: RouteChange) -> RouteState:
        if self.failure is not None:
            raise self.failure
        none_yet = RouteState(route=change.route, at=change.at, revision=0)
        before = self.states.get(change.route, none_yet)
        state = changed(before, change)
        if state is None:
            return before
        self.ledger.append(change)
        self.states[change.route] = state
        return state


class Port:
    """The application with its clocks in the test's hands."""

    def __init__(self, *, listening: str = "127.0.0.1", hosts: Collection[str] = ()) -> None:
        self.view, self.told, self.now = View(), list[str](), 1_000_000.0
        door = Door(
            TOKEN, listening=listening, hosts=hosts, tell=self.told.append, now=lambda: self.now
        )
        self.app = Control(door, self.view, self.view.change, clock=lambda: self.now)

    def ask(
        self,
        method: str,
        target: str,
        *headers: tuple[bytes, bytes],
        body: bytes | Sequence[bytes] = b"",
        cut: bool = False,
    ) -> Answer:
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": list(headers),
            "client": ("10.0.0.9", 5),
        }
        parts = [body] if isinstance(body, bytes) else list(body)
        sent: list[Mapping[str, Any]] = []

        async def receive() -> Mapping[str, Any]:
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts) or cut}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))
        return Answer(sent, left=len(parts))

    def get(self, target: str) -> Answer:
        return self.ask("GET", target, HOST, BEARER)

    def post(self, target: str, value: object, *headers: tuple[bytes, bytes]) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", target, HOST, BEARER, JSON, *headers, body=body)


class Answer:
    def __init__(self, sent: list[Mapping[str, Any]], left: int) -> None:
        start, body = sent
        self.status, self.body, self.left = start["status"], body["body"], left
        self.fields = [(name.decode(), value.decode()) for name, value in start["headers"]]
        self.headers = dict(self.fields)
        assert len(self.headers) == len(self.fields)
        assert self.headers["content-length"] == str(len(self.body))
        assert self.headers["cache-control"] == "no-store"
        assert self.headers["x-content-type-options"] == "nosniff"
        assert TOKEN.encode() not in self.body + str(self.fields).encode()

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)


@pytest.fixture
def port() -> Port:
    return Port()


def logged_in(port: Port) -> tuple[bytes, bytes]:
    """The cookie of a browser that has shown the token."""
    answer = port.ask("POST", "/-/login", HOST, FORM, body=f"user=x&token={TOKEN}".encode())
    assert (answer.status, answer.headers["location"]) == (303, "/-/live")
    cookie, *rest = answer.headers["set-cookie"].split("; ")
    assert set(rest) == {"Path=/-/", "HttpOnly", "SameSite=Strict"}
    assert TOKEN not in cookie
    return b"cookie", f"a=b; {cookie}; c".encode()


# Who may ask


@pytest.mark.parametrize("target", [*GETS, *POSTS, "/", "/-/nothing", "/metrics"])
@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Bearer " + TOKEN.encode() + b"x",
        b"Bearer " + TOKEN[:-1].encode(),
        b"Basic " + TOKEN.encode(),
        TOKEN.encode(),
        b"Bearer \xff\xfe",
    ],
)
def test_without_the_token_nothing_is_there(
    port: Port, target: str, authorization: bytes | None
) -> None:
    headers = [HOST, JSON] + ([(b"authorization", authorization)] if authorization else [])
    method = "POST" if target in POSTS else "GET"
    answer = port.ask(method, target, *headers, body=b'{"route":"*","reason":"r","percent":1}')
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="shadow"'
    assert port.view.ledger == []
    if target != "/-/live":
        assert answer.json["error"] == "the token is missing or wrong"


@pytest.mark.parametrize("target", GETS)
@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_with_the_token_there_is_everything(port: Port, target: str, scheme: bytes) -> None:
    bearer = (b"authorization", scheme + TOKEN.encode())
    assert port.ask("GET", target, HOST, bearer).status == 200


def test_a_browser_logs_in_and_sees_and_changes_nothing(port: Port) -> None:
    asked = port.ask("GET", "/-/live", HOST)
    assert asked.status == 401
    assert b'name="token" type="password"' in asked.body
    assert "form-action 'self'" in asked.headers["content-security-policy"]
    cookie = logged_in(port)
    for target in GETS:
        assert port.ask("GET", target, HOST, cookie).status == 200
    for target in POSTS:
        body = b'{"route":"*","reason":"r","percent":1}'
        assert port.ask("POST", target, HOST, JSON, cookie, body=body).status == 401
    assert port.view.ledger == []


def test_a_wrong_token_is_asked_for_again(port: Port) -> None:
    for body in (b"token=wrong", b"token=", b"", b"token=%ff", b"&" * 9, b"token=a&token=b"):
        answer = port.ask("POST", "/-/login", HOST, FORM, body=body)
        assert answer.status == 401
        assert b"That is not the token." in answer.body
        assert "set-cookie" not in answer.headers


def test_a_session_ends_and_cannot_be_made_up(port: Port) -> None:
    name, cookie = logged_in(port)
    port.now += SESSION_S - 1
    assert port.ask("GET", "/-/live", HOST, (name, cookie)).status == 200
    port.now += 1
    assert port.ask("GET", "/-/live", HOST, (name, cookie)).status == 401
    port.now -= SESSION_S
    found = re.search(rb"(shadow-live-\w+)=(\d+)\.(\w+)", cookie)
    assert found
    key, until, mac = found.groups()
    for value in (b"", b"1", b"9" * 5000 + b"." + mac, until + b".", b"." + mac, b"\xff.\xff"):
        assert port.ask("GET", "/-/live", HOST, (b"cookie", key + b"=" + value)).status == 401
    later = str(int(until) + 1).encode()
    forged = (b"cookie", key + b"=" + later + b"." + mac)
    assert port.ask("GET", "/-/live", HOST, forged).status == 401
    assert port.ask("GET", "/-/live", HOST, forged, (name, cookie)).status == 200  # one of two
    assert Port().ask("GET", "/-/live", HOST, (name, cookie)).status == 401  # another process


def test_refusals_are_told_once_a_minute(port: Port) -> None:
    for _ in range(500):
        port.ask("GET", "/-/routes", HOST)
    assert port.told == ["admin port: a request without the right token, the last from 10.0.0.9"]
    port.now += TOLD_EVERY_S
    port.ask("GET", "/-/routes", HOST, (b"authorization", b"Bearer guess"))
    assert len(port.told) == 2
    assert port.told[1].startswith("admin port: 500 requests without the right token")
    assert "guess" not in port.told[1]


@pytest.mark.parametrize(
    ("listening", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:9465", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("127.0.0.1", "localhost:1", 200),
        ("127.0.0.1", "LOCALHOST.", 200),
        ("127.0.0.1", "[::1]:9465", 200),
        ("127.0.0.1", "shadow.internal:80", 200),
        ("127.0.0.1", "evil.example", 421),
        ("127.0.0.1", "127.0.0.1.evil.example", 421),
        ("127.0.0.1", "localhost@evil.example", 421),
        ("127.0.0.1", "evil.example/localhost", 421),
        ("127.0.0.1", "10.0.0.9:9465", 421),
        ("127.0.0.1", "", 421),
        ("127.0.0.1", "[::1", 421),
        ("127.0.0.1", "localhost:x", 421),
        ("10.0.0.9", "10.0.0.9:9465", 200),
        ("10.0.0.9", "10.0.0.8:9465", 421),
        ("0.0.0.0", "10.0.0.8:9465", 200),
        ("::", "[fd00::8]:9465", 200),
        ("::", "evil.example", 421),
        ("pod-7.local", "pod-7.local:9465", 200),
    ],
)
def test_it_answers_to_its_own_names_only(listening: str, host: str, status: int) -> None:
    port = Port(listening=listening, hosts=["shadow.internal"])
    assert port.ask("GET", "/-/routes", (b"host", host.encode()), BEARER).status == status


def test_a_host_is_given_once(port: Port) -> None:
    assert port.ask("GET", "/-/routes", BEARER).status == 400
    assert port.ask("GET", "/-/routes", HOST, HOST, BEARER).status == 400
    assert port.ask("GET", "/-/routes", HOST, BEARER, BEARER).status == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://127.0.0.1:9465", 200),
        (b"http://127.0.0.1:9466", 403),
        (b"https://evil.example", 403),
        (b"null", 403),
        (b"", 403),
        (b"http://[::1", 403),
        (b"http://a\xe2\x84\x80b", 403),
    ],
)
def test_a_page_of_another_origin_changes_nothing(port: Port, origin: bytes, status: int) -> None:
    given = (b"origin", origin)
    answer = port.post("/-/routes/abort", {"reason": "r"}, given)
    assert (answer.status, len(port.view.ledger)) == (status, int(status == 200))
    form = f"token={TOKEN}".encode()
    answer = port.ask("POST", "/-/login", HOST, FORM, given, body=form)
    assert answer.status == (303 if status == 200 else 403)


# What there is


def test_routes_guards_and_changes_as_json(port: Port) -> None:
    assert port.get("/-/changes").json == {"v": 1, "changes": []}
    port.post("/-/routes/set", {"route": ITEMS, "percent": 5, "reason": "first"})
    port.post("/-/routes/abort", {"reason": "INC-7"})
    found = port.get("/-/routes").json
    assert [each["route"] for each in found["routes"]] == [ITEMS, "*"]
    assert found["guards"][0]["log_sr"] is None  # minus infinity
    msgspec.convert(found, LiveRoutes, strict=False)
    newest, oldest = port.get("/-/changes").json["changes"]
    assert (newest["action"], newest["route"], newest["reason"]) == ("abort", "*", "INC-7")
    assert (oldest["action"], oldest["percent"], oldest["by"]) == ("set", 5.0, "admin")
    assert len(port.get("/-/changes?limit=1").json["changes"]) == 1


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=", "limit=x", "limit=1&limit=1", "limit=²", "n=1"]
)
def test_a_wrong_limit_is_refused(port: Port, query: str) -> None:
    assert port.get(f"/-/changes?{query}").status == 400
    assert port.get("/-/changes?limit=" + "1" * 2000).status == 414


def test_one_moment_serves_everybody(port: Port) -> None:
    first = port.get("/-/live.json")
    for _ in range(9):
        assert port.get("/-/live.json").body == first.body
    assert port.view.looks == 1
    port.now += control.FRESH_S
    port.get("/-/live.json")
    assert port.view.looks == 2
    assert first.json["at"] == "2026-11-26T12:05:07Z"


def test_a_moment_that_took_long_to_make_serves_for_longer(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks at the page takes a hundredth of the time from the clients at most."""
    real = port.view.live

    def slowly() -> Live:
        port.now += 0.05
        return real()

    monkeypatch.setattr(port.view, "live", slowly)
    for looks, later in ((1, 4.9), (1, 0.2), (2, 0.0)):
        port.get("/-/live.json")
        assert port.view.looks == looks
        port.now += later


def test_the_page_has_a_policy(port: Port) -> None:
    answer = port.get("/-/live")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get", "\x00"])
def test_what_is_read_is_only_read(port: Port, method: str) -> None:
    for target in GETS:
        answer = port.ask(method, target, HOST, BEARER)
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert port.get("/-/login").headers["allow"] == "POST"
    for target in POSTS:
        assert port.get(target).headers["allow"] == "POST"
    assert port.get("/-/nothing").status == 404


def test_only_http_is_served(port: Port) -> None:
    with pytest.raises(RuntimeError, match="websocket is not served"):
        asyncio.run(port.app({"type": "websocket"}, None, None))  # type: ignore[arg-type]  # not used


# Changes


def test_a_change_is_made_and_told(port: Port) -> None:
    operator = (b"x-operator", "zoë".encode())
    answer = port.post("/-/routes/set", {"route": ITEMS, "percent": 12.5}, operator)
    assert answer.status == 200
    moved = msgspec.json.decode(answer.body, type=Moved)
    assert (moved.state.percent, moved.state.by, moved.known) == (12.5, "admin:zoë", True)
    answer = port.post("/-/routes/unset", {"route": ITEMS})
    assert answer.json["state"]["percent"] is None
    answer = port.post("/-/routes/abort", {"reason": "INC-7"})
    assert (answer.json["state"]["route"], answer.json["state"]["latched"]) == ("*", True)
    again = port.post("/-/routes/abort", {"reason": "me too"})
    assert (again.json["changed"], again.json["state"]["reason"]) == (False, "INC-7")
    answer = port.post("/-/routes/reset", {"route": ITEMS, "reason": "mended"})
    assert (answer.json["state"]["latched"], answer.json["latched"]) == (False, ["*"])
    actions = [each.action for each in port.view.ledger]
    assert actions == ["set", "unset", "abort", "reset"]


def test_an_unknown_route_is_said(port: Port) -> None:
    answer = port.post("/-/routes/set", {"route": "GET /v1/item/{id}", "percent": 1})
    assert (answer.status, answer.json["known"], answer.json["near"]) == (200, False, ITEMS)


def test_the_nearest_name_is_looked_for_beside_the_live_path(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among thousands of endpoints that takes half a second."""
    here: list[bool] = []
    real = Moved.of

    def of(*given: Any, **named: Any) -> Moved:
        here.append(threading.current_thread() is threading.main_thread())
        return real(*given, **named)

    monkeypatch.setattr(Moved, "of", of)
    assert port.post("/-/routes/set", {"route": ITEMS, "percent": 1}).status == 200
    assert here == [False]


@pytest.mark.parametrize(
    ("action", "body", "error"),
    [
        ("set", {"route": "*"}, "missing required field `percent`"),
        ("set", {"route": "*", "percent": "5"}, "Expected `float`, got `str`"),
        ("set", {"route": "*", "percent": True}, "Expected `float`, got `bool`"),
        ("set", {"route": "*", "percent": -0.1}, "-0.1 is no share in percent"),
        ("set", {"route": "*", "percent": 100.1}, "100.1 is no share in percent"),
        ("set", b'{"route":"*","percent":NaN}', "NaN is no JSON"),
        ("set", b'{"route":"*","percent":1e999}', "inf is no share in percent"),
        ("set", b'{"route":"*","percent":1,"percent":99}', "a member is given twice"),
        ("set", {"route": "*", "percent": 5, "force": 1}, "unknown field `force`"),
        ("set", {"route": "", "percent": 5}, "that cannot be the name of a route"),
        ("set", {"route": "a\nb", "percent": 5}, "that cannot be the name of a route"),
        ("set", {"route": "a\u202eb", "percent": 5}, "that cannot be the name of a route"),
        ("set", {"route": "\ud800", "percent": 5}, "that cannot be the name of a route"),
        ("set", {"route": "x" * 501, "percent": 5}, "that cannot be the name of a route"),
        ("set", {"route": 5, "percent": 5}, "Expected `str`, got `int`"),
        ("unset", {}, "missing required field `route`"),
        ("abort", {}, "missing required field `reason`"),
        ("abort", {"reason": " \t"}, "abort needs a reason"),
        ("abort", {"reason": "x" * 2001}, "the reason is longer than 2,000 characters"),
        ("abort", {"reason": "\udfff"}, "the reason is not UTF-8"),
        ("reset", {"reason": "r"}, "missing required field `route`"),
        ("reset", {"route": "*"}, "missing required field `reason`"),
        ("reset", {"route": "*", "reason": ""}, "reset needs a reason"),
        ("reset", b"", "the body is wrong"),
        ("reset", b"[]", "Expected `object`, got `array`"),
        ("reset", b"\xff\xfe{}", "the body is wrong"),
        ("reset", b"[" * 9_000, "the body is wrong"),
        ("reset", b"9" * 9_000, "the body is wrong"),
        ("reset", b'{"' + b"x" * 9_000 + b'":1}', "the body is wrong"),
    ],
)
def test_a_wrong_change_is_refused(port: Port, action: str, body: object, error: str) -> None:
    answer = port.post(f"/-/routes/{action}", body)
    assert answer.status == 400
    assert error in answer.json["error"]
    assert set(answer.json) == {"error", "hint"}
    assert len(answer.body) < 1_000
    assert port.view.ledger == []


def test_a_body_is_bounded_and_of_its_type(port: Port) -> None:
    reset = "/-/routes/reset"
    long = b'{"route":"*","reason":"' + b"x" * MAX_BODY + b'"}'
    assert port.post(reset, long).status == 413
    parts = [b"x" * 1024] * 100
    answer = port.ask("POST", reset, HOST, BEARER, JSON, body=parts)
    assert (answer.status, answer.left) == (413, 100 - 17)
    body = b'{"route":"*","reason":"r"}'
    for kind in ((b"content-type", b"text/plain"), FORM, (b"content-type", b"")):
        assert port.ask("POST", reset, HOST, BEARER, kind, body=body).status == 415
    assert port.ask("POST", reset, HOST, BEARER, body=body).status == 415
    assert port.ask("POST", reset, HOST, BEARER, JSON, body=body, cut=True).status == 400
    assert port.view.ledger == []
    typed = (b"content-type", b"Application/JSON; charset=utf-8")
    parts = [body[:9], b"", body[9:]]
    assert port.ask("POST", reset, HOST, BEARER, typed, body=parts).status == 200


def test_a_body_that_does_not_come_is_not_waited_for(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "BODY_S", 0.01)
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return await asyncio.Future()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/-/routes/abort",
        "query_string": b"",
        "headers": [HOST, BEARER, JSON],
    }
    asyncio.run(port.app(scope, receive, send))
    assert sent[0]["status"] == 408


def test_secrets_in_texts_are_masked(port: Port) -> None:
    operator = (b"x-operator", b"ann token=s3cr3t-of-ann")
    port.post("/-/routes/abort", {"reason": "see https://u:hunter22@h/?api_key=k3y"}, operator)
    (entry,) = port.view.ledger
    said = entry.by + entry.reason
    assert not any(secret in said for secret in ("s3cr3t", "hunter22", "k3y"))
    assert port.post("/-/routes/abort", {"reason": "r"}, (b"x-operator", b"x" * 101)).status == 400


def test_a_failing_store_is_said(port: Port) -> None:
    for failure, status in (
        (UnfinishedError("store s: held", "wait"), 503),
        (ShadowError("store s: damaged", "move it"), 500),
    ):
        port.view.failure = failure
        answer = port.post("/-/routes/abort", {"reason": "r"})
        assert (answer.status, answer.json["error"]) == (status, failure.message)
        assert port.get("/-/changes").status == status


headers = st.sampled_from(
    [b"host", b"authorization", b"cookie", b"origin", b"content-type", b"x-operator"]
)


@given(
    st.sampled_from([*GETS, *POSTS, "/-/login"]),
    st.sampled_from(["GET", "POST"]),
    st.lists(st.tuples(headers, st.binary(max_size=40)), max_size=4),
    st.binary(max_size=60),
)
def test_whatever_is_sent_is_answered_and_changes_nothing(
    target: str, method: str, given: list[tuple[bytes, bytes]], body: bytes
) -> None:
    port = Port()
    answer = port.ask(method, target, HOST, *given, body=body)
    assert 400 <= answer.status < 500
    assert port.view.ledger == []
