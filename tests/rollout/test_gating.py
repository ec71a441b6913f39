from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from shadow.errors import ShadowError
from shadow.model import Divergence, Kind, Outcome, Where
from shadow.results.drift import divergent_signatures
from shadow.results.gates.criteria import Criteria
from shadow.results.gates.grounds import Grounds
from shadow.results.gates.shares import errors
from shadow.results.record import Record, Seen
from shadow.results.runs import RunInfo, RunState, Side
from shadow.results.store import Store
from shadow.results.summary import summarise
from shadow.results.tally import OTHER, Tally
from shadow.rollout.gating import (
    GatePlan,
    gate,
    judge_stored,
    known_findings,
    previous_run,
)

SIDE = Side(name="x")
PREVIOUS = Criteria(no_new_since="previous")
AddRun = Callable[..., RunInfo]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "s.sqlite") as opened:
        yield opened


def record(seq: int, signature: str) -> Record:
    where: Where = "body"
    kind: Kind = "value_changed"
    divergence = Divergence(
        where=where,
        kind=kind,
        path="$['a']",
        path_pattern="$['a']",
        signature=signature,
        baseline="1",
        candidate="2",
    )
    return Record(
        seq=seq,
        exchange_id=f"x{seq}",
        endpoint="GET /a",
        method="GET",
        target="/a",
        outcome=Outcome.DIVERGENT if signature else Outcome.MATCH,
        baseline=Seen(status=200),
        candidate=Seen(status=200),
        divergences=(divergence,) if signature else (),
    )


@pytest.fixture
def add_run(store: Store) -> AddRun:
    """Stores a run with these findings."""

    def add(*signatures: str, digest: str = "d1", state: RunState = "finished") -> RunInfo:
        info = RunInfo(command="diff", digest=digest, baseline=SIDE, candidate=SIDE)
        run_id = store.start_run(info)
        records = [record(seq, each) for seq, each in enumerate(signatures)]
        tally = Tally()
        for each in records:
            tally.add(each)
        store.commit_segment(run_id, cursor="0", records=records, tally=tally)
        if state != "running":
            store.finish_run(run_id, state=state, exit_code=0, duration_s=1)
        return store.load(run_id).info

    return add


def test_the_run_before_is_finished_and_of_the_same_capture(store: Store, add_run: AddRun) -> None:
    first = add_run("a")
    add_run(digest="other")
    add_run(state="interrupted")
    second = add_run("b")
    third = add_run()
    new = msgspec.structs.replace(third, id="", started=None)
    of_another_machine = msgspec.structs.replace(third, id="elsewhere")

    def before(info: RunInfo) -> str | None:
        found = previous_run(store, info)
        return None if found is None else found.info.id

    assert before(first) is None
    assert before(second) == first.id
    assert before(third) == second.id
    assert before(new) == third.id
    assert before(of_another_machine) == second.id
    assert before(msgspec.structs.replace(new, digest="")) is None


def test_what_is_known(store: Store, add_run: AddRun) -> None:
    first = add_run("a", "b")
    second = add_run("c", "")
    assert divergent_signatures(store.load(first.id).tally) == {"a", "b"}
    known = known_findings(store, second, PREVIOUS)
    assert (known.signatures, known.since) == ({"a", "b"}, first.id)
    assert known_findings(store, second, Criteria()).signatures == frozenset()
    assert known_findings(store, first, PREVIOUS).since == ""
    named = known_findings(store, first, Criteria(no_new_since=second.id))
    assert (named.signatures, named.since) == ({"c"}, second.id)


def test_a_run_is_not_held_against_itself(store: Store, add_run: AddRun) -> None:
    run = add_run("a")
    with pytest.raises(ShadowError, match="is the run itself"):
        known_findings(store, run, Criteria(no_new_since=run.id))
    with pytest.raises(ShadowError, match="no run nope"):
        known_findings(store, run, Criteria(no_new_since="nope"))


def test_a_run_of_the_store_is_judged_and_only_a_gate_is_kept(
    store: Store, add_run: AddRun
) -> None:
    run = add_run(*[""] * 300)
    plan = GatePlan(phase="replay", criteria=Criteria(max_divergence_rate=0.01))
    told: list[str] = []
    result = judge_stored(store, store.load(run.id), plan)
    assert result.verdict == "pass"
    assert store.load(run.id).info.gate is None
    assert gate(str(store.place), "latest", plan, tell=told.append) == result
    assert store.load(run.id).info.gate == result
    assert told == []


def test_who_failed_is_unknown_where_endpoints_were_folded(store: Store, add_run: AddRun) -> None:
    run = store.load(add_run("a").id)
    run.tally.count_skipped(OTHER, "filtered")
    (criterion,) = errors(Grounds(summary=summarise(run)), Criteria(max_error_rate=0.5))
    assert (criterion.name, criterion.verdict) == ("error-rate", "inconclusive")
