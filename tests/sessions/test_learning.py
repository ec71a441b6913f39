from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable

import pytest

from shadow.endpoints import Endpoints
from shadow.model import Exchange, Request, Response
from shadow.reports.correlation import as_toml
from shadow.sessions import learning
from shadow.sessions.checking import Checker
from shadow.sessions.forecast import Forecaster
from shadow.sessions.learning import Learner
from shadow.sessions.rules import Rules

ENDPOINTS = Endpoints()


def endpoint(request: Request) -> str:
    return ENDPOINTS.name(request.method, request.target)


def exchange(
    session: str | None,
    request: str,
    *,
    auth: str = "",
    sends: object = None,
    gives: object = None,
    headers: tuple[tuple[str, str], ...] = (),
    status: int = 200,
) -> Exchange:
    method, target = request.split()
    own = (("Authorization", auth),) if auth else ()
    return Exchange(
        id="x",
        session=session,
        request=Request(
            method=method,
            target=target,
            headers=own,
            body=b"" if sends is None else json.dumps(sends).encode(),
        ),
        response=Response(status=status, headers=headers, body=json.dumps(gives).encode()),
    )


def shop(count: int, seed: int = 0) -> list[Exchange]:
    """Sessions that log in, list a catalogue, create an order, and read it back."""
    made = random.Random(seed)
    found = []
    for number in range(count):
        token, order = f"{made.getrandbits(128):032x}", made.randrange(10**8, 10**9)
        csrf = f"{made.getrandbits(64):016x}"
        auth, name = f"Bearer {token}", f"s{number}"
        catalogue = {"items": [{"id": f"item-{each:06}"} for each in range(20)]}
        found += [
            exchange(name, "POST /login", sends={"user": f"u-{number}"}, gives={"token": token}),
            exchange(name, "GET /items", auth=auth, gives=catalogue),
            exchange(name, "GET /items/item-000003", auth=auth, gives={"id": "item-000003"}),
            exchange(name, "GET /form", auth=auth, headers=(("X-Csrf", csrf),)),
            exchange(
                name, "POST /orders", auth=auth, sends={"csrf": csrf, "sku": "item-000003"},
                status=201, headers=(("Location", f"/orders/{order}?v=1"),),
            ),
            exchange(name, f"GET /orders/{order}", auth=auth, gives={"state": "new"}),
        ]  # fmt: skip
    return found


def learned(exchanges: list[Exchange]) -> Learner:
    learner = Learner(endpoint)
    for each in exchanges:
        learner.see(each, "file")
    return learner


def plan(exchanges: list[Exchange]) -> dict[str, tuple[str, str | None, set[tuple[str, str]]]]:
    return {
        f"{each.rule.source.endpoint} {each.rule.source.place}": (
            each.rule.name,
            each.rule.source.pattern,
            {(sink.endpoint, str(sink.place)) for sink in each.rule.sinks},
        )
        for each in learned(exchanges).learned()
    }


def test_a_plan_has_what_sessions_make_and_carry_and_nothing_of_the_catalogue() -> None:
    assert plan(shop(5)) == {
        "POST /login $['token']": ("token", None, {("*", "header:authorization")}),
        "GET /form header:x-csrf": ("x-csrf", None, {("POST /orders", "$['csrf']")}),
        "POST /orders header:location": (
            "location",
            "^/orders/([^/?&;,\\s]+)\\?v\\=[0-9]+$".replace("\\=", "="),
            {("GET /orders/{id}", "path:2")},
        ),
    }


def test_the_plan_as_toml_reads_back_as_the_same_rules() -> None:
    text = as_toml(learned(shop(5)))
    tables = tomllib.loads(text)["correlate"]
    assert [each["name"] for each in tables] == ["x-csrf", "token", "location"]
    assert "# 5 requests of 5 sessions carry one of the 5 that answers gave" in text
    assert as_toml(learned(shop(5)), [each.rule for each in learned(shop(5)).learned()]) == ""


def test_one_session_of_many_is_not_enough_and_one_of_one_is() -> None:
    lone = shop(1)
    others = [exchange(f"o{number}", "GET /items") for number in range(5)]
    assert plan(lone + others) == {}
    assert "POST /login $['token']" in plan(lone)


def test_exchanges_without_a_session_are_one_session() -> None:
    bare = [Exchange(id=each.id, request=each.request, response=each.response) for each in shop(1)]
    assert "POST /login $['token']" in plan(bare)


def test_what_the_client_brought_first_is_made_by_no_answer() -> None:
    found = []
    for number in range(3):
        key = f"{number}{'a' * 15}9"
        found += [
            exchange(f"s{number}", "POST /things", sends={"key": key}, gives={"key": key}),
            exchange(f"s{number}", f"GET /things/{key}"),
        ]
    assert plan(found) == {}


@pytest.mark.parametrize("value", ["1", "true", "en", "2026-08-03", "electronics", 17, True, None])
def test_small_values_never_match(value: object) -> None:
    found = []
    for number in range(3):
        found += [
            exchange(f"s{number}", "POST /things", gives={"id": value}),
            exchange(f"s{number}", f"GET /things/{value}"),
        ]
    assert plan(found) == {}


def test_cookies_are_left_to_the_jar() -> None:
    found = []
    for number in range(3):
        sid = f"{number}{'f' * 31}"
        setting = (("Set-Cookie", f"sid={sid}; Path=/"),)
        asked = Request(method="GET", target="/me", headers=(("Cookie", f"a=1; sid={sid}"),))
        found += [
            exchange(f"s{number}", "POST /login", headers=setting),
            Exchange(id="x", session=f"s{number}", request=asked),
        ]
    learner = learned(found)
    assert learner.learned() == []
    assert learner.cookies == 3
    assert tomllib.loads(as_toml(learner)) == {"sessions": {"cookies": True}}


def test_a_hostile_capture_is_followed_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "SESSIONS", 3)
    monkeypatch.setattr(learning, "ALL_VALUES", 50)
    learner = Learner(endpoint)
    for number in range(20):
        gives = [f"{number:04}{each:012x}f" for each in range(40)]
        learner.see(exchange(f"s{number}", "POST /things", gives=gives), "file")
        assert len(learner._sessions) <= 4
    assert learner.sessions == 20


def test_rules_are_held_against_a_capture() -> None:
    exchanges = shop(4)
    rules = [each.rule for each in learned(exchanges).learned()]
    checker = Checker(Rules(rules), endpoint)
    token = next(each.request for each in exchanges if each.request.headers)
    stray = Exchange(id="y", session="s9", request=token)
    body = exchange("s0", "POST /log", sends={"t": token.headers[0][1].removeprefix("Bearer ")})
    for each in [*exchanges, stray, body]:
        checker.see(each, "file")
    check = checker.checks["token"]
    assert (check.made, check.sessions, check.uses, check.strange) == (4, 4, 20, 1)
    assert check.elsewhere == {"POST /log $['t']"}


def test_what_a_replay_would_be_refused_is_forecast() -> None:
    forecaster = Forecaster(endpoint, lambda request: request.method == "GET")
    for each in shop(4):
        forecaster.see(each)
    found = {(each.cause, each.endpoint): each.exchanges for each in forecaster.forecasts()}
    assert found == {
        ("expired-token", "GET /form"): 4,
        ("expired-token", "GET /items"): 4,
        ("expired-token", "GET /items/{id}"): 4,
        ("expired-token", "GET /orders/{id}"): 4,
        ("expired-token", "POST /orders"): 4,
        ("missing-id", "GET /orders/{id}"): 4,
        ("missing-id", "POST /orders"): 4,
        ("state", "POST /login"): 4,
        ("state", "POST /orders"): 4,
    }


def code_flow(around: str, value: Callable[[str], str] = str) -> list[Exchange]:
    """Sessions that are given a value within a text, and carry it."""
    found = []
    for number in range(3):
        code, state = value(f"c0de{number}" + "ab" * 8), f"57a7e{number}" + "cd" * 8
        text = around.format(code=code, state=state)
        found += [
            exchange(f"s{number}", f"GET /auth?state={state}", gives={"to": text}),
            exchange(f"s{number}", "POST /token", sends={"code": code, "state": state}),
        ]
    return found


@pytest.mark.parametrize(
    ("around", "value"),
    [
        ("https://app.example/cb?code={code}&state={state}", str),
        ("code {code}", "AbC/{}+/x==".format),
        ("Welcome\u2026 {code}", str),
    ],
)
def test_a_part_of_a_text_is_found_by_the_pattern_that_is_learned(
    around: str, value: Callable[[str], str]
) -> None:
    exchanges = code_flow(around, value)
    (found,) = learned(exchanges).learned()
    checker = Checker(Rules([found.rule]), endpoint)
    for each in exchanges:
        checker.see(each, "file")
    check = checker.checks[found.rule.name]
    assert (check.made, check.uses, check.strange) == (3, 3, 0)


def test_a_pattern_tells_no_other_value() -> None:
    (found,) = learned(code_flow("code={code}; refresh={state}")[:2]).learned()
    assert "57a7e" not in (found.rule.source.pattern or "")
    assert "cdcd" not in (found.rule.source.pattern or "")


def test_no_pattern_is_learned_that_the_config_refuses() -> None:
    for around in ("{code}" + " much more" * 60, "{code}" + " 1" * 200, "\ud800 {code}"):
        for each in learned(code_flow(around)).learned():
            Rules([each.rule])


def test_a_capture_of_many_texts_is_followed_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MOST_SOURCES", 10)
    learner = Learner(endpoint)
    for number in range(20):
        name = "abcdefghijklmnopqrst"[number]
        learner.see(exchange(f"s{number}", "GET /a", gives=[f"{name} {number:031x}ef"]), "file")
    assert len(learner._made) == 10


def test_a_value_of_a_url_is_known_where_a_client_escapes_it_in_another_way() -> None:
    found = []
    for number in range(3):
        cursor = f"QUJD%2B{number}%2FaW5kZXg9MTA"
        next_ = cursor.replace("%2F", "/")
        found += [
            exchange(f"s{number}", "GET /p", gives={"next": f"/p?cursor={cursor}"}),
            exchange(f"s{number}", f"GET /p?cursor={next_}"),
        ]
    assert [each.evidence.uses for each in learned(found).learned()] == [3]
