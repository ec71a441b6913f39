from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.model import Divergence, Outcome
from shadow.results.drift import Drift, divergent_signatures, drift
from shadow.results.evidence import Evidence, PairRow
from shadow.results.provenance import Build, Machine
from shadow.results.record import Record
from shadow.results.resolve import LoadedRun
from shadow.results.resources import Resources, ResourceUse, Spread
from shadow.results.runs import Run, RunInfo
from shadow.results.tally import Tally

MakeRecord = Callable[..., Record]
MakeDivergence = Callable[..., Divergence]
RecordLists = st.SearchStrategy[list[Record]]
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = Machine(cores=2, architecture="x86_64", system="Linux 6")


def loaded(
    info: RunInfo, records: Iterable[Record], number: int = 0, evidence: Evidence | None = None
) -> LoadedRun:
    tally = Tally()
    for record in records:
        tally.add(record)
    info = msgspec.structs.replace(
        info,
        id=info.id or f"run-{number}",
        started=info.started or START + timedelta(days=number),
        state="finished" if info.state == "running" else info.state,
        machine=info.machine or HERE,
    )
    run = Run(info=info, tally=tally)
    return LoadedRun(run=run, evidence=evidence or Evidence(()), place=Path("s.sqlite"))


def signatures(found: Iterable[Any]) -> set[str]:
    return {each.signature for each in found}


def codes(found: Drift) -> list[str]:
    return [caution.code for caution in found.cautions]


# Findings


@given(data=st.data())
def test_a_run_has_not_drifted_from_itself(
    data: st.DataObject, info: RunInfo, record_lists: RecordLists
) -> None:
    one = loaded(info, data.draw(record_lists))
    found = drift(one, one)
    assert (found.new, found.gone) == ((), ())
    assert signatures(found.persisting) == divergent_signatures(one.run.tally)
    assert all(each.trend == "same" for each in found.persisting)
    assert codes(found) == ["drift-same-run"]


@given(data=st.data())
def test_new_is_gone_the_other_way_round(
    data: st.DataObject, info: RunInfo, record_lists: RecordLists
) -> None:
    one = loaded(info, data.draw(record_lists), 0)
    other = loaded(info, data.draw(record_lists), 1)
    there, back = drift(one, other), drift(other, one)
    assert signatures(there.new) == signatures(back.gone)
    assert signatures(there.gone) == signatures(back.new)
    assert signatures(there.persisting) == signatures(back.persisting)
    assert [(e.before, e.after) for e in there.new] == [(e.after, e.before) for e in back.gone]
    every = signatures(there.new) | signatures(there.gone) | signatures(there.persisting)
    assert every == divergent_signatures(one.run.tally) | divergent_signatures(other.run.tally)


def test_what_a_finding_was_before(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    excused = {"verdict": "accepted", "rule": "accept:x"}
    one = loaded(info, [make_record(0, make_divergence(**excused), outcome=Outcome.EQUIVALENT)], 0)
    other = loaded(info, [make_record(0, make_divergence())], 1)
    (new,) = drift(one, other).new
    assert (new.judged, new.before, new.after, new.compared) == ("accepted", 0, 1, (1, 1))
    (gone,) = drift(other, one).gone
    assert (gone.judged, gone.before, gone.after) == ("accepted", 1, 0)
    assert gone.examples


def test_an_endpoint_that_the_other_run_has_not_seen(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    one = loaded(info, [make_record(0, endpoint="GET /b")], 0)
    other = loaded(info, [make_record(0, make_divergence())], 1)
    (new,) = drift(one, other).new
    assert (new.compared, new.judged) == ((0, 1), None)
    assert new.shares == (None, 1.0)


def test_a_share_that_changes_by_more_than_chance(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    steady, rising = make_divergence("5" * 16), make_divergence("6" * 16, path_pattern="$['b']")

    def records(often: int) -> list[Record]:
        return [
            make_record(
                seq,
                *([steady] if seq % 10 == 0 else []),
                *([rising] if seq % often == 0 else []),
            )
            for seq in range(400)
        ]

    found = drift(loaded(info, records(20), 0), loaded(info, records(4), 1))
    trends = {each.signature: each.trend for each in found.persisting}
    assert trends == {"5" * 16: "same", "6" * 16: "more"}
    back = drift(loaded(info, records(4), 0), loaded(info, records(20), 1))
    assert {each.trend for each in back.persisting} == {"same", "fewer"}
    risen = next(each for each in found.persisting if each.trend == "more")
    assert risen.shares == (0.05, 0.25)
    assert risen.q is not None
    assert risen.q < 0.05


def test_one_signature_of_two_classes_is_one_finding(
    info: RunInfo, make_record: MakeRecord, make_divergence: MakeDivergence
) -> None:
    records = [
        make_record(0, make_divergence(class_id="html-escape"), make_divergence()),
        make_record(1, make_divergence()),
    ]
    (only,) = drift(loaded(info, [make_record(0)], 0), loaded(info, records, 1)).new
    assert only.after == 2  # no more than there were exchanges
    assert only.class_id is None  # an unexplained one is the graver


# Latencies


def timed(
    slower: float = 1.0, *, machine: float = 1.0, seed: int = 1, name: str = "GET /a"
) -> Evidence:
    random = np.random.default_rng(seed)
    rows: list[PairRow] = []
    for seq in range(420):
        took = random.lognormal(7, 0.3) * machine
        other = took * slower * random.lognormal(0, 0.1)
        one, two = round(took), round(other)
        rows.append((name, f"s{seq}", one, one + 10, two, two + 10))
    evidence = Evidence([name])
    evidence.add_pairs(rows)
    return evidence


@pytest.fixture
def paced(info: RunInfo) -> RunInfo:
    return msgspec.structs.replace(info, options={"rate": 100, "sides": "in-turn"})


def test_a_slower_candidate(paced: RunInfo, make_record: MakeRecord) -> None:
    records = [make_record(seq) for seq in range(420)]
    one = loaded(paced, records, 0, timed(seed=1))
    other = loaded(paced, records, 1, timed(1.4, seed=2))
    found = drift(one, other)
    (only,) = found.latency
    verdicts = [getattr(only.changes, name).verdict for name in ("baseline", "candidate", "ratio")]
    assert verdicts[1:] == ["slower", "slower"]
    assert verdicts[0] not in ("slower", "faster")
    assert only.candidate.before.p50 is not None
    assert found.latency_withheld is None
    assert codes(found) == []
    assert drift(one, one).latency[0].changes.ratio.verdict == "equivalent"


def test_another_machine(paced: RunInfo, make_record: MakeRecord) -> None:
    records = [make_record(seq) for seq in range(420)]
    one = loaded(paced, records, 0, timed(seed=1))
    slow = msgspec.structs.replace(paced, machine=msgspec.structs.replace(HERE, cores=8))
    found = drift(one, loaded(slow, records, 1, timed(machine=2, seed=2)))
    (only,) = found.latency
    assert only.changes.baseline.verdict == "slower"
    assert only.changes.ratio.verdict == "equivalent"
    assert codes(found) == ["drift-machine", "drift-baseline"]
    newer = msgspec.structs.replace(slow, baseline_build=Build(version="2"))
    found = drift(one, loaded(newer, records, 1, timed(machine=2, seed=2)))
    assert codes(found) == ["drift-machine"]


def test_latencies_that_cannot_be_judged(info: RunInfo, make_record: MakeRecord) -> None:
    one = loaded(info, [make_record(0)], 0, timed())
    free = msgspec.structs.replace(info, options={})
    found = drift(one, loaded(free, [make_record(0)], 1, timed()))
    assert found.latency == ()
    assert found.latency_withheld is not None
    assert found.latency_withheld.code == "speed-unscheduled"
    assert drift(one, loaded(free, [make_record(0)], 1)).latency_withheld is None
    other = loaded(info, [make_record(0)], 1, timed(name="GET /b"))
    assert drift(one, other).latency == ()


# Resources


def used(median: float, *, half: float | None) -> ResourceUse:
    ends = (None, None) if half is None else (median - half, median + half)
    spread = Spread(median=median, low=ends[0], high=ends[1], windows=20)
    return ResourceUse(source="pid:1", cpu_s_per_1000=spread, peak_bytes=1000)


@pytest.mark.parametrize(
    ("now", "half", "sure"), [(2.0, 0.1, True), (1.15, 0.1, False), (2.0, None, None)]
)
def test_what_the_services_used(
    info: RunInfo, make_record: MakeRecord, now: float, half: float | None, sure: bool | None
) -> None:
    def run(number: int, median: float, half: float | None) -> LoadedRun:
        resources = Resources(candidate=used(median, half=half))
        return loaded(msgspec.structs.replace(info, resources=resources), [make_record()], number)

    cpu, peak = drift(run(0, 1.0, 0.1), run(1, now, half)).resources
    assert (cpu.side, cpu.what, cpu.before, cpu.after, cpu.sure) == (
        *("candidate", "cpu_s_per_1000", 1.0),
        now,
        sure,
    )
    assert (peak.what, peak.sure) == ("peak_bytes", None)


# Cautions


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"digest": "d2"}, "drift-capture"),
        ({"digest": ""}, "drift-capture"),
        ({"config_digest": "other"}, "drift-config"),
        ({"arguments": {"noise": "twice"}}, "drift-noise"),
        ({"arguments": {"noise_profile": "n.json"}}, "drift-noise"),
        ({"options": {"sample": 0.5}}, "drift-options"),
        ({"options": {"sample": 0.5, "seed": 2}}, "drift-options"),
        ({"command": "diff"}, "drift-options"),
        ({"state": "interrupted"}, "drift-unfinished"),
        ({"started": START - timedelta(days=9)}, "drift-order"),
        ({"id": "run-0"}, "drift-same-run"),
    ],
)
def test_what_makes_a_drift_less_than_sure(
    info: RunInfo, make_record: MakeRecord, changed: dict[str, Any], code: str
) -> None:
    one = loaded(info, [make_record()], 0)
    other = loaded(msgspec.structs.replace(info, **changed), [make_record()], 1)
    assert codes(drift(one, other)) == [code]
    assert codes(drift(one, loaded(info, [make_record()], 1))) == []


def test_another_load_is_told_where_latencies_are_compared(
    paced: RunInfo, make_record: MakeRecord
) -> None:
    one = loaded(paced, [make_record()], 0, timed())
    other = msgspec.structs.replace(paced, options={"rate": 200, "sides": "in-turn"})
    assert codes(drift(one, loaded(other, [make_record()], 1, timed()))) == ["drift-load"]
