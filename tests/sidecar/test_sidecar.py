from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from shadow.errors import ShadowError, UnfinishedError
from shadow.metrics.counters import MAX_ENDPOINTS
from shadow.results.lock import is_held
from shadow.results.routes import RouteChange
from shadow.results.store import Store
from shadow.sending.webhook import Webhook, sign
from shadow.sidecar.canary.flags import SAFE
from shadow.sidecar.canary.guards import GuardPolicy, Rollback
from shadow.sidecar.mirroring import keeping as keeping_module
from shadow.sidecar.mirroring.window import Room
from shadow.sidecar.sidecar import ANSWER_BYTES, Sidecar
from tests.receiver import receiving
from tests.sidecar.trial import (
    PATIENCE_S,
    Running,
    Upstream,
    ask,
    by_outcome,
    counted,
    events,
    plan_of,
    proxied,
    reply,
    skipped,
    stored,
    upstream,
)

ITEM = "GET /v1/items/{id}"
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((resources.files("shadow") / "schemas" / "event.schema.json").read_text())
)
LENIENT = GuardPolicy(max_divergence_rate=0.999)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping_module, "FLUSH_S", 0.005)
    monkeypatch.setattr(keeping_module, "CHECK_S", 0.02)


@asynccontextmanager
async def trying(folder: Path, **given: Any) -> AsyncIterator[tuple[Running, Upstream, Upstream]]:
    async with upstream() as go, upstream() as rust:
        plan = plan_of(folder, go.target("baseline"), rust.target("candidate"), **given)
        async with proxied(plan) as running:
            yield running, go, rust


async def until(wanted: Callable[[], Any]) -> Any:
    """Wait until something of another thread is true."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := wanted()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.002)
    return found


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def dead(side: Any) -> Any:
    from shadow.sending.target import parse_target  # noqa: PLC0415 - for those without services

    return parse_target("http://127.0.0.1:9", side=side, name=side, option="--x")


# Windows and the store


def test_counts_agree_over_windows_and_breakdowns(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def story() -> None:
        async with trying(tmp_path, room=Room(window_s=0.05)) as (running, _, rust):
            sidecar = running.sidecar
            rust.replies = lambda asked: reply(asked.target if "9" in asked.target else "{}")
            for turn in range(60):
                assert (await ask(running.port, f"/v1/items/{turn}")).status == 200
                assert (await ask(running.port, "/v1/items", "POST")).status == 200
                if turn == 20:
                    await running.take_away(path)
                    await until(lambda: sidecar.store_error)
                if turn == 40:
                    await running.bring_back(path)
                    await until(lambda: not sidecar.store_error)
            await running.settled()
        found = counted(sidecar)
        assert sum(found.values()) == 120
        assert found["divergent"] == 6
        assert skipped(sidecar) == {"write": 60}
        assert by_outcome(stored(path)) == found
        assert sidecar.exit_code == 0
        with Store.open(path) as store:
            infos = store.runs()
        assert len(infos) >= 2
        assert {each.state for each in infos} == {"finished"}
        assert len([line for line in running.told if "traffic goes on" in line]) <= 2

    run(story)


def test_an_endpoint_of_the_config_is_told_apart_in_the_metrics(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _, rust):
            counters = running.sidecar.counters
            for number in range(MAX_ENDPOINTS):  # what a scanner asks for
                counters.diverged(f"GET /{number}.php", "extra", "divergent")
            rust.replies = lambda _: reply('{"other":1}')
            await ask(running.port, "/v1/items/7")
            await running.settled()
            told = counters.tables["shadow_divergences_total"]
            assert ITEM in {endpoint for endpoint, *_ in told}

    run(story)


def test_a_running_window_is_read_as_one_that_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _, _):
            await ask(running.port)
            run_id = await until(lambda: running.sidecar.archive.run_id)
            await until(lambda: running.sidecar.keeping.unwritten == 0)
            assert is_held(tmp_path / "store.sqlite", run_id)
            with Store.open(tmp_path / "store.sqlite") as store:
                loaded = store.load()
            assert (loaded.info.state, loaded.tally.read) == ("running", 1)

    run(story)


def test_a_store_that_is_away_at_first_is_served_by_go_until_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.sqlite"
    with Store.open(path) as store:
        change = RouteChange(
            at=datetime.now(UTC), action="set", route="*", percent=100, reason="r", by="ann"
        )
        store.change_route(change)
    real = Store.open
    away = True

    def open_(where: Any, **given: Any) -> Store:
        if away:
            raise UnfinishedError("store x: cannot be reached", "")
        return real(where, **given)

    monkeypatch.setattr(Store, "open", open_)

    async def story() -> None:
        nonlocal away
        async with trying(tmp_path, guards=LENIENT) as (running, go, rust):
            sidecar = running.sidecar
            assert (
                running.told[0] == "store x: cannot be reached; serving Go until it can be reached"
            )
            assert sidecar.flags_of(ITEM) == SAFE
            assert sidecar.store_error == "store x: cannot be reached"
            go.replies = lambda _: reply('{"from":"go"}')
            rust.replies = lambda _: reply('{"from":"rust"}')
            for _ in range(3):
                assert (await ask(running.port)).body == b'{"from":"go"}'
            await running.settled()
            away = False
            await until(lambda: sidecar.sharing.known)
            await until(lambda: not sidecar.store_error)
            assert (await ask(running.port)).body == b'{"from":"rust"}'
        away = False
        assert by_outcome(stored(path)) == counted(sidecar)
        assert counted(sidecar)["divergent"] == 4

    run(story)


def test_a_store_that_never_comes_is_told_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_(*_: Any, **__: Any) -> Store:
        raise UnfinishedError("store x: cannot be reached", "")

    monkeypatch.setattr(Store, "open", open_)

    async def story() -> None:
        async with trying(tmp_path) as (running, _, _):
            await ask(running.port)
            await ask(running.port, "/v1/items", "POST")
            await running.settled()
        assert running.sidecar.exit_code == 4
        assert running.told[-1] == "store x: cannot be reached: 2 exchanges are not in the store"

    run(story)


def test_a_store_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("no store " * 100)

    async def story() -> None:
        with pytest.raises(ShadowError, match="no SQLite database"):
            async with Sidecar(plan_of(tmp_path, dead("baseline"), dead("candidate")), print):
                pass

    run(story)


def test_an_event_log_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.mkdir()

    async def story() -> None:
        async with trying(tmp_path, events=str(log), guards=LENIENT) as (running, _, rust):
            lost = running.sidecar.counters.tables["shadow_events_lost_total"]
            rust.replies = lambda _: reply('{"a":1}')
            await ask(running.port)
            await running.settled()
            await until(lambda: lost[()] == 2)  # the run's beginning too
            log.rmdir()
            await ask(running.port)
            await running.settled()
        assert counted(running.sidecar)["divergent"] == 2
        assert by_outcome(stored(tmp_path / "store.sqlite")) == counted(running.sidecar)
        told = [line for line in running.told if "cannot write events" in line]
        assert len(told) == 1

    run(story)
    names = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert names.count("shadow.divergence") == 1
    assert names[-1] == "shadow.run.finished"


# Guards


def test_a_rollback_is_told_to_everybody_once(tmp_path: Path) -> None:
    async def story(webhook: Webhook) -> Running:
        async with trying(tmp_path, webhook=webhook, version="7") as (running, _, rust):
            sidecar = running.sidecar
            rust.replies = lambda _: reply('{"a":1}')
            for _ in range(20):
                await ask(running.port)
            await running.settled()
            await until(lambda: "*" in sidecar.routing.latched)
            await until(lambda: not sidecar.routing.pending)
            for _ in range(20):
                await ask(running.port)
            await running.settled()
            await asyncio.sleep(0.3)  # more than a round of sharing
            await until(lambda: len(hooks.messages) == len(sidecar.routing.latched))
        return running

    with receiving() as hooks:
        running = asyncio.run(story(Webhook(url=hooks.url, secret="s3cr3t")))
    with Store.open(tmp_path / "store.sqlite") as store:
        routes = sorted(each.route for each in store.route_changes())
    assert "*" in routes
    assert len(routes) == len(set(routes))
    said = []
    for message in hooks.messages:
        stamp = int(message.headers["shadow-timestamp"])
        assert message.headers["shadow-signature"] == sign("s3cr3t", stamp, message.body)
        said.append(json.loads(message.body))
        assert (said[-1]["event"], said[-1]["version"]) == ("shadow.rollback", "7")
    assert sorted(each["route"] for each in said) == routes
    found = events(tmp_path)
    for each in found:
        SCHEMA.validate(each)
    rollbacks = [each for each in found if each["event"] == "shadow.rollback"]
    assert sorted(each["route"] for each in rollbacks) == routes
    assert all(each["guard"] == "divergence" for each in rollbacks)
    assert all(each["evidence"]["x"] >= 1 for each in rollbacks)
    changed = [each for each in found if each["event"] == "shadow.route.changed"]
    assert sorted(each["route"] for each in changed) == routes
    counters = running.sidecar.counters.tables["shadow_rollbacks_total"]
    assert counters == {(route, "divergence"): 1 for route in routes}
    told = [line for line in running.told if line.startswith("rollback: ")]
    assert len(told) == len(routes)
    assert "s3cr3t" not in "".join(running.told)


def test_a_webhook_that_does_not_answer_holds_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rollbacks there are to tell it: judging and the admin port need threads too."""
    gate, called = threading.Event(), threading.Event()

    def stuck(*_: object) -> None:
        called.set()
        assert gate.wait(PATIENCE_S)

    monkeypatch.setattr("shadow.sidecar.sidecar.notify", stuck)

    async def story() -> None:
        webhook = Webhook(url="http://hooks.test/", secret="x" * 16)
        async with trying(tmp_path, webhook=webhook) as (running, _, _rust):
            for number in range(100):
                rollback = Rollback(
                    route=f"GET /r{number}", guard="divergence", reason="r", evidence={}
                )
                running.sidecar._rolled_back(rollback)
            try:
                await until(called.is_set)
                async with asyncio.timeout(PATIENCE_S / 2):
                    assert await asyncio.to_thread(lambda: 7) == 7
            finally:
                gate.set()

    run(story)


def test_a_rollback_found_at_the_very_end_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shadow.sidecar.sidecar.CHECK_S", 60)
    monkeypatch.setattr("shadow.sidecar.canary.sharing.SYNC_S", 60)

    async def story() -> None:
        async with trying(tmp_path) as (running, _, rust):
            rust.replies = lambda _: reply('{"a":1}')
            sharing = running.sidecar.sharing
            begun = sharing.synced
            await until(lambda: sharing.synced > begun)  # and not again
            for _ in range(20):
                await ask(running.port)
            await running.settled()
            assert running.sidecar.routing.latched == frozenset()  # not weighed yet
        with Store.open(tmp_path / "store.sqlite") as store:
            states = store.route_states()
        assert (states[ITEM].latched, states["*"].latched) == (True, True)
        names = [each["event"] for each in events(tmp_path)]
        assert names.count("shadow.rollback") == 2
        assert names[-1] == "shadow.run.finished"

    run(story)


def test_a_latch_survives_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _, rust):
            rust.replies = lambda _: reply('{"a":1}')
            for _ in range(20):
                await ask(running.port)
            await running.settled()
        latched = running.sidecar.routing.latched
        assert "*" in latched
        async with trying(tmp_path) as (running, _, _):
            assert running.sidecar.routing.latched == latched
            await ask(running.port)
            await running.settled()
        rollbacks = [each for each in events(tmp_path) if each["event"] == "shadow.rollback"]
        assert len(rollbacks) == len(latched)  # of the first

    run(story)


def test_an_operator_s_change_is_an_event_and_begins_a_window(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _, _):
            change = RouteChange(
                at=datetime.now(UTC), action="abort", route="*", reason="r", by="operator:ann"
            )
            with Store.open(tmp_path / "store.sqlite") as store:
                store.change_route(change)
            await until(lambda: running.sidecar.routing.latched)
        names = [each["event"] for each in events(tmp_path)]
        assert names == ["shadow.run.started", "shadow.route.changed", "shadow.run.finished"]

    run(story)


# The rest


def test_sessions_cannot_be_read_and_tell_clients_apart(tmp_path: Path) -> None:
    async def story() -> None:
        plan = plan_of(tmp_path, dead("baseline"), dead("candidate"))
        async with Sidecar(plan, print) as sidecar:
            from tests.sidecar.trial import exchange  # noqa: PLC0415 - the name is taken

            request = exchange().request
            made = [sidecar.exchange(request, each) for each in ("u1", "u2", "u1", "", "\udc80")]
            assert len({each.id for each in made}) == 5
            names = [each.session for each in made]
            assert names[0] == names[2] != names[1]
            assert names[3] is None
            assert not any("u1" in (each or "") for each in names)

    run(story)


def test_the_smaller_sample_counts(tmp_path: Path) -> None:
    async def story(sample: float) -> bool:
        plan = plan_of(tmp_path, dead("baseline"), dead("candidate"), sample=sample)
        async with Sidecar(plan, print) as sidecar:
            return sidecar.choose(ITEM, "", "token", safe=True).mirror

    assert asyncio.run(story(1.0))
    assert not asyncio.run(story(0.0))


def test_answers_of_copies_are_kept_to_a_bound(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _, rust):
            for size in (ANSWER_BYTES, ANSWER_BYTES + 1):
                body = b"x" * size
                rust.replies = lambda _, body=body: reply(body)  # type: ignore[misc]  # of this turn
                await ask(running.port)
                await running.settled()
        found = counted(running.sidecar)
        assert (found["divergent"], found["incomparable"]) == (1, 1)

    run(story)


def test_noise_is_learned_from_a_second_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with upstream() as go, upstream() as rust, upstream() as second:
            go.replies = lambda _: reply('{"at":"2026-11-26T10:00:00Z"}')
            rust.replies = lambda _: reply('{"at":"2026-11-26T10:00:01Z"}')
            second.replies = lambda _: reply('{"at":"2026-11-26T10:00:02Z"}')
            plan = plan_of(
                tmp_path,
                go.target("baseline"),
                rust.target("candidate"),
                secondary=second.target("baseline"),
            )
            async with proxied(plan) as running:
                for _ in range(3):
                    await ask(running.port)
                await running.settled()
            assert counted(running.sidecar)["equivalent"] == 3
            assert len(second.asked) == 3

    run(story)


def test_a_bug_behind_the_live_path_is_told_and_goes_by(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as (running, _, _):

            async def fail() -> None:
                raise RuntimeError("s3cr3t")

            running.sidecar.spawn(fail())
            await until(lambda: any("a bug in shadow" in line for line in running.told))
            assert "s3cr3t" not in "".join(running.told)
            assert (await ask(running.port)).status == 200

    run(story)
