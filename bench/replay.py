"""Exchanges a second, beside the plain program, wrk and GoReplay, on the same core."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import measure, traffic, upstream
from bench.figures import Bound, Figure
from services import run as services
from services import trial

CONCURRENCY = 64
GOREPLAY_WARM_UP_S = 1.0
GOREPLAY_S = 2.0
JUDGED = ("match", "equivalent", "divergent")

PLAINLY = "httpx, gather, DeepDiff, structlog"
AHEAD_OF_PLAIN = Bound(on="ratio", least=150)
SHARE_OF_WRK = Bound(on="ratio", least=0.35)
AHEAD = Bound(on="ratio", least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two running services and captures for them."""

    folder: Path
    baseline: str
    candidate: str
    capture: Path
    few: Path | None = None
    """The beginning of the capture, for what is slow; without it, that takes all."""
    config: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Exchanges (of wrk and GoReplay: requests) a second."""

    per_s: float
    """While it ran."""
    per_cpu_s: float = 0.0
    """By the CPU it took; 0 where that is not told."""


def measured(sizes: measure.Sizes, say: Callable[[str], None]) -> list[Figure]:
    """All figures of replaying."""
    found: list[Figure] = []
    why_not = upstream.missing()
    if why_not:
        say(f"replay against nginx: left out: {why_not}")
    else:
        with nginx(sizes) as (pair, server):
            found += on_nginx(sizes, pair, server, say)
    why_not = pair_missing()
    if why_not:
        say(f"replay against the demo pair: left out: {why_not}")
    else:
        with demo(sizes) as pair:
            found += on_demo(sizes, pair)
    return found


def pair_missing() -> str:
    """Why the demo pair cannot be started, or empty."""
    built = services.GO.exists() and services.RUST.exists()
    return "" if built else "the services are not built: make services"


@contextmanager
def nginx(sizes: measure.Sizes) -> Iterator[tuple[Pair, upstream.Upstream]]:
    """Both ports of one nginx, and a capture of reads."""
    with tempfile.TemporaryDirectory() as name, upstream.running(*traffic.bodies()) as server:
        folder = Path(name)
        pair = Pair(
            folder=folder,
            baseline=server.baseline,
            candidate=server.candidate,
            capture=traffic.write(folder / "all.jsonl", traffic.requests(sizes.replayed)),
            few=traffic.write(folder / "few.jsonl", traffic.requests(sizes.plainly)),
        )
        yield pair, server


@contextmanager
def demo(sizes: measure.Sizes) -> Iterator[Pair]:
    """The Go and the Rust service, both on the upstream's core."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        with measure.pinned(measure.upstream_core()):
            urls = [
                stack.enter_context(services.running(binary)).url
                for binary in (services.GO, services.RUST)
            ]
        count = sizes.replayed_on_pair
        yield Pair(
            folder=folder,
            baseline=urls[0],
            candidate=urls[1],
            capture=traffic.write(folder / "all.jsonl", traffic.demo_reads(count)),
            few=traffic.write(folder / "few.jsonl", traffic.demo_reads(sizes.plainly)),
            config=trial.CONFIG,
        )


def on_nginx(
    sizes: measure.Sizes, pair: Pair, server: upstream.Upstream, say: Callable[[str], None]
) -> list[Figure]:
    """Shadow, the plain program, wrk and GoReplay in turns, each on the core that is its own."""
    own = measure.own_core()
    start_up = shadow_start_up(pair, own)
    contenders: dict[str, Callable[[], Rate]] = {
        "shadow": lambda: shadow(pair, own, start_up),
        "plain": lambda: plainly(pair, own),
    }
    if shutil.which("wrk"):
        contenders["wrk"] = lambda: wrk(server.baseline, own, sizes.wrk_s)
    else:
        say("replay beside wrk: left out: wrk is not installed: make packages")
    goreplay = shutil.which("gor") or shutil.which("goreplay")
    if goreplay:
        count = 2 * sizes.replayed
        file = traffic.write_for_goreplay(pair.folder / "all.gor", traffic.requests(count))
        contenders["goreplay"] = lambda: gor(goreplay, file, count, server, own)
    else:
        say("replay beside GoReplay: left out: gor is not on PATH (go install of buger/goreplay)")
    taken = measure.in_turns(sizes.rounds, *contenders.values())
    found = nginx_figures(dict(zip(contenders, taken, strict=True)))
    if sizes.not_pinned:
        found.append(unpinned(sizes, pair, "replay, nginx, not pinned: exchanges"))
    return found


def nginx_figures(rates: dict[str, tuple[Rate, ...]]) -> list[Figure]:
    """The rows of a replay against nginx. An exchange is two requests."""
    ours, plain = rates["shadow"], rates["plain"]
    requests = tuple(2 * each for each in per_s(ours))
    found = [
        Figure(
            area="replay",
            what="replay, nginx, one core: exchanges",
            unit="/s",
            shadow=per_s(ours),
            against=PLAINLY,
            other=per_s(plain),
            bound=AHEAD_OF_PLAIN,
        ),
        per_cpu("replay, nginx: exchanges by CPU", ours, plain),
    ]
    for name, label, bound in (
        ("wrk", "wrk, one target", SHARE_OF_WRK),
        ("goreplay", "GoReplay, two outputs", AHEAD),
    ):
        if name in rates:
            found.append(
                Figure(
                    area="replay",
                    what="replay, nginx, one core: requests",
                    unit="/s",
                    shadow=requests,
                    against=label + ", nothing compared",
                    other=per_s(rates[name]),
                    bound=bound,
                )
            )
    return found


def on_demo(sizes: measure.Sizes, pair: Pair) -> list[Figure]:
    """Shadow and the plain program in turns against Go and Rust."""
    own = measure.own_core()
    start_up = shadow_start_up(pair, own)
    ours, plain = measure.in_turns(
        sizes.rounds, lambda: shadow(pair, own, start_up), lambda: plainly(pair, own)
    )
    found = [
        Figure(
            area="replay",
            what="replay, demo pair, one core: exchanges",
            unit="/s",
            shadow=per_s(ours),
            against=PLAINLY,
            other=per_s(plain),
            note="both services share the other core",
        ),
        per_cpu("replay, demo pair: exchanges by CPU", ours, plain),
    ]
    if sizes.not_pinned:
        found.append(unpinned(sizes, pair, "replay, demo pair, not pinned: exchanges"))
    return found


def unpinned(sizes: measure.Sizes, pair: Pair, what: str) -> Figure:
    """The same with what is measured free to take any core."""
    start_up = shadow_start_up(pair, frozenset())
    ours, plain = measure.in_turns(
        sizes.rounds,
        lambda: shadow(pair, frozenset(), start_up),
        lambda: plainly(pair, frozenset()),
    )
    return Figure(
        area="replay",
        what=what,
        unit="/s",
        shadow=per_s(ours),
        against=PLAINLY,
        other=per_s(plain),
    )


def per_s(rates: tuple[Rate, ...]) -> tuple[float, ...]:
    """Samples of what came a second, while it ran."""
    return tuple(rate.per_s for rate in rates)


def per_cpu(what: str, ours: tuple[Rate, ...], plain: tuple[Rate, ...]) -> Figure:
    """Exchanges by second of CPU: what a core does when no service holds it up."""
    return Figure(
        area="replay",
        what=what,
        unit="/s",
        shadow=tuple(rate.per_cpu_s for rate in ours),
        against=PLAINLY,
        other=tuple(rate.per_cpu_s for rate in plain),
    )


def shadow_command(pair: Pair, capture: Path) -> list[str]:
    """The arguments of one replay, as a user would give them."""
    config = ["--config", str(pair.config)] if pair.config else []
    return [
        *("replay", str(capture), "--go", pair.baseline, "--rust", pair.candidate),
        *("--concurrency", str(CONCURRENCY), "--quiet", "--json"),
        *("--store", str(pair.folder / "store.sqlite"), *config),
    ]


def shadow_start_up(pair: Pair, cores: frozenset[int]) -> float:
    """Seconds of CPU that a replay of one exchange takes."""
    one = shadow_command(pair, pair.capture)
    return min(measure.shadow(*one, "--limit", "1", cores=cores).cpu_s for _ in range(3))


def shadow(pair: Pair, cores: frozenset[int], start_up_s: float) -> Rate:
    """One replay by shadow, start-up left out. Raises FailedError where not all was judged."""
    ran = measure.shadow(*shadow_command(pair, pair.capture), cores=cores)
    summary = json.loads(ran.stdout)
    judged = sum(summary[outcome] for outcome in JUDGED)
    if not judged or judged != summary["read"]:
        raise measure.FailedError(f"only {judged} of {summary['read']} exchanges were judged")
    for left in pair.folder.glob("*store.sqlite*"):
        left.unlink()
    for left in pair.folder.glob("*.events.jsonl"):
        left.unlink()
    cpu_s = max(ran.cpu_s - start_up_s, 1e-9)
    return Rate(per_s=judged / summary["duration_s"], per_cpu_s=judged / cpu_s)


def plainly(pair: Pair, cores: frozenset[int]) -> Rate:
    """One replay by the plain program, start-up left out."""
    capture = pair.few or pair.capture
    command = [
        *(sys.executable, "-m", "bench.naive", str(capture), pair.baseline, pair.candidate),
        str(pair.folder / "plain.jsonl"),
    ]
    ran = measure.run(command, cores=cores, env={"PYTHONPATH": str(measure.ROOT)})
    told = json.loads(ran.stdout)
    return Rate(
        per_s=told["exchanges"] / told["duration_s"], per_cpu_s=told["exchanges"] / told["cpu_s"]
    )


def wrk(url: str, cores: frozenset[int], seconds: int) -> Rate:
    """Requests a second of wrk, one thread, on one target."""
    command = ["wrk", "-t1", f"-c{CONCURRENCY}", f"-d{seconds}s", f"{url}/v1/items/1?page=1"]
    said = measure.run(command, cores=cores).stdout
    rate = re.search(r"Requests/sec:\s*([0-9.]+)", said)
    if rate is None:
        raise measure.FailedError(f"wrk said no rate: {said}")
    return Rate(per_s=float(rate[1]))


def gor(
    program: str, file: Path, count: int, server: upstream.Upstream, cores: frozenset[int]
) -> Rate:
    """Requests a second of GoReplay, by what nginx handled in a stretch of its run.

    It does not end with its file, so it is stopped. By default it reads 1,000 requests a second
    from a file (a pause for every 100); a larger read depth lets it go.
    """
    command = [
        *(program, "--input-file", str(file), "--input-file-read-depth", "10000000"),
        *("--output-http", server.baseline, "--output-http", server.candidate),
    ]
    first = server.handled()
    with measure.pinned(cores):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(GOREPLAY_WARM_UP_S)
        before, started = server.handled(), time.perf_counter()
        time.sleep(GOREPLAY_S)
        after, passed = server.handled(), time.perf_counter() - started
    finally:
        process.kill()
        process.wait()
    if not first < before < after < first + 2 * count:
        raise measure.FailedError("GoReplay sent nothing, or its file was at its end too early")
    return Rate(per_s=(after - before - 1) / passed)
