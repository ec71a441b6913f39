"""Traffic moves to Rust and back by flags, while it flows; what Rust fails at, Go answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from tests.e2e.sidecar.load import Asked, Load, at_once, failures, request
from tests.e2e.sidecar.running import Service, Shadow, Sidecar, eventually, figure
from tests.e2e.sidecar.soak import SOAKS
from tests.e2e.sidecar.traffic import ITEM, ITEMS, config, flag

pytestmark = pytest.mark.e2e

FLIPS, RATE = (100, 1_000) if SOAKS else (30, 300)
SESSIONS = 300
WRITE = request("/v1/items/itm-00001", method="PATCH", body="{}")
"""Both services refuse it: it has no token."""


def words(shadow: Shadow, go: Service, rust: Service, *tables: str) -> list[object]:
    """How a canary is started."""
    flags = shadow.folder / "flags.json"
    flag(flags)
    services = ["--go", go.url, "--rust", rust.url, "--config", config(shadow.folder, *tables)]
    return [*services, "--flags", flags, "--session", "cookie:sid"]


def sides(asked: list[Asked]) -> Counter[str]:
    return Counter(each.side for each in asked)


def served_by(side: str, since: float) -> Callable[[Asked], bool]:
    return lambda each: each.side == side and each.began > since


def lateness(asked: list[Asked], flips: list[tuple[float, str]]) -> list[float]:
    """How long after each flip the last request began that was still served by the other side."""
    ends = [at for at, _ in flips[1:]] + [float("inf")]
    return [
        max(
            [each.began - at for each in asked if at < each.began < end and each.side != side]
            or [0]
        )
        for (at, side), end in zip(flips, ends, strict=True)
    ]


@pytest.mark.slow
def test_flips_under_load_drop_nothing_and_take_effect_within_a_second(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    flags = shadow.folder / "flags.json"
    flips: list[tuple[float, str]] = []
    with (
        shadow.sidecar("proxy", *words(shadow, go, rust)) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        assert sides(load.from_now(100)) == {"go": 100}
        for number in range(FLIPS):
            percent, side = (0, "go") if number % 2 else (100, "rust")
            flag(flags, percent=percent)
            at = time.monotonic()
            flips.append((at, side))
            load.until(served_by(side, at))
        load.answers(100)
        load.end()
        assert not failures(load.all)
        late = lateness(load.all, flips)
        rate = len(load.all) / (load.all[-1].began - load.all[0].began)
        figure(
            f"{FLIPS} flips at {rate:.0f} requests/s: "
            f"the last wrong request began {1000 * max(late):.0f} ms after one"
        )
        assert max(late) < 1
        assert min(late) < 0.3
        assert proxy.metrics().of("shadow_flags_generation") == FLIPS + 1
        assert proxy.latched() == set()


def test_the_kill_switch_and_a_broken_file(shadow: Shadow, go: Service, rust: Service) -> None:
    flags = shadow.folder / "flags.json"
    with (
        shadow.sidecar("proxy", *words(shadow, go, rust)) as proxy,
        Load(proxy.port, ITEMS, rate=RATE) as load,
    ):
        flag(flags, percent=100)
        load.until(lambda each: each.side == "rust", within=1)
        flags.write_text('{"flags": {"rust-enabled": ', "utf-8")
        proxy.command.said("the flags from before hold")
        assert proxy.metrics().of("shadow_flags_error") == 1
        assert sides(load.from_now(50)) == {"rust": 50}
        flag(flags, percent=100, enabled=False)
        load.until(lambda each: each.side == "go", within=1)
        assert sides(load.from_now(100)) == {"go": 100}
        assert proxy.metrics().of("shadow_flags_error") == 0
        compared = proxy.accounted()
        eventually(lambda: proxy.accounted() > compared)  # copies go on
        load.end()
        assert not failures(load.all)


def test_a_session_stays_on_its_side_and_a_higher_share_only_adds_to_rust(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    flags = shadow.folder / "flags.json"
    asked = [
        request("/v1/items/itm-00001", f"Cookie: theme=dark; sid=s-{number}")
        for number in range(SESSIONS)
    ]
    before: set[bytes] = set()
    with shadow.sidecar("proxy", *words(shadow, go, rust)) as proxy:
        for percent in (0, 30, 60, 100):
            flag(flags, percent=percent)
            weight = percent / 100
            eventually(partial(has_weight, proxy, weight))
            answers = at_once(proxy.port, asked, clients=25, each=2 * SESSIONS // 25)
            assert not failures(answers)
            assert sticky(answers)
            on_rust = {each.message for each in answers if each.side == "rust"}
            assert before <= on_rust
            assert abs(len(on_rust) - weight * SESSIONS) <= 4 * spread(weight)
            before = on_rust
        assert len(on_rust) == SESSIONS


def has_weight(proxy: Sidecar, weight: float) -> bool:
    return proxy.metrics().of("shadow_route_weight", route="*") == weight


def sticky(asked: list[Asked]) -> bool:
    """Whether no session was served by both sides."""
    pairs = {(each.message, each.side) for each in asked}
    return len(pairs) == len({message for message, _ in pairs})


def spread(share: float) -> float:
    """The standard deviation of how many of the sessions are chosen."""
    return float((share * (1 - share) * SESSIONS) ** 0.5)


def test_what_a_dead_rust_was_to_serve_go_serves_and_the_route_stays_on_go(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    flags = shadow.folder / "flags.json"
    arguments = words(shadow, go, rust)
    with shadow.sidecar("proxy", *arguments) as proxy, Load(proxy.port, ITEMS, rate=RATE) as load:
        flag(flags, percent=50)
        load.until(lambda each: each.side == "rust", within=1)
        both = sides(load.from_now(200))
        assert min(both["go"], both["rust"]) > 50
        with load.paused():
            rust.kill()
            writes = at_once(proxy.port, [WRITE], clients=10, each=2)
            assert {each.status for each in writes} == {401, 502}  # Rust's writes fail
        answers = load.from_now(300)
        assert not failures(answers)
        assert sides(answers) == {"go": 300}
        told = proxy.command.said("rollback: * is served by Go: the candidate failed alone in ")
        figure(f"without Rust: {told.string}")
        metrics = proxy.metrics()
        fallbacks = metrics.of("shadow_fallbacks_total", route=ITEM)
        assert 1 <= fallbacks < 50
        assert metrics.of("shadow_rollbacks_total", route="*", guard="errors") == 1
        assert metrics.of("shadow_upstream_failures_total", side="candidate", kind="connect") > 10
        assert metrics.of("shadow_requests_total", side="candidate", code="5xx") > 0  # writes
        rust.start()
        flag(flags, percent=100)
        generation = metrics.of("shadow_flags_generation")
        eventually(lambda: proxy.metrics().of("shadow_flags_generation") > generation)
        assert sides(load.from_now(200)) == {"go": 200}
        routes = proxy.latched()
        assert {"*"} <= routes <= {"*", ITEM}  # a single route takes more evidence
        load.end()
        assert not failures(load.all)
        proxy.command.kill()

    with shadow.sidecar("proxy", *arguments) as proxy, Load(proxy.port, ITEMS, rate=RATE) as load:
        assert sides(load.from_now(100)) == {"go": 100}
        assert proxy.latched() == routes
        standing = shadow("route", "status", "--json").json
        latched = {each["route"]: each for each in standing["routes"] if each["latched"]}
        assert latched.keys() == routes
        assert latched["*"]["by"] == "guard:errors"
        without_reason = shadow("route", "reset", "*")
        assert without_reason.code == 2
        for route in routes:
            assert shadow("route", "reset", route, "--reason", "it is back").code == 0
        reset = time.monotonic()
        first = load.until(lambda each: each.side == "rust")
        assert first.began < reset + 1
        assert sides(load.from_now(100)) == {"rust": 100}
        load.end()
        assert not failures(load.all)
    ledger = shadow("route", "status", "--json").json["changes"]
    assert Counter(each["action"] for each in ledger) == {
        "rollback": len(routes),
        "reset": len(routes),
    }


def test_what_a_stuck_rust_was_to_serve_go_serves_within_the_timeout(
    shadow: Shadow, go: Service, rust: Service
) -> None:
    flag_file = shadow.folder / "flags.json"
    arguments = [*words(shadow, go, rust), "--timeout", "1s"]
    with shadow.sidecar("proxy", *arguments) as proxy, Load(proxy.port, ITEMS, rate=100) as load:
        flag(flag_file, percent=50)
        load.until(served_by("rust", 0), within=1)
        with rust.stuck():
            proxy.command.said("rollback: * is served by Go: the candidate failed alone in ")
            assert sides(load.from_now(50)) == {"go": 50}
            load.end()
        assert not failures(load.all)
        assert max(each.took for each in load.all) < 2
        assert proxy.metrics().of("shadow_fallbacks_total", route=ITEM) > 10
