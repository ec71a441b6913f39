from __future__ import annotations

import pytest

from shadow.errors import ShadowError, UnfinishedError
from shadow.results.gates.verdicts import CriterionResult, GateResult, GateVerdict
from shadow.sidecar.ports.gate import VALUES, NotThere, gate_page
from shadow.sidecar.ports.status import Readiness, status_app
from tests.sidecar.asking import ask


async def judge(phase: str, run: str) -> GateResult:
    """Stands for the gates: what is asked for says what comes of it."""
    if phase == "unknown":
        raise NotThere(ShadowError("no gate unknown", "known are pass"))
    if phase == "busy":
        raise UnfinishedError("store s: locked", "wait")
    if phase == "broken":
        raise ShadowError("store s: damaged run", "move it")
    verdict: GateVerdict = (
        "pass" if phase == "pass" else "fail" if phase == "fail" else "inconclusive"
    )
    criterion = CriterionResult(name="x", verdict=verdict, measured=1, bound=2, unit="count")
    return GateResult(phase=phase, run_id=run, verdict=verdict, criteria=(criterion,))


APP = status_app(Readiness(), gate=gate_page(judge))


@pytest.mark.parametrize(("phase", "value"), [("pass", 1), ("fail", 0), ("inconclusive", -1)])
def test_a_verdict_is_a_number_too(phase: str, value: int) -> None:
    answer = ask(APP, f"/-/gate?phase={phase}&run=20261122")
    assert answer.status == 200
    assert (answer.json["verdict"], answer.json["value"]) == (phase, value)
    assert VALUES[answer.json["verdict"]] == value
    assert (answer.json["v"], answer.json["phase"], answer.json["run_id"]) == (1, phase, "20261122")
    assert answer.json["criteria"][0]["name"] == "x"


@pytest.mark.parametrize("query", ["phase=pass", "phase=pass&run=", "phase=pass&run=latest"])
def test_the_run_is_the_latest_unless_told(query: str) -> None:
    assert ask(APP, f"/-/gate?{query}").json["run_id"] == "latest"


@pytest.mark.parametrize(
    ("target", "status", "error"),
    [
        ("/-/gate/", 404, "no such path"),
        ("/-/gate", 400, "phase is missing"),
        ("/-/gate?phase=", 400, "phase is missing"),
        ("/-/gate?phase=pass&phase=fail", 400, "phase is given twice"),
        ("/-/gate?phase=pass&runs=1", 400, "unknown parameter runs"),
        ("/-/gate?phase=" + "x" * 1000, 414, "the query is too long"),
        ("/-/gate?phase=unknown", 404, "no gate unknown"),
        ("/-/gate?phase=busy", 503, "store s: locked"),
        ("/-/gate?phase=broken", 500, "store s: damaged run"),
    ],
)
def test_an_error_is_json_with_its_status(target: str, status: int, error: str) -> None:
    answer = ask(APP, target)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert set(answer.json) == {"error", "hint"}
