"""How things are measured: pinned, one after the other in turns, each as often as the others."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

TIMEOUT_S = 1800.0
SAMPLE_S = 0.02
"""A sample of something fast is as many calls as take this long."""
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    rounds: int = 5
    replayed: int = 15_000
    """Exchanges of one replay against nginx."""
    replayed_on_pair: int = 2_000
    plainly: int = 300
    """Exchanges of one replay by the plain program, which is far slower."""
    wrk_s: int = 1
    bodies: tuple[int, ...] = (1_500, 20_000, 500_000)
    lists: tuple[int, ...] = (100, 1_000, 5_000)
    longest_for_deepdiff: int = 300
    """Items of the longest reordered list that deepdiff is given; beyond, it is extrapolated."""
    memory: tuple[int, ...] = (10_000, 100_000)
    memory_bound_at: int = 1_000_000
    """Exchanges at which the peak must be that of the smallest run."""
    diffed: int = 50_000
    """Pairs of one `shadow diff`."""
    reported: int = 20_000
    """Exchanges of the run that is reported."""
    not_pinned: bool = False
    """Also replay without tying anything to a core."""


DEFAULT = Sizes()
FULL = Sizes(
    replayed=60_000,
    replayed_on_pair=10_000,
    plainly=1_000,
    wrk_s=5,
    longest_for_deepdiff=1_000,
    memory=(10_000, 100_000, 1_000_000),
    diffed=200_000,
    reported=1_000_000,
    not_pinned=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command said and took."""

    stdout: str
    wall_s: float
    cpu_s: float
    peak_mb: float


class FailedError(RuntimeError):
    """A command that is measured failed."""


def run(
    command: Sequence[str],
    *,
    cores: frozenset[int] = frozenset(),
    env: Mapping[str, str] | None = None,
    codes: tuple[int, ...] = (0,),
    timeout_s: float = TIMEOUT_S,
) -> Ran:
    """Run a command on some cores, or on all. Raises FailedError for any other exit code."""
    with tempfile.TemporaryDirectory() as folder, pinned(cores):
        told = Path(folder) / "usage.json"
        launcher = [sys.executable, "-S", str(ROOT / "bench" / "usage.py"), str(told)]
        with subprocess.Popen(
            [*launcher, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1", **(env or {})},
            cwd=folder,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except BaseException:
                process.terminate()  # the launcher passes it on
                raise
        if process.returncode not in codes:
            said = stderr.strip()[-2000:] or "nothing"
            raise FailedError(f"{' '.join(command)} ended with {process.returncode}: {said}")
        return Ran(stdout=stdout, **json.loads(told.read_text("utf-8")))


def shadow(*arguments: str, **given: Any) -> Ran:
    """Run `shadow`; 1 and 3 are verdicts, not failures. `given` is what `run` takes."""
    return run([sys.executable, "-m", "shadow", *arguments], codes=(0, 1, 3), **given)


def cores() -> list[int]:
    """The cores this process may use; empty where that cannot be asked (macOS)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def upstream_core() -> frozenset[int]:
    """The core of the services under test."""
    return frozenset(cores()[:1])


def own_core() -> frozenset[int]:
    """The core of what is measured: another one where there is one."""
    return frozenset(cores()[1:2] or cores()[:1])


@contextlib.contextmanager
def pinned(to: frozenset[int]) -> Iterator[None]:
    """What is started within runs on these cores; on any where none is given."""
    before = cores()
    if not to or not before:
        yield
        return
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """While the block runs no core sleeps, where the system can run something behind all else.

    A virtual machine's core that sleeps is given to others, and comes back some milliseconds
    late: a 99th percentile then tells of the machine alone.
    """
    spinning = [
        subprocess.Popen([sys.executable, "-S", "-c", _SPIN, str(core)]) for core in cores()
    ]
    try:
        yield
    finally:
        for each in spinning:
            each.kill()
            each.wait()


_SPIN = """
import os, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
os.sched_setaffinity(0, {int(sys.argv[1])})
while True:
    pass
"""


def in_turns(rounds: int, *contenders: Callable[[], T]) -> list[tuple[T, ...]]:
    """Measure A B A B …, and return the samples of each."""
    samples: list[list[T]] = [[] for _ in contenders]
    for _ in range(rounds):
        for taken, contender in zip(samples, contenders, strict=True):
            taken.append(contender())
    return [tuple(taken) for taken in samples]


def timed(call: Callable[[], object]) -> Callable[[], float]:
    """A contender that gives seconds a call, over enough calls to be above the clock's noise."""
    started = time.perf_counter()
    call()
    once = time.perf_counter() - started
    loops = max(1, round(SAMPLE_S / max(once, 1e-7)))

    def sample() -> float:
        started = time.perf_counter()
        for _ in range(loops):
            call()
        return (time.perf_counter() - started) / loops

    return sample
