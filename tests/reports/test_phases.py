from __future__ import annotations

from datetime import UTC, datetime

from shadow.reports.phases import decided, render
from shadow.results.phases import Decision, standings

ORDER = ("replay", "canary", "full")
MADE = Decision(
    at=datetime(2026, 11, 22, 12, 5, tzinfo=UTC),
    by="ada",
    action="promote",
    phase="replay",
    to="canary",
    run_id="r1",
    verdict="fail",
    versions={"shadow": "0.1.0", "rust": "1.4"},
    override=True,
    reason="train",
    risk="p99",
    incident="INC-7",
    escalate_to="sre",
    note="n",
)


def test_a_decision_on_one_line() -> None:
    assert decided(MADE) == (
        "2026-11-22 12:05 ada: promote replay → canary; run r1 (fail); against the gate;"
        " reason: train; risk: p99; incident: INC-7; escalate to: sre; note: n;"
        " shadow 0.1.0 rust 1.4"
    )
    bare = Decision(at=MADE.at, by="b", action="demote", phase="full", to="replay")
    assert decided(bare) == "2026-11-22 12:05 b: demote full → replay"


def test_where_a_rollout_stands() -> None:
    ledger = [MADE]
    text = render(standings(ORDER, {"canary": 1}, ledger), None, "no run", ledger, width=250)
    assert text.splitlines() == [
        f"passed   replay  {decided(MADE)}",
        f"current  canary  {decided(MADE)}",
        "ahead    full    no gate",
        "",
        "missing: no run",
        "",
        "decisions, the newest first",
        decided(MADE),
    ]
    text = render(standings(ORDER, {}, []), None, None, [], width=250)
    assert text.splitlines()[-1] == "to go on: shadow phase promote"


def test_old_decisions_are_counted() -> None:
    ledger = [MADE] * 13
    text = render(standings(ORDER, {}, ledger), None, None, ledger, width=250)
    assert text.splitlines()[-1] == "… and 3 more (shadow phase status --json)"
