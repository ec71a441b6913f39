"""Each planted defect changes what services/README.md says it changes, and nothing else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services import run, traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Ask = Callable[..., tuple[int, bytes]]
Login = Callable[[str, str], str]
# For each defect the places it may change; the first of them it must.
PLACES: dict[str, list[tuple[str, str]]] = {
    "page-off-by-one": [("GET /v1/items", "$.items")],
    "bankers-rounding": [
        ("POST /v1/quote", "$.total_cents"),
        ("POST /v1/quote", "$.total"),
        ("POST /v1/quote", "$.tax_cents"),
        ("POST /v1/quote", "$.coupon_cents"),
        ("POST /v1/quote", "$.subtotal_cents"),
        ("POST /v1/quote", "$.lines[*].unit_cents"),
        ("POST /v1/quote", "$.lines[*].discount_cents"),
        ("POST /v1/quote", "$.lines[*].total_cents"),
    ],
    "lost-field": [("GET /v1/items/{id}", "$.currency")],
    "unstable-sort": [("GET /v1/items", "$.items")],
    "garbage-timestamp": [
        ("POST /v1/quote", "$.served_at"),
        ("GET /v1/stats", "$.served_at"),
    ],
    "wrong-currency": [("POST /v1/quote", "$.lines[*].currency")],
    "null-number": [("GET /v1/items/{id}", "$.rating")],
}
NANOSECONDS = re.compile(r'"served_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"')


def answers(env: dict[str, str]) -> list[tuple[str, int, Any]]:
    """Endpoint, status and decoded body of a fixed plan; a proper server time is left out."""
    calls = traffic.plan(seed=7, exchanges=1500, exports=0)
    seen = []
    with run.running(run.RUST, env) as service:
        for exchange in traffic.Recorder(service.url).record(calls):
            request, response = exchange["request"], exchange["response"]
            path = re.sub(r"^/v1/items/[^/]+", "/v1/items/{id}", request["target"].split("?")[0])
            body = NANOSECONDS.sub('"served_at":"now"', response.get("body", ""))
            value = json.loads(body) if body[:1] == "{" else body
            seen.append((f"{request['method']} {path}", response["status"], value))
    return seen


@pytest.fixture(scope="module")
def sound() -> list[tuple[str, int, Any]]:
    return answers({})


def differing(path: str, first: Any, second: Any) -> Iterator[str]:
    """The places where two values differ; list positions are written as `*`."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in first.keys() | second.keys():
            yield from differing(f"{path}.{name}", first.get(name, ...), second.get(name, ...))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for left, right in zip(first, second, strict=True):
            yield from differing(f"{path}[*]", left, right)
    elif first != second:
        yield path


def test_there_are_no_defects_by_default(sound: list[tuple[str, int, Any]]) -> None:
    assert answers({"DEFECTS": ""}) == sound


@pytest.mark.parametrize("defect", PLACES)
def test_a_defect_shows_in_its_place_only(sound: list[tuple[str, int, Any]], defect: str) -> None:
    changed: dict[tuple[str, str], int] = {}
    for (endpoint, status, left), (_, other_status, right) in zip(
        sound, answers({"DEFECTS": defect}), strict=True
    ):
        assert status == other_status
        for place in differing("$", left, right):
            known = [key for key in PLACES[defect] if key[0] == endpoint]
            hit = [key for key in known if place == key[1] or place.startswith(f"{key[1]}[")]
            assert hit, f"{endpoint} {place} changed"
            changed[hit[0]] = changed.get(hit[0], 0) + 1
    assert changed[PLACES[defect][0]] >= 5


def test_one_item_in_a_hundred_fails(ask: Ask) -> None:
    with run.running(run.RUST, {"DEFECTS": "errors-1pct"}) as service:
        statuses = [ask(service.url, "GET", "/v1/items/itm-00001")[0] for _ in range(300)]
        others = [ask(service.url, "GET", "/v1/items")[0] for _ in range(200)]
    assert (statuses.count(500), statuses.count(200)) == (3, 297)
    assert set(others) == {200}


def test_one_search_in_fifty_is_late(ask: Ask) -> None:
    took = []
    with run.running(run.RUST, {"DEFECTS": "slow-tail"}) as service:
        for _ in range(100):
            began = time.perf_counter()
            assert ask(service.url, "GET", "/v1/search?q=lamp")[0] == 200
            took.append(time.perf_counter() - began)
    assert sum(seconds >= 0.15 for seconds in took) == 2


def test_a_race_needs_company(ask: Ask, login: Login) -> None:
    bodies = [{"from": {"x": 0, "y": 0}, "to": {"x": 4 * n, "y": 4 * n}} for n in range(1, 21)]
    with run.running(run.RUST, {"DEFECTS": "race"}) as service, run.running(run.RUST) as sound:
        token = login(service.url, "u-1")

        def route(url: str, body: object) -> tuple[int, bytes]:
            return ask(url, "POST", "/v1/route", body, token)

        right = [route(sound.url, body) for body in bodies]
        assert [route(service.url, body) for body in bodies] == right
        with ThreadPoolExecutor(8) as threads:
            together = list(threads.map(lambda body: route(service.url, body), bodies * 5))
    wrong = [
        (json.loads(expected[1]), json.loads(got[1]))
        for expected, got in zip(right * 5, together, strict=True)
        if expected != got
    ]
    assert wrong
    for expected, got in wrong:
        assert set(differing("$", expected, got)) == {"$.cost"}


def test_a_stuck_search_gets_no_answer(ask: Ask) -> None:
    with run.running(run.RUST, {"DEFECTS": "stuck"}) as service:
        with pytest.raises(TimeoutError):
            ask(service.url, "GET", "/v1/search?q=obsidian", timeout_s=0.3)
        assert ask(service.url, "GET", "/v1/search?q=obsidian+lamp")[0] == 200
    with run.running(run.RUST) as service:
        assert ask(service.url, "GET", "/v1/search?q=obsidian", timeout_s=5)[0] == 200


def test_a_wrong_amount_is_stored_behind_a_right_answer(ask: Ask, login: Login) -> None:
    draft = {"sku": "MY-1", "name": "Lamp", "category": "lighting", "price_cents": 5, "stock": 1}
    with run.running(run.RUST, {"DEFECTS": "wrong-amount"}) as service:
        token = login(service.url, "u-1")
        for _ in range(2):  # the second one replaces the first
            status, body = ask(service.url, "POST", "/v1/items", draft, token)
            created = json.loads(body)
            assert (status, created["price_cents"]) == (201, 5)
            target = f"/v1/items/{created['id']}"
            shown = json.loads(ask(service.url, "GET", target, None, token)[1])
            assert list(differing("$", created, shown)) == ["$.price_cents"]
            own = json.loads(ask(service.url, "GET", "/v1/items?owner=me", None, token)[1])
            assert shown["price_cents"] == own["items"][0]["price_cents"] == 6


def test_a_wrong_amount_shows_where_drafts_are_shown_only(
    sound: list[tuple[str, int, Any]],
) -> None:
    places = {
        (endpoint, place)
        for (endpoint, *left), (_, *right) in zip(
            sound, answers({"DEFECTS": "wrong-amount"}), strict=True
        )
        for place in differing("$", left, right)
    }
    assert places == {
        ("GET /v1/items/{id}", "$[*].price_cents"),
        ("GET /v1/items", "$[*].items[*].price_cents"),
    }


def test_the_traffic_asks_for_what_gets_stuck() -> None:
    calls = traffic.plan(seed=7, exchanges=2000, exports=3)
    assert sum(planned.call.target == "/v1/search?q=obsidian" for planned in calls) >= 2
