"""What works on stored answers, with no service: `shadow diff`, its workers, `shadow report`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import measure, traffic
from bench.figures import Bound, Figure

WORKERS = Bound(on="ratio", least=1.7)
REPORT = Bound(on="value", most=3.0)
BOUND_AT = 1_000_000
"""Exchanges of a run whose report has a bound."""


def workers(sizes: measure.Sizes, _: Callable[[str], None]) -> list[Figure]:
    """Pairs a second of `shadow diff` with one worker and with two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        captures = write_captures(folder, sizes.diffed)
        two, one = measure.in_turns(
            sizes.rounds,
            lambda: diff(folder, captures, ["--workers", "2"]),
            lambda: diff(folder, captures, ["--workers", "1"]),
        )
    return [
        Figure(
            area="workers",
            what="diff, pairs, two workers",
            unit="/s",
            shadow=two,
            against="one worker",
            other=one,
            bound=WORKERS,
        )
    ]


def write_captures(folder: Path, count: int) -> tuple[Path, Path]:
    """What Go and Rust answered to the same requests; one in a hundred differs."""
    body, odd = traffic.bodies()
    ours = traffic.answered(
        count, body=body + b"\n", odd_body=body + b"\n", headers=traffic.GO_HEADERS
    )
    theirs = traffic.answered(count, body=body, odd_body=odd, headers=traffic.RUST_HEADERS)
    return (
        traffic.write(folder / "go.jsonl", ours),
        traffic.write(folder / "rust.jsonl", theirs),
    )


def diff(folder: Path, captures: tuple[Path, Path], more: list[str]) -> float:
    """Pairs a second of one `shadow diff`."""
    summary = run_diff(folder / "diff.sqlite", captures, more)
    for left in folder.glob("*diff.sqlite*"):
        left.unlink()
    rate: float = summary["read"] / summary["duration_s"]
    return rate


def run_diff(store: Path, captures: tuple[Path, Path], more: list[str]) -> dict[str, float]:
    """The summary of one `shadow diff` into a store."""
    command = ["diff", *map(str, captures), "--quiet", "--json", "--store", str(store), *more]
    summary: dict[str, float] = json.loads(measure.shadow(*command).stdout)
    return summary


def report(sizes: measure.Sizes, _: Callable[[str], None]) -> list[Figure]:
    """Time to show a run again."""
    count = sizes.reported
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = folder / "store.sqlite"
        run_diff(store, small_captures(folder, count), [])
        shown = ("report", "--store", str(store), "--format")
        terminal, machine = measure.in_turns(
            sizes.rounds,
            lambda: measure.shadow(*shown, "terminal").wall_s,
            lambda: measure.shadow(*shown, "json").wall_s,
        )
    bound = REPORT if count >= BOUND_AT else None
    return [
        Figure(
            area="report",
            what=f"report, {form}, of {count:,} exchanges",
            unit="s",
            shadow=samples,
            bound=bound,
        )
        for form, samples in (("text", terminal), ("JSON", machine))
    ]


def small_captures(folder: Path, count: int) -> tuple[Path, Path]:
    """Captures whose answers are small, so that a million of them fit on a disk."""

    def side(name: str, odd_body: bytes) -> Path:
        exchanges = traffic.answered(
            count, body=b'{"n":1}', odd_body=odd_body, headers=traffic.GO_HEADERS
        )
        return traffic.write(folder / name, exchanges)

    return side("go.jsonl", b'{"n":1}'), side("rust.jsonl", b'{"n":2}')
