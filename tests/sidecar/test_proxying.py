from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shadow.model import SideName
from shadow.results.routes import RouteChange
from shadow.results.store import Store
from shadow.sending.limits import Limits
from shadow.sending.target import parse_target
from shadow.sidecar.canary.guards import GuardPolicy, Rollback
from shadow.sidecar.mirroring.batches import Batches
from shadow.sidecar.mirroring.mirror import Copy, Mirror, MirrorOptions
from shadow.sidecar.plans import SessionKey
from shadow.sidecar.relay.forwarding import MARK
from shadow.sidecar.relay.passage import COPY_BYTES
from tests.sidecar.trial import (
    PATIENCE_S,
    Asked,
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


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a batch is done at once."""
    monkeypatch.setattr(Batches, "add", lambda batches, item: batches._work([item]))


class Trial:
    """Both services and the proxy before them."""

    def __init__(self, running: Running, go: Upstream, rust: Upstream) -> None:
        self.go, self.rust = go, rust
        self.running = running
        self.sidecar = running.sidecar
        self.port = running.port

    async def ask(self, *words: Any, **given: Any) -> tuple[int, bytes]:
        got = await ask(self.port, *words, **given)
        return got.status, got.body

    async def outcomes(self) -> dict[str, int]:
        """The exchanges by outcome, when all have one; those that are none are left out."""
        await self.running.settled()
        return {name: count for name, count in counted(self.sidecar).items() if count}

    async def reasons(self) -> dict[str, int]:
        await self.running.settled()
        return skipped(self.sidecar)


@asynccontextmanager
async def trying(folder: Path, **given: Any) -> AsyncIterator[Trial]:
    """A proxy; when it has ended, the store has what the metrics have."""
    async with upstream() as go, upstream() as rust:
        plan = plan_of(folder, go.target("baseline"), rust.target("candidate"), **given)
        async with proxied(plan) as running:
            trial = Trial(running, go, rust)
            yield trial
        sidecar = trial.sidecar
        assert sidecar.kept
        assert by_outcome(stored(folder / "store.sqlite")) == counted(sidecar)
        assert (sidecar.mirror.bytes, sidecar.mirror.depth) == (0, 0)


def set_to(folder: Path, percent: float, route: str = "*") -> None:
    """Let Rust serve a share from the beginning."""
    change = RouteChange(
        at=datetime.now(UTC), action="set", route=route, percent=percent, reason="r", by="ann"
    )
    with Store.open(folder / "store.sqlite") as store:
        store.change_route(change)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_the_client_gets_go_s_answer_and_rust_a_copy(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.go.replies = lambda _: reply('{"a":1}', 200, "X-From: go")
            trial.rust.replies = lambda _: reply('{"a":2}', 200, "X-From: go")
            assert await trial.ask("/v1/items/7?q=1") == (200, b'{"a":1}')
            assert await trial.outcomes() == {"divergent": 1}
            (ours,), (theirs,) = trial.go.asked, trial.rust.asked
            assert ours == theirs
            assert ours.target == "/v1/items/7?q=1"
            assert ours.values("host") == ["api.test"]
            assert ours.values("x-forwarded-for") == ["127.0.0.1"]
            assert ours.values(MARK.lower()) == [trial.sidecar.ident]

    run(story)


def test_the_client_does_not_wait_for_rust(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            gate = asyncio.Event()

            async def wait(_: Asked) -> bytes:
                await gate.wait()
                return reply()

            trial.rust.replies = wait
            assert (await trial.ask())[0] == 200
            await trial.rust.has(1)
            assert counted(trial.sidecar)["match"] == 0
            gate.set()
            assert await trial.outcomes() == {"match": 1}

    run(story)


def test_go_that_fails_is_the_client_s_answer_and_judged(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.go.replies = lambda _: b""
            status, body = await trial.ask()
            assert (status, body) == (502, b"shadow: the service gave no answer (reset)\n")
            assert await trial.outcomes() == {"divergent": 1}
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert requests["baseline", "5xx"] == 1
            failures = trial.sidecar.counters.tables["shadow_upstream_failures_total"]
            assert failures["baseline", "reset"] == 1

    run(story)


# Every way to be skipped


def test_writes_stay_on_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            assert (await trial.ask("/v1/items", "POST", body=b"{}"))[0] == 200
            assert await trial.reasons() == {"write": 1}
            assert trial.rust.asked == []
            assert (await trial.ask("/v1/quote", "POST", body=b"{}"))[0] == 200  # a read
            assert await trial.outcomes() == {"match": 1, "skipped": 1}
            assert trial.rust.asked[0].body == b"{}"

    run(story)


def test_writes_go_to_an_isolated_candidate_where_they_may(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, allow_writes=True) as trial:
            assert (await trial.ask("/v1/items", "POST", body=b"{}"))[0] == 200
            assert await trial.outcomes() == {"match": 1}
            assert (len(trial.go.asked), len(trial.rust.asked)) == (1, 1)

    run(story)


def test_a_write_that_rust_serves_is_nobody_else_s(tmp_path: Path) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.rust.replies = lambda _: reply("sorry", 500)
            assert (await trial.ask("/v1/items", "POST", body=b"{}"))[0] == 500
            assert await trial.reasons() == {"write": 1}
            assert trial.go.asked == []

    run(story)


def test_a_client_s_write_never_ends_in_an_isolated_candidate(tmp_path: Path) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path, allow_writes=True) as trial:
            trial.go.replies = lambda _: reply("kept", 200)
            trial.rust.replies = lambda _: reply("kept", 200)
            assert (await trial.ask("/v1/items", "POST", body=b"{}")) == (200, b"kept")
            assert await trial.outcomes() == {"match": 1}
            assert (len(trial.go.asked), len(trial.rust.asked)) == (1, 1)
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert requests["baseline", "2xx"] == 1

    run(story)


def test_what_rust_serves_is_verified_whatever_is_sampled(tmp_path: Path) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path, sample=0.0) as trial:
            for _ in range(3):
                assert (await trial.ask())[0] == 200
            assert (await trial.outcomes())["match"] == 3
            assert len(trial.go.asked) == 3

    run(story)


async def never() -> bytes:
    await asyncio.Event().wait()
    return b""


def test_an_answer_that_never_came_is_evidence_however_long_that_took(tmp_path: Path) -> None:
    async def story() -> None:
        limits = Limits(timeout_s=0.3)
        async with trying(tmp_path, limits=limits) as trial:
            trial.go.replies = lambda _: never()
            assert (await trial.ask())[0] == 504
            assert await trial.outcomes() == {"incomparable": 1}
            assert len(trial.rust.asked) == 1

    run(story)


def test_what_was_sampled_out_is_not_compared(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, sample=0.0) as trial:
            for _ in range(3):
                assert (await trial.ask())[0] == 200
            assert await trial.reasons() == {"sampled-out": 3}
            assert trial.rust.asked == []

    run(story)


def test_a_request_that_comes_round_again_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            ours = f"{MARK}: other, {trial.sidecar.ident}"
            assert (await trial.ask(fields=[ours]))[0] == 508
            assert trial.go.asked == []
            assert await trial.reasons() == {"loop": 1}
            refused = trial.sidecar.counters.tables["shadow_client_refused_total"]
            assert refused[("loop",)] == 1

    run(story)


def test_a_target_that_leads_back_here_ends_in_a_loop_that_is_cut(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:

            async def back(asked: Asked) -> bytes:
                fields = [f"{name}: {value}" for name, value in asked.headers if name == MARK]
                got = await ask(trial.port, fields=fields)
                return reply(got.body, got.status)

            trial.go.replies = back
            assert (await trial.ask())[0] == 508
            await trial.running.settled()
            assert skipped(trial.sidecar)["loop"] == 1

    run(story)


def test_what_another_sidecar_mirrors_is_passed_on_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            assert (await trial.ask(fields=[f"{MARK}: other"]))[0] == 200
            assert trial.go.asked[0].values(MARK.lower()) == [f"other, {trial.sidecar.ident}"]
            assert await trial.reasons() == {"loop": 1}
            assert trial.rust.asked == []

    run(story)


def test_another_protocol_is_passed_to_go_and_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.go.replies = lambda _: reply("no", 400, "Connection: close")
            fields = ["Connection: Upgrade", "Upgrade: websocket"]
            assert (await trial.ask(fields=fields))[0] == 400
            assert await trial.reasons() == {"upgrade": 1}
            upgrades = trial.sidecar.counters.tables["shadow_upgrades_total"]
            assert upgrades[("passed",)] == 1

    run(story)


def test_what_is_longer_than_its_copy_is_not_compared(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            long = b"x" * (COPY_BYTES + 1)
            assert (await trial.ask("/v1/quote", "POST", body=long))[0] == 200
            assert trial.go.asked[0].body == long
            trial.go.replies = lambda _: reply(long)
            assert await trial.ask() == (200, long)
            assert await trial.reasons() == {"truncated": 2}
            assert trial.rust.asked == []

    run(story)


def test_a_body_that_came_in_parts_is_copied_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            body = b"y" * (COPY_BYTES // 2)
            assert (await trial.ask("/v1/quote", "POST", body=body))[0] == 200
            assert await trial.outcomes() == {"match": 1}
            assert trial.rust.asked[0].body == body
            assert trial.rust.asked[0].values("content-length") == [str(len(body))]

    run(story)


def test_a_form_that_came_in_parts_and_is_a_write_is_not_copied(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            body = b"y" * (COPY_BYTES // 2) + b"&_method=DELETE"
            form = ["Content-Type: application/x-www-form-urlencoded"]
            assert (await trial.ask("/v1/quote", "POST", form, body))[0] == 200
            assert await trial.reasons() == {"write": 1}
            assert trial.rust.asked == []

    run(story)


def test_an_answer_that_took_long_is_not_asked_for_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, limits=Limits(timeout_s=0.2)) as trial:

            async def slowly(_: Asked) -> bytes:
                await asyncio.sleep(0.11)
                return reply()

            trial.go.replies = slowly
            assert (await trial.ask())[0] == 200
            assert await trial.reasons() == {"long-answer": 1}

    run(story)


def test_a_client_that_goes_in_the_middle_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            _, writer = await asyncio.open_connection("127.0.0.1", trial.port)
            writer.write(b"POST /v1/quote HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
            writer.write(b"x" * 400_000)
            await writer.drain()
            writer.transport.abort()
            async with asyncio.timeout(PATIENCE_S):
                while not counted(trial.sidecar)["skipped"]:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.002)
            assert await trial.reasons() == {"client-gone": 1}
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert requests["baseline", "none"] == 1

    run(story)


def test_a_request_that_cannot_be_passed_on_is_answered_here(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            assert (await trial.ask("*"))[0] == 501
            assert await trial.reasons() == {"unsupported": 1}
            assert trial.go.asked == []

    run(story)


def test_what_the_queue_cannot_take_is_shed(tmp_path: Path) -> None:
    async def story() -> None:
        options = MirrorOptions(queue=1, in_flight=1)
        async with trying(tmp_path, mirror=options) as trial:
            gate = asyncio.Event()

            async def wait(_: Asked) -> bytes:
                await gate.wait()
                return reply()

            trial.rust.replies = wait
            for _ in range(5):
                assert (await trial.ask())[0] == 200
            assert skipped(trial.sidecar) == {"shed": 3}
            gate.set()
            assert await trial.outcomes() == {"match": 2, "skipped": 3}

    run(story)


def test_what_is_on_its_way_at_the_end_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shadow.sidecar.sidecar.SETTLE_S", 0.01)

    async def story() -> None:
        async with trying(tmp_path) as trial:

            async def never(_: Asked) -> bytes:
                await asyncio.Event().wait()
                return b""

            trial.rust.replies = never
            assert (await trial.ask())[0] == 200
            trial.go.replies = never
            asking = asyncio.ensure_future(trial.ask())
            await trial.go.has(2)
        with pytest.raises(ConnectionResetError):
            await asking
        assert skipped(trial.sidecar) == {"client-gone": 1, "stopped": 1}

    run(story)


def test_a_bug_behind_an_answer_is_told_and_the_others_are_seen_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with trying(tmp_path) as trial:
            offer = Mirror.offer

            def fail(mirror: Mirror, copy: Copy, sides: tuple[SideName, ...]) -> None:
                if copy.exchange.request.target == "/2":
                    raise RuntimeError("s3cr3t")
                offer(mirror, copy, sides)

            monkeypatch.setattr(Mirror, "offer", fail)
            await asyncio.gather(*(trial.ask(f"/{number}") for number in range(4)))
            assert await trial.outcomes() == {"match": 3}
            (told,) = [line for line in trial.running.told if "a bug in shadow" in line]
            assert "s3cr3t" not in told

    run(story)


# Served by Rust


def test_rust_serves_its_share_and_go_checks_it(tmp_path: Path) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.rust.replies = lambda _: reply('{"from":"rust"}')
            assert await trial.ask() == (200, b'{"from":"rust"}')
            assert await trial.outcomes() == {"divergent": 1}
            assert len(trial.go.asked) == 1
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert requests["candidate", "2xx"] == 1

    run(story)


@pytest.mark.parametrize("in_parts", [False, True])
def test_an_answer_of_rust_that_took_long_is_evidence(tmp_path: Path, in_parts: bool) -> None:
    """Else the slower Rust is, the less its guard would see of it."""
    set_to(tmp_path, 100)

    async def story() -> None:
        guards, limits = GuardPolicy(latency_objective_ms=50), Limits(timeout_s=0.4)
        async with trying(tmp_path, guards=guards, limits=limits) as trial:

            async def slowly(_: Asked) -> bytes:
                await asyncio.sleep(0.25)
                return reply()

            trial.rust.replies = slowly
            trial.rust.streams = 0.01 if in_parts else 0
            assert (await trial.ask())[0] == 200
            assert await trial.outcomes() == {"match": 1}
            assert len(trial.go.asked) == 1
            (latency,) = [
                each
                for each in trial.sidecar.routing.standings()
                if (each.route, each.guard) == (ITEM, "latency")
            ]
            assert (latency.n, latency.x) == (1, 1)

    run(story)


def test_a_stream_of_rust_that_took_long_is_not_asked_for_again(tmp_path: Path) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path, limits=Limits(timeout_s=0.2)) as trial:
            trial.rust.streams = 0.15
            assert (await trial.ask()) == (200, b"{}")
            assert await trial.reasons() == {"long-answer": 1}
            assert trial.go.asked == []

    run(story)


@pytest.mark.parametrize("sample", [1.0, 0.0])
def test_where_rust_fails_go_answers_and_that_is_evidence(tmp_path: Path, sample: float) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path, sample=sample) as trial:
            trial.rust.replies = lambda _: reply("sorry", 500)
            trial.go.replies = lambda _: reply('{"from":"go"}')
            assert await trial.ask() == (200, b'{"from":"go"}')
            assert await trial.outcomes() == {"divergent": 1}
            assert (len(trial.go.asked), len(trial.rust.asked)) == (1, 1)
            fallbacks = trial.sidecar.counters.tables["shadow_fallbacks_total"]
            assert fallbacks[(ITEM,)] == 1
            (errors,) = [
                each
                for each in trial.sidecar.routing.standings()
                if (each.route, each.guard) == (ITEM, "errors")
            ]
            assert (errors.n, errors.x) == (1, 1)

    run(story)


def test_a_fallback_whose_answer_is_too_long_to_compare_is_evidence_too(tmp_path: Path) -> None:
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.rust.replies = lambda _: b""
            trial.go.replies = lambda _: reply("x" * (COPY_BYTES + 1))
            assert (await trial.ask())[0] == 200
            assert await trial.reasons() == {"truncated": 1}
            errors = [each for each in trial.sidecar.routing.standings() if each.guard == "errors"]
            assert {(each.route, each.x) for each in errors} == {(ITEM, 1), ("*", 1)}

    run(story)


def test_a_copy_that_finds_nobody_listening_is_no_evidence(tmp_path: Path) -> None:
    """Rust is restarted while Go serves: no client is hurt by it."""

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        nobody = parse_target(
            f"http://127.0.0.1:{port}", side="candidate", name="rust", option="--rust"
        )
        async with (
            upstream() as go,
            proxied(plan_of(tmp_path, go.target("baseline"), nobody)) as running,
        ):
            trial = Trial(running, go, go)
            for _ in range(30):
                assert (await trial.ask())[0] == 200
            assert await trial.outcomes() == {"divergent": 30}
            assert not trial.sidecar.routing.latched
            assert all(each.n == 0 for each in trial.sidecar.routing.standings())

    run(story)


def test_go_answers_the_last_requests_of_a_route_that_was_latched(tmp_path: Path) -> None:
    """They are those that Rust was asked before: the budget is for those that keep coming."""
    set_to(tmp_path, 100)

    async def story() -> None:
        async with trying(tmp_path) as trial:
            trial.rust.replies = lambda _: reply("sorry", 500)
            routing = trial.sidecar.routing
            while routing.may_retry(time.monotonic()):
                pass
            assert (await trial.ask())[0] == 500
            gate = asyncio.Event()

            async def late() -> bytes:
                await gate.wait()
                return reply("sorry", 500)

            trial.rust.replies = lambda _: late()
            asked = asyncio.ensure_future(trial.ask())
            await trial.rust.has(2)
            routing.latch(Rollback(route="*", guard="errors", reason="r", evidence={}))
            gate.set()
            assert (await asked)[0] == 200

    run(story)


def test_a_session_stays_on_its_side(tmp_path: Path) -> None:
    set_to(tmp_path, 50)

    async def story() -> None:
        key = SessionKey(where="cookie", name="sid")
        guards = GuardPolicy(max_divergence_rate=0.999)  # everything diverges
        async with trying(tmp_path, session=key, guards=guards) as trial:
            trial.go.replies = lambda _: reply('{"from":"go"}')
            trial.rust.replies = lambda _: reply('{"from":"rust"}')
            sides: dict[int, set[bytes]] = {}
            for turn in range(40):
                session = turn % 10
                fields = [f"Cookie: theme=dark; sid=u{session}"]
                _, body = await trial.ask(f"/v1/items/{turn}", fields=fields)
                sides.setdefault(session, set()).add(body)
            assert all(len(each) == 1 for each in sides.values())
            assert len(set.union(*sides.values())) == 2
            await trial.running.settled()
        sessions = {each.get("session") for each in events(tmp_path)}
        assert len(sessions - {None}) == 10
        assert not any("u1" in (each or "") for each in sessions)

    run(story)


def write_flags(path: Path, **flags: Any) -> None:
    """Put a file of flags there, as an editor does."""
    found = {
        name.replace("_", "-"): {
            "state": "ENABLED",
            "variants": {"v": value},
            "defaultVariant": "v",
        }
        for name, value in flags.items()
    }
    path.with_suffix(".new").write_text(json.dumps({"flags": found}))
    path.with_suffix(".new").rename(path)


def test_flags_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"

    async def story() -> None:
        write_flags(path, rust_enabled=True, rust_percent=100)
        async with trying(tmp_path, flags=str(path)) as trial:
            flags = trial.sidecar.flags
            assert flags is not None
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert (await trial.ask())[0] == 200
            assert requests["candidate", "2xx"] == 1
            write_flags(path, rust_enabled=False, rust_percent=100)
            flags.poll()
            assert (await trial.ask())[0] == 200
            await trial.running.settled()
            assert (requests["candidate", "2xx"], requests["baseline", "2xx"]) == (1, 1)
            write_flags(path, rust_enabled=True, rust_percent=0, shadow_sample=0)
            flags.poll()
            assert (await trial.ask())[0] == 200
            await trial.running.settled()
            assert (requests["candidate", "2xx"], requests["baseline", "2xx"]) == (1, 2)
            assert await trial.reasons() == {"sampled-out": 1}
            assert len(trial.rust.asked) == 2

    run(story)


def test_no_flags_are_go(tmp_path: Path) -> None:
    async def story() -> None:
        async with trying(tmp_path, flags=str(tmp_path / "missing.json")) as trial:
            assert (await trial.ask())[0] == 200
            assert await trial.outcomes() == {"match": 1}
            requests = trial.sidecar.counters.tables["shadow_requests_total"]
            assert requests["baseline", "2xx"] == 1
            assert "missing.json" in "".join(trial.running.told)

    run(story)
