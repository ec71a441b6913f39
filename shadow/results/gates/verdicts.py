"""What a gate says of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

GateVerdict = Literal["pass", "fail", "inconclusive"]
Unit = Literal["", "count", "share", "ratio"]

EXIT_CODES: Final[Mapping[GateVerdict, int]] = {"pass": 0, "fail": 1, "inconclusive": 3}


class CriterionResult(msgspec.Struct, frozen=True, kw_only=True):
    """One criterion, measured."""

    name: str
    """What programs know it by: `divergence-rate`, `latency-p50`."""
    verdict: GateVerdict
    unit: Unit = ""
    """Of the four numbers below."""
    measured: float | None = None
    bound: float | None = None
    low: float | None = None
    high: float | None = None
    """The interval of `measured`: of a share, its two one-sided 95 % bounds; of a ratio, 95 %."""
    more: int | None = None
    """Exchanges that would decide an inconclusive one: of a share, if all of them are clean."""
    more_at_rate: int | None = None
    """The same if they go on as measured; None where that is more than can be said."""
    endpoint: str | None = None
    """The endpoint that decides, where each is judged for itself."""
    note: str = ""


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of a run."""

    phase: str
    run_id: str
    verdict: GateVerdict
    criteria: tuple[CriterionResult, ...]


def combined(criteria: tuple[CriterionResult, ...]) -> GateVerdict:
    """Return the verdict of all: one that fails beats one that is inconclusive."""
    found = {each.verdict for each in criteria}
    if "fail" in found:
        return "fail"
    return "inconclusive" if "inconclusive" in found or not found else "pass"


def exit_code(gate: GateResult, on_inconclusive: str = "fail") -> int:
    """Return the exit code that a gate asks for; `pass` lets an inconclusive one be 0."""
    if gate.verdict == "inconclusive" and on_inconclusive == "pass":
        return 0
    return EXIT_CODES[gate.verdict]
