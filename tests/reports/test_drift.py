from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from shadow.masking import WITHHELD
from shadow.model import Divergence
from shadow.reports import machine
from shadow.reports.drift import change_text, render, without_values
from shadow.results.drift import Drift, drift
from shadow.results.evidence import Evidence
from shadow.results.provenance import Build, Commit, Machine
from shadow.results.record import Record
from shadow.results.resolve import LoadedRun
from shadow.results.resources import Resources, ResourceUse, Spread
from shadow.results.runs import Run, RunInfo, Side
from shadow.results.speed.verdicts import Change, Ratio
from shadow.results.tally import Tally

MakeRecord = Callable[[int], Record]
HOSTILE = "\x1b[31m\r\n\x07\u202e[bold red]x[/] :warning: é 漢字"
replace = msgspec.structs.replace
NAMES = ("GET /v1/items/{id}", "POST /v1/quote", "GET /v1/search")


def evidence(slower: dict[str, float], seed: int) -> Evidence:
    random = np.random.default_rng(seed)
    found = Evidence(NAMES)
    for name in NAMES:
        rows = []
        for seq in range(420):
            took = random.lognormal(7, 0.3)
            other = took * slower.get(name, 1.0) * random.lognormal(0, 0.1)
            one, two = round(took), round(other)
            rows.append((name, f"s{seq}", one, one + 10, two, two + 10))
        found.add_pairs(rows)
    return found


def a_run(records: list[Record], number: int, found: Evidence, **fields: object) -> LoadedRun:
    tally = Tally()
    for each in records:
        tally.add(each)
    spread = Spread(median=1.5 + number, low=1.4 + number, high=1.6 + number, windows=20)
    use = ResourceUse(source="pid:1", cpu_s_per_1000=spread, peak_bytes=50_000_000 << number)
    info = RunInfo(
        id=f"2026112{number}-130501-3f2a",
        command="replay",
        state="finished",
        started=datetime(2026, 11, 20 + number, 13, tzinfo=UTC),
        captures=("prod-2026-11-20.jsonl.zst",),
        digest="ab" * 32,
        baseline=Side(name="go", url="http://127.0.0.1:8080"),
        candidate=Side(name="rust", url="http://127.0.0.1:8081"),
        baseline_build=Build(version="2.4.0", toolchain="go1.23"),
        candidate_build=Build(version=f"0.{number}.0", lockfile=f"{number}c" * 32),
        commit=Commit(sha=f"{number}e" * 20, dirty=bool(number)),
        machine=Machine(cores=8, architecture="x86_64", system="Linux 6.8.0-45-generic"),
        options={"rate": 100, "sides": "in-turn", "seed": 7},
        owners={"GET /v1/items/{id}": "team-catalogue"},
        resources=Resources(baseline=use, candidate=use, cpu_ratio=spread),
    )
    info = replace(info, **fields)
    return LoadedRun(run=Run(info=info, tally=tally), evidence=found, place=Path("s.sqlite"))


def relabelled(records: list[Record], changes: dict[str, str]) -> list[Record]:
    """The records, with other signatures for some findings."""
    return [
        replace(
            each,
            divergences=tuple(
                replace(found, signature=changes.get(found.signature, found.signature))
                for found in each.divergences
            ),
        )
        for each in records
    ]


@pytest.fixture(scope="session")
def drifted(make_record: MakeRecord) -> Drift:
    """A finding new, one gone, one seen more often; an endpoint slower, another as before."""
    before = [make_record(seq) for seq in range(2000)]
    after = relabelled([make_record(seq) for seq in range(2000)], {"b1" * 8: "0b" * 8})
    more = [make_record(20 * seq) for seq in range(100)]
    after += [replace(each, seq=2000 + place) for place, each in enumerate(more)]
    slower = {"GET /v1/items/{id}": 1.4, "POST /v1/quote": 0.7}
    return drift(a_run(before, 0, evidence({}, 1)), a_run(after, 2, evidence(slower, 2)))


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_drift(drifted: Drift, width: int, snapshot: SnapshotAssertion) -> None:
    text = render(drifted, width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text == snapshot


def test_nothing_new(make_record: MakeRecord, snapshot: SnapshotAssertion) -> None:
    records = [make_record(seq) for seq in range(400)]
    one = a_run(records, 0, Evidence(()), resources=None)
    text = render(drift(one, a_run(records, 1, Evidence(()), resources=None)))
    assert text.startswith("NOTHING NEW  0 new, 0 gone")
    assert text == snapshot


def test_a_limit_and_colours(drifted: Drift) -> None:
    assert "more (--all)" not in render(drifted)
    text = render(drifted, limit=0)
    assert "… and 1 more (--all)" in text
    assert "endpoints more (--all)" in text
    assert "\x1b[" in render(drifted, color=True)
    assert "\x1b" not in render(drifted)


def test_nothing_of_a_run_is_interpreted(make_record: MakeRecord) -> None:
    def hostile(each: Divergence, mark: str) -> Divergence:
        return replace(
            each, baseline=HOSTILE, candidate=HOSTILE, path_pattern=HOSTILE, signature=mark * 16
        )

    runs = []
    for number in range(2):
        records = [
            replace(
                make_record(seq),
                endpoint=HOSTILE,
                divergences=tuple(
                    hostile(each, str(number)) for each in make_record(seq).divergences
                ),
            )
            for seq in range(0, 400, 20)
        ]
        info = {
            "id": HOSTILE,
            "captures": (HOSTILE,),
            "baseline": Side(name=HOSTILE),
            "candidate_build": Build(version=HOSTILE, toolchain=HOSTILE),
            "machine": Machine(cores=1, architecture=HOSTILE, system=HOSTILE),
            "state": "interrupted",
        }
        runs.append(a_run(records, number, Evidence(()), **info))
    for width in (60, 80, 140):
        text = render(drift(*runs), width=width)
        assert all(line.isprintable() for line in text.splitlines())
        assert max(map(cell_len, text.splitlines())) <= width


def test_as_json(drifted: Drift) -> None:
    document = json.loads(machine.render(drifted))
    assert document["v"] == 1
    assert document["before"]["provenance"]["candidate"]["version"] == "0.0.0"
    assert [len(document[name]) for name in ("new", "gone")] == [1, 1]
    assert msgspec.convert({k: v for k, v in document.items() if k != "v"}, Drift) == drifted


def test_no_values(drifted: Drift) -> None:
    text = machine.render(without_values(drifted))
    assert WITHHELD in text
    assert "12.340000000000001" in machine.render(drifted)
    assert "12.340000000000001" not in text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Change(sessions=(99, 1000)), "too few to say: 99 and 1,000 sessions or blocks"),
        (
            Change(verdict="withheld", reason="saturated"),
            "withheld: a generator was the bottleneck",
        ),
        (
            Change(verdict="slower", shift=Ratio(value=1.11, low=1.08, high=1.14)),
            "11 % slower (8\N{EN DASH}14 %)",
        ),
        (
            Change(verdict="faster", shift=Ratio(value=0.8, low=0.7, high=0.9)),
            "20 % faster (10\N{EN DASH}30 %)",
        ),
        (
            Change(verdict="equivalent", shift=Ratio(value=1.001, low=0.997, high=1.004)),
            "as before, within 5 % (-0.3 to 0.4 %)",
        ),
        (
            Change(verdict="inconclusive", shift=Ratio(value=1.1, low=0.9, high=1.3)),
            "inconclusive (-10 to 30 %)",
        ),
    ],
)
def test_a_change_in_words(change: Change, text: str) -> None:
    assert change_text(change) == text
