from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from shadow.errors import ShadowError
from shadow.results.gates.criteria import Criteria
from shadow.results.gates.verdicts import GateResult
from shadow.results.runs import RunInfo, Side
from shadow.results.store import Store
from shadow.rollout.gating import GatePlan, judge_stored
from shadow.sidecar.ports import polled
from shadow.sidecar.ports.gate import NotThere
from shadow.sidecar.ports.polled import PolledGates

SIDE = Side(name="x")
PLAN = GatePlan(phase="replay", criteria=Criteria(max_divergence_rate=0.01))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.sqlite") as opened:
        yield opened


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were really judged, one after the other."""
    runs: list[str] = []

    def noted(store: Store, run: object, plan: GatePlan) -> GateResult:
        result = judge_stored(store, run, plan)  # type: ignore[arg-type]  # as it is given
        runs.append(result.run_id)
        return result

    monkeypatch.setattr(polled, "judge_stored", noted)
    return runs


def start(store: Store) -> str:
    return store.start_run(RunInfo(command="diff", baseline=SIDE, candidate=SIDE))


def finish(store: Store, run_id: str) -> None:
    store.finish_run(run_id, state="finished", exit_code=0, duration_s=1)


def poll(store: Store, *runs: str) -> list[GateResult]:
    """Ask for all of them at once."""

    async def all_of_them() -> list[GateResult]:
        gates = PolledGates(store, {"replay": PLAN})
        return await asyncio.gather(*(gates("replay", each) for each in runs))

    return asyncio.run(all_of_them())


def test_of_a_run_that_has_ended_a_verdict_is_kept(store: Store, judged: list[str]) -> None:
    run = start(store)
    finish(store, run)
    first, *others = poll(store, "latest", run, "latest", run)
    assert all(each == first for each in others)
    assert judged == [run]


def test_a_run_that_goes_on_is_judged_each_time(store: Store, judged: list[str]) -> None:
    run = start(store)
    (found, _) = poll(store, "latest", "latest")
    assert judged == [run, run]
    assert found.verdict == "inconclusive"
    assert found.criteria[0].note.startswith("the run is running")


def test_verdicts_that_are_kept_are_bounded(
    store: Store, judged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polled, "KEPT", 2)
    runs = [start(store) for _ in range(3)]
    for each in runs:
        finish(store, each)
    poll(store, *runs, runs[2], runs[1], runs[0])
    assert judged == [*runs, runs[0]]


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(NotThere) as missing:
        poll(store, "latest")
    assert isinstance(missing.value.error, ShadowError)
    assert "no runs yet" in missing.value.error.message

    async def unknown() -> GateResult:
        return await PolledGates(store, {"replay": PLAN})("canary", "latest")

    with pytest.raises(NotThere, match="no gate canary"):
        asyncio.run(unknown())
