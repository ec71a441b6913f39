"""Both services hold the same data and answer alike, but for the spellings of their stacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services import run, traffic

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Ask = Callable[..., tuple[int, bytes]]
Login = Callable[[str, str], str]
SERVICES = Path(__file__).parents[2] / "services"
VOLATILE = {"served_at"}
RESPELLED = {"window"}
GO_ZERO_TIME = "0001-01-01T00:00:00Z"


def plain(value: Any) -> Any:
    """A decoded answer without what the two stacks spell differently by default."""
    if isinstance(value, dict):
        members = {name: plain(member) for name, member in value.items()}
        if "by_category" in members:
            members["by_category"].sort(key=lambda entry: entry["category"])
        left_out = VOLATILE | RESPELLED
        return {
            name: member
            for name, member in members.items()
            if name not in left_out and member is not None
        } or None
    if isinstance(value, list):
        return [plain(member) for member in value] or None
    if isinstance(value, str) and value.endswith("Z") and value[:4].isdigit():
        return None if value == GO_ZERO_TIME else datetime.fromisoformat(value)
    return value


@pytest.fixture(params=[42, 1, 2**64 - 1])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    env = {"SEED": str(request.param)}
    with run.running(run.GO, env) as go, run.running(run.RUST, env) as rust:
        yield go.url, rust.url


def test_items_are_the_same(pair: tuple[str, str], ask: Ask) -> None:
    ids: list[str] = []
    for page in (1, 2, 3):
        target = f"/v1/items?per_page=100&page={page}"
        go, rust = (json.loads(ask(url, "GET", target)[1]) for url in pair)
        assert plain(go) == plain(rust)
        ids += [item["id"] for item in go["items"]]
    assert len(ids) == len(set(ids)) == 240
    for item_id in ids:
        go, rust = (json.loads(ask(url, "GET", f"/v1/items/{item_id}")[1]) for url in pair)
        assert plain(go) == plain(rust)


@pytest.mark.parametrize(
    "target",
    [
        "/v1/items?sort=price&per_page=100",
        "/v1/items?sort=-price&category=garden",
        "/v1/items?sort=-rating&page=2",
        "/v1/items?sort=name&min_price=5000&max_price=9000",
        "/v1/search?q=brass+lamp&limit=50",
        "/v1/search?q=cr%C3%A8me+kettle+handle+refund+oak",
        "/v1/search?q=zeppelin",
        "/v1/stats",
        "/v1/stats?category=tools&buckets=37",
    ],
)
def test_lists_searches_and_statistics_are_the_same(
    pair: tuple[str, str], ask: Ask, target: str
) -> None:
    (go_status, go), (rust_status, rust) = (ask(url, "GET", target) for url in pair)
    assert go_status == rust_status == 200
    assert plain(json.loads(go)) == plain(json.loads(rust))


def test_badges_are_the_same_bytes(pair: tuple[str, str], ask: Ask) -> None:
    badges = set()
    for number in (1, 7, 100, 240):
        target = f"/v1/items/itm-{number:05}/badge.png"
        go, rust = (ask(url, "GET", target) for url in pair)
        assert go == rust
        badges.add(go[1])
    assert len(badges) == 4


def test_routes_quotes_and_exports_are_the_same(
    pair: tuple[str, str], ask: Ask, login: Login
) -> None:
    tokens = {login(url, "u-1") for url in pair}
    assert len(tokens) == 1
    token = tokens.pop()
    calls: list[tuple[str, str, Any]] = [
        (
            "POST",
            "/v1/route",
            {"from": {"x": x, "y": 4}, "to": {"x": 92 - x, "y": 88}},
        )
        for x in range(0, 96, 8)
        if x <= 92
    ]
    calls += [
        (
            "POST",
            "/v1/quote",
            {
                "lines": [
                    {"sku": f"SKU-{number:05}", "quantity": number},
                    {"sku": f"SKU-{number + 60:05}", "quantity": 1},
                ],
                "country": country,
                "currency": currency,
                "coupon": coupon,
            },
        )
        for number in range(1, 60, 3)
        for country, currency, coupon in (("CH", "USD", "TENOFF"), ("PL", "GBP", "FIVER"))
    ]
    for method, target, body in calls:
        (go_status, go), (rust_status, rust) = (
            ask(url, method, target, body, token) for url in pair
        )
        assert go_status == rust_status == 200
        assert plain(json.loads(go)) == plain(json.loads(rust))
    go_lines, rust_lines = (
        [json.loads(line) for line in ask(url, "GET", "/v1/export", None, token)[1].splitlines()]
        for url in pair
    )
    assert go_lines == rust_lines
    assert len(go_lines) == 5000


def test_seeds_differ(ask: Ask) -> None:
    bodies = set()
    for seed in ("42", "43"):
        with run.running(run.GO, {"SEED": seed}) as service:
            bodies.add(ask(service.url, "GET", "/v1/items")[1])
    assert len(bodies) == 2


def settled(exchange: dict[str, Any]) -> Any:
    """An exchange without what changes from run to run."""
    response = exchange["response"]
    body = response.get("body", response.get("body_base64"))
    if exchange["request"]["target"].startswith(("/v1/stats", "/v1/quote")) and body[0] == "{":
        body = plain(json.loads(body))
    return exchange["id"], exchange["request"], response["status"], body


def recorded(url: str, calls: list[traffic.Planned]) -> list[dict[str, Any]]:
    return list(traffic.Recorder(url).record(calls))


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_a_second_run_answers_the_same_with_and_without_reset(binary: Path, ask: Ask) -> None:
    calls = traffic.plan(seed=3, exchanges=500, exports=1)
    with run.running(binary) as service:
        first = [settled(exchange) for exchange in recorded(service.url, calls)]
        second = [settled(exchange) for exchange in recorded(service.url, calls)]
        assert ask(service.url, "POST", "/admin/reset")[0] == 204
        third = [settled(exchange) for exchange in recorded(service.url, calls)]
    assert first == second == third


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_sessions_do_not_influence_each_other(binary: Path) -> None:
    calls = traffic.plan(seed=4, exchanges=400, exports=0)
    by_session: dict[str, list[traffic.Planned]] = {}
    for planned in calls:
        by_session.setdefault(planned.session, []).append(planned)

    def told(exchange: dict[str, Any]) -> Any:
        return settled(exchange)[1:]

    with run.running(binary) as service:
        in_order: dict[str, list[Any]] = {session: [] for session in by_session}
        for exchange in recorded(service.url, calls):
            in_order[exchange["session"]].append(told(exchange))
        with ThreadPoolExecutor(8) as threads:
            together = threads.map(lambda own: recorded(service.url, own), by_session.values())
        assert [list(map(told, own)) for own in together] == list(in_order.values())


def test_the_requests_do_not_depend_on_who_answers() -> None:
    calls = traffic.plan(seed=7, exchanges=600, exports=0)
    assert calls == traffic.plan(seed=7, exchanges=600, exports=0)
    with run.running(run.GO) as go, run.running(run.RUST) as rust:
        asked = [
            [exchange["request"] for exchange in recorded(url, calls)] for url in (go.url, rust.url)
        ]
    assert asked[0] == asked[1]


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_drafts_belong_to_their_user(binary: Path, ask: Ask, login: Login) -> None:
    draft = {"sku": "MY-1", "name": "Lamp", "category": "lighting", "price_cents": 5, "stock": 1}
    with run.running(binary) as service:
        mine, other = (login(service.url, user) for user in ("u-1", "u-2"))
        created = [ask(service.url, "POST", "/v1/items", draft, mine) for _ in range(2)]
        assert created[0] == created[1]
        assert created[0][0] == 201
        target = f"/v1/items/{json.loads(created[0][1])['id']}"
        seen = [ask(service.url, "GET", target, None, token)[0] for token in (mine, other, "")]
        assert seen == [200, 404, 404]
        changed = ask(service.url, "PATCH", target, {"stock": 7}, mine)
        assert (changed[0], json.loads(changed[1])["stock"]) == (200, 7)
        assert ask(service.url, "PATCH", target, {"stock": 7}, other)[0] == 404
        own = json.loads(ask(service.url, "GET", "/v1/items?owner=me", None, mine)[1])
        assert [item["sku"] for item in own["items"]] == ["MY-1"]
        login(service.url, "u-1")
        assert ask(service.url, "GET", target, None, mine)[0] == 404


def test_only_ones_own_drafts_are_deleted(ask: Ask, login: Login) -> None:
    draft = {"sku": "MY-1", "name": "Lamp", "category": "lighting", "price_cents": 5, "stock": 1}
    told = []
    for binary in (run.GO, run.RUST):
        with run.running(binary) as service:
            mine, other = (login(service.url, user) for user in ("u-1", "u-2"))
            created = json.loads(ask(service.url, "POST", "/v1/items", draft, mine)[1])
            own = f"/v1/items/{created['id']}"
            asked = [(own, ""), (own, other), ("/v1/items/itm-00001", mine)]
            asked += [("/v1/items/nope", mine), (own, mine), (own, mine)]
            answers = [ask(service.url, "DELETE", target, None, token) for target, token in asked]
            answers.append(ask(service.url, "GET", own, None, mine))
            answers.append(ask(service.url, "POST", "/v1/items", draft, mine))
            told.append([(status, plain(json.loads(body or "null"))) for status, body in answers])
    assert [status for status, _ in told[0]] == [401, 404, 403, 404, 204, 404, 404, 201]
    assert told[0][4] == (204, None)
    assert told[0] == told[1]


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_random_tokens_and_ids(binary: Path, ask: Ask, login: Login) -> None:
    draft = {"sku": "MY-1", "name": "Lamp", "category": "lighting", "price_cents": 5, "stock": 1}
    with run.running(binary) as service:
        derived = login(service.url, "u-1")
    ids = set()
    for _ in range(2):
        with run.running(binary, {"TOKENS": "random", "IDS": "random"}) as service:
            token = login(service.url, "u-1")
            assert token not in {derived, login(service.url, "u-1")}
            assert ask(service.url, "GET", "/v1/export", None, derived)[0] == 401
            bodies = {ask(service.url, "POST", "/v1/items", draft, token)[1] for _ in range(2)}
            assert len(bodies) == 1
            ids.add(json.loads(bodies.pop())["id"])
    assert len(ids) == 2


@pytest.mark.parametrize("binary", [run.GO, run.RUST], ids=["go", "rust"])
def test_metrics_count_by_route(binary: Path, ask: Ask) -> None:
    with run.running(binary) as service:
        for target in ("/v1/items/itm-00001", "/v1/items/itm-00002", "/v1/items/nope", "/nope"):
            ask(service.url, "GET", target)
        assert ask(service.url, "GET", "/healthz")[0] == 200
        text = ask(service.url, "GET", "/metrics")[1].decode()
    route = 'route="GET /v1/items/{id}"'
    assert f'http_requests_total{{{route},status="200"}} 2' in text
    assert f'http_requests_total{{{route},status="404"}} 1' in text
    assert 'http_requests_total{route="other",status="404"} 1' in text
    assert f'http_request_duration_seconds_bucket{{{route},le="+Inf"}} 3' in text
    assert f"http_request_duration_seconds_count{{{route}}} 3" in text


def test_the_words_are_the_same() -> None:
    go, rust = (SERVICES / side / "words.txt" for side in ("go", "rust"))
    assert go.read_bytes() == rust.read_bytes()
