from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import ConfigError, ShadowError
from shadow.results.gates.verdicts import GateResult, GateVerdict
from shadow.results.phases import (
    Decision,
    current_phase,
    objection,
    phase_after,
    phase_before,
    standings,
)
from shadow.results.runs import RunInfo, Side

ORDER = ("replay", "mirror", "canary", "full")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def decision(phase: str, to: str) -> Decision:
    action = "promote" if ORDER.index(to) > ORDER.index(phase) else "demote"
    return Decision(at=NOON, by="ada", action=action, phase=phase, to=to)  # type: ignore[arg-type]  # as above


def gate(verdict: GateVerdict) -> GateResult:
    return GateResult(phase="replay", run_id="r", verdict=verdict, criteria=())


def run(minutes: int) -> RunInfo:
    side = Side(name="x")
    started = NOON + timedelta(minutes=minutes)
    return RunInfo(id="r", command="replay", baseline=side, candidate=side, started=started)


def test_a_rollout_begins_in_the_first_phase() -> None:
    assert current_phase(ORDER, []) == "replay"


@given(st.lists(st.integers(0, 3), max_size=10))
def test_a_rollout_is_where_the_last_decision_led(places: list[int]) -> None:
    ledger, here = [], ORDER[0]
    for place in places:
        if ORDER[place] != here:
            ledger.append(decision(here, ORDER[place]))
            here = ORDER[place]
    assert current_phase(ORDER, ledger) == here
    found = standings(ORDER, {"replay": 1}, ledger)
    assert [each.phase for each in found] == list(ORDER)
    at = ORDER.index(here)
    expected = ["passed"] * at + ["current"] + ["ahead"] * (len(ORDER) - at - 1)
    assert [each.stand for each in found] == expected
    assert [each.gated for each in found] == [True, False, False, False]
    for each in found:
        concerned = [one for one in ledger if each.phase in (one.phase, one.to)]
        assert each.last == (concerned[-1] if concerned else None)


def test_no_phases_or_an_unknown_one_are_for_the_config_to_mend() -> None:
    with pytest.raises(ConfigError, match="no phase is configured"):
        current_phase((), [])
    with pytest.raises(ConfigError, match="the ledger ends in phase full, which is not"):
        current_phase(ORDER[:2], [decision("canary", "full")])


def test_one_phase_after_the_other() -> None:
    assert [phase_after(ORDER, each) for each in ORDER[:3]] == list(ORDER[1:])
    with pytest.raises(ShadowError, match="full is the last phase"):
        phase_after(ORDER, "full")


def test_back_to_any_earlier_phase() -> None:
    assert [phase_before(ORDER, each, None) for each in ORDER[1:]] == list(ORDER[:3])
    assert phase_before(ORDER, "full", "replay") == "replay"
    for wanted in ("full", "canary", "nowhere"):
        with pytest.raises(ShadowError, match=f"{wanted} is no phase before canary"):
            phase_before(ORDER, "canary", wanted)
    with pytest.raises(ShadowError, match="replay is the first phase"):
        phase_before(ORDER, "replay", None)


@pytest.mark.parametrize(
    ("minutes", "verdict", "decided", "expected"),
    [
        (5, "pass", False, None),
        (5, "pass", True, None),
        (-5, "pass", False, None),
        (-5, "pass", True, "from before the phase was entered"),
        (0, "pass", True, "from before the phase was entered"),
        (5, "fail", True, "the gate says fail"),
        (5, "inconclusive", False, "the gate says inconclusive"),
    ],
)
def test_what_speaks_against_a_promotion(
    minutes: int, verdict: GateVerdict, decided: bool, expected: str | None
) -> None:
    ledger = [decision("canary", "replay")] if decided else []
    found = objection(gate(verdict), run(minutes), ledger)
    assert (found is None) == (expected is None)
    assert expected is None or expected in (found or "")


def test_without_a_gate_or_a_run_there_is_nothing_to_go_by() -> None:
    assert objection(None, run(1), []) == "the phase has no gate"
    assert objection(gate("pass"), None, []) == "the phase has no gate"


def test_a_decision_comes_back_as_it_was_entered() -> None:
    made = msgspec.structs.replace(
        decision("replay", "mirror"), versions={"rust": "1.2"}, override=True, risk="p99"
    )
    assert msgspec.json.decode(msgspec.json.encode(made), type=Decision) == made
