from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shadow.errors import UnfinishedError
from shadow.metrics import METRICS, Metrics
from shadow.reports.live import live_json
from shadow.reports.live.view import Live
from shadow.results.gates.criteria import Criteria
from shadow.results.routes import RouteChange
from shadow.results.store import Store
from shadow.rollout.gating import GatePlan
from shadow.sidecar.canary.guards import GuardPolicy
from shadow.sidecar.mirroring import keeping as keeping_module
from shadow.sidecar.mirroring.window import Room
from shadow.sidecar.plans import AdminPlan
from shadow.sidecar.ports import view as view_module
from shadow.sidecar.ports.opening import Ports
from shadow.sidecar.ports.view import View, sidecar_ports
from shadow.sidecar.sidecar import Sidecar
from tests.sidecar.trial import (
    PATIENCE_S,
    Got,
    Running,
    Upstream,
    ask,
    counted,
    plan_of,
    proxied,
    reply,
    send,
    skipped,
    upstream,
)

ITEM = "GET /v1/items/{id}"
TOKEN = "0123456789abcdef"
LENIENT = GuardPolicy(max_divergence_rate=0.999)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping_module, "FLUSH_S", 0.005)
    monkeypatch.setattr(keeping_module, "CHECK_S", 0.02)


@asynccontextmanager
async def trying(folder: Path, **given: Any) -> AsyncIterator[tuple[Running, Upstream]]:
    """A proxy that has seen matches, divergences and writes."""
    async with upstream() as go, upstream() as rust:
        targets = go.target("baseline"), rust.target("candidate")
        async with proxied(plan_of(folder, *targets, **{"guards": LENIENT, **given})) as running:
            rust.replies = lambda asked: reply('{"a":1}' if asked.target.endswith("9") else "{}")
            for number in range(10):
                await ask(running.port, f"/v1/items/{number}")
            await ask(running.port, "/v1/items", "POST")
            await running.settled()
            keeping = running.sidecar.keeping
            await until(lambda: keeping.window.read == 11)
            if running.sidecar.archive.store is not None:
                await until(lambda: keeping.unwritten == 0)
            yield running, rust


async def until(wanted: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not wanted():  # noqa: ASYNC110 - another thread's
            await asyncio.sleep(0.002)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def change(action: Any, route: str, **given: Any) -> RouteChange:
    at = datetime.now(UTC)
    return RouteChange(at=at, action=action, route=route, reason="why", by="operator:ann", **given)


def decoded(view: View) -> Live:
    """What there is to see, with every value of its type; and the page can be polled for it."""
    live = view.live()
    assert msgspec.json.decode(live_json(live))["outcomes"]["match"] == live.match
    return msgspec.convert(msgspec.to_builtins(live), Live)


def test_the_live_page_of_a_real_sidecar(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, version="1.4.2") as (running, _):
            sidecar = running.sidecar
            view = View(sidecar)
            live = decoded(view)
            assert (live.match, live.divergent, live.skipped) == (9, 1, 1)
            assert (live.command, live.version, live.names) == ("proxy", "1.4.2", ("go", "rust"))
            assert live.run_id == sidecar.archive.run_id
            endpoints = {each.endpoint: each for each in live.endpoints}
            assert endpoints[ITEM].match == 9
            assert endpoints["POST /v1/items"].skipped == 1
            assert view._times[ITEM, "candidate_service"][0] == 10
            (found,) = live.findings
            assert found.finding.exchanges == 1
            assert found.first <= found.last
            assert live.queue.depth == live.queue.bytes == 0
            assert (live.queue.capacity, live.queue.max_bytes) == (1_024, 64 << 20)
            assert live.store.name.endswith("store.sqlite")
            assert (live.store.shared, live.store.error, live.store.lost) == (False, "", 0)
            assert live.flags.path == ""
            assert set(view.endpoints()) == {ITEM, "POST /v1/items"}
            (guard, *_) = [each for each in live.routes.guards if each.route == ITEM]
            assert (guard.n, guard.x, guard.tripped) == (10, 1, False)

    run(story)


def test_of_many_endpoints_the_worst_are_shown_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that is shown is time that clients wait, and they can make thousands of them."""
    monkeypatch.setattr(view_module, "ROWS", 2)

    async def story() -> None:
        async with trying(tmp_path) as (running, _):
            view = View(running.sidecar)
            for target in ("/b", "/b", "/a", "/c9"):
                await ask(running.port, target)
            await running.settled()
            await until(lambda: running.sidecar.keeping.window.read == 15)
            live = decoded(view)
            assert [each.endpoint for each in live.endpoints] == [ITEM, "GET /c9"]
            assert live.endpoints_left == 3
            assert (live.match, live.divergent, live.skipped) == (12, 2, 1)
            assert {name for name, _ in view._times} == {ITEM, "GET /c9"}
            assert json.loads(live_json(live))["endpoints_left"] == 3

    run(story)


def test_percentiles_of_another_window_begin_anew(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, room=Room(window_s=0.4)) as (running, _):
            view = View(running.sidecar)
            view.live()
            window = running.sidecar.keeping.window
            assert view._times
            await until(lambda: running.sidecar.keeping.window is not window)
            assert view.live().endpoints == ()
            assert view._times == {}

    run(story)


def test_routes_are_shown_as_they_stand_here(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _):
            sidecar = running.sidecar
            view = View(sidecar)
            await sidecar.sharing.change(change("set", ITEM, percent=25))
            await sidecar.sharing.change(change("set", "GET /other", percent=10))
            routes = {each.route: each for each in view.routes().routes}
            assert routes[ITEM].weight == 0.25
            assert not routes[ITEM].latched
            await sidecar.sharing.change(change("abort", "GET /other"))
            (other,) = [each for each in view.routes().routes if each.route == "GET /other"]
            assert (other.latched, other.weight, other.by) == (True, 0.0, "operator:ann")
            assert other.since is not None
            # Latched here, and not in the store yet:
            sidecar.routing._latched[ITEM] = 1
            (item,) = [each for each in view.routes().routes if each.route == ITEM]
            assert (item.latched, item.weight) == (True, 0.0)
            entries = await view.changes(2)
            assert [each.action for each in entries] == ["abort", "set"]

    run(story)


def families(sidecar: Sidecar, connections: int = 3) -> dict[str, dict[tuple[str, ...], float]]:
    """The metrics page, parsed: values by the values of their labels."""
    metrics = Metrics(sidecar.counters, View(sidecar).gauges(lambda: connections))
    pieces, _ = metrics.pieces("")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(b"".join(pieces).decode()):
        for sample in family.samples:
            values = found.setdefault(sample.name, {})
            values[tuple(sample.labels.values())] = sample.value
    return found


def test_the_metrics_page_of_a_real_sidecar(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _):
            sidecar = running.sidecar
            await sidecar.sharing.change(change("set", ITEM, percent=25))
            await sidecar.sharing.change(change("abort", "GET /other"))
            found = families(sidecar)
            for name, metric in METRICS.items():
                if name.startswith("shadow_") and not metric.labels:
                    assert name in found
            assert found["shadow_exchanges_total"] == {
                (name,): count for name, count in counted(sidecar).items()
            }
            assert found["shadow_skipped_total"][("write",)] == skipped(sidecar)["write"] == 1
            assert found["shadow_divergences_total"] == {(ITEM, "extra", "divergent"): 1}
            assert found["shadow_queue_capacity"] == {(): 1_024}
            assert found["shadow_queue_depth"] == {(): 0}
            assert found["shadow_client_connections"] == {(): 3}
            assert found["shadow_store_error"] == {(): 0}
            assert found["shadow_route_weight"][(ITEM,)] == 0.25
            assert found["shadow_route_latched"][("GET /other",)] == 1
            assert found["shadow_route_latched"][(ITEM,)] == 0
            evidence = found["shadow_guard_log_evalue"]["divergence", ITEM]
            assert evidence < found["shadow_guard_log_threshold"]["divergence", ITEM]
            assert found["shadow_request_duration_seconds_count"][("candidate",)] == 10

    run(story)


def test_a_store_that_fails_shows_and_one_that_is_back_does_not(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def story() -> None:
        async with trying(tmp_path) as (running, _):
            sidecar = running.sidecar
            await running.take_away(path)
            await until(lambda: sidecar.store_error)
            assert families(sidecar)["shadow_store_error"] == {(): 1}
            assert "is a directory" in View(sidecar).live().store.error
            await running.bring_back(path)
            await until(lambda: not sidecar.store_error)
            assert families(sidecar)["shadow_store_error"] == {(): 0}
            assert View(sidecar).live().store.error == ""

    run(story)


def ports_of(sidecar: Sidecar) -> Ports:
    place = ("127.0.0.1", 0)
    return Ports(place, status=place, admin=place if sidecar.plan.admin else None)


def test_the_small_ports_of_a_sidecar(tmp_path: Path) -> None:
    gates = {"canary": GatePlan(phase="canary", criteria=Criteria(max_divergence_rate=0.5))}
    admin = AdminPlan(address=("127.0.0.1", 0), token=TOKEN)

    async def story() -> None:
        async with trying(tmp_path, gates=gates, admin=admin) as (running, _):
            sidecar = running.sidecar
            with ports_of(sidecar) as ports:
                assert ports.status is not None
                assert ports.admin is not None
                status, admin_port = (each.getsockname()[1] for each in (ports.status, ports.admin))
                async with sidecar_ports(sidecar, ports, lambda: 1) as readiness:
                    readiness.start()
                    assert (await ask(status, "/-/readyz")).status == 200
                    page = await ask(status, "/metrics")
                    assert b"shadow_exchanges_total" in page.body
                    said = msgspec.json.decode((await ask(status, "/-/gate?phase=canary")).body)
                    assert said["run_id"] == sidecar.archive.run_id
                    assert (await admin_ask(admin_port, "/-/live.json")).status == 401
                    bearer = [f"Authorization: Bearer {TOKEN}"]
                    live = await admin_ask(admin_port, "/-/live.json", bearer)
                    assert msgspec.json.decode(live.body)["outcomes"]["divergent"] == 1

    run(story)


async def admin_ask(port: int, target: str, fields: Sequence[str] = ()) -> Got:
    head = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", *fields]
    return await send(port, "\r\n".join([*head, "", ""]).encode())


def test_the_gate_waits_for_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = Store.open, True

    def open_(where: Any, **given: Any) -> Store:
        if away:
            raise UnfinishedError("store x: cannot be reached", "")
        return real(where, **given)

    monkeypatch.setattr(Store, "open", open_)
    gates = {"canary": GatePlan(phase="canary", criteria=Criteria(max_divergence_rate=0.5))}

    async def story() -> None:
        nonlocal away
        async with trying(tmp_path, gates=gates) as (running, _):
            sidecar = running.sidecar
            with ports_of(sidecar) as ports:
                assert ports.status is not None
                status = ports.status.getsockname()[1]
                async with sidecar_ports(sidecar, ports, lambda: 1):
                    assert (await ask(status, "/-/gate?phase=canary")).status == 503
                    away = False
                    await until(lambda: sidecar.keeping.unwritten == 0)
                    assert (await ask(status, "/-/gate?phase=canary")).status == 200
                    assert (await ask(status, "/-/gate?phase=other")).status == 404

    run(story)
