from __future__ import annotations

import json
from pathlib import Path

import pytest

from shadow.endpoints import Endpoints
from shadow.judge import Policy
from shadow.masking import NOTHING_MORE, Hidden
from shadow.replay.dry_run import DryRun
from shadow.replay.options import ReplayOptions, ReplayPlan, Selection
from shadow.results.runs import RunInfo, Side
from shadow.sending.limits import Limits
from shadow.sending.safety import Safety
from shadow.sending.target import Target, parse_target


def target(*, rust: bool, url: str = "http://127.0.0.1:9", http2: bool = False) -> Target:
    side = ("candidate", "rust") if rust else ("baseline", "go")
    return parse_target(url, side=side[0], name=side[1], option="--url", http2=http2)  # type: ignore[arg-type]  # one of two


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    asked = [
        {"method": "GET", "target": "/a"},
        {"method": "GET", "target": "/café"},
        {"method": "POST", "target": "/a"},
        {"method": "GET", "target": "/cut", "truncated": True},
        {"method": "GET", "target": "/b"},
    ]
    lines = [json.dumps({"id": f"x{n}", "request": each}) for n, each in enumerate(asked)]
    path = tmp_path / "c.jsonl"
    path.write_text("\n".join(["{broken", *lines]) + "\n", encoding="utf-8")
    return path


def dry_run(
    capture: Path,
    *,
    baseline: Target | None,
    candidate: Target,
    limit: int | None = None,
    hidden: Hidden = NOTHING_MORE,
) -> DryRun:
    ran = DryRun(
        ReplayPlan(
            captures=(str(capture),),
            baseline=baseline,
            candidate=candidate,
            endpoints=Endpoints(),
            safety=Safety(),
            policy=Policy(),
            selection=Selection(exclude=("GET /b",), limit=limit),
            options=ReplayOptions(),
            limits=Limits(),
            info=RunInfo(command="replay", baseline=Side(name="go"), candidate=Side(name="rust")),
        ),
        hidden,
    )
    assert "· broken 1 ·" in ran.run()
    return ran


def test_each_record_is_sent_or_has_the_reason_a_replay_would_give(capture: Path) -> None:
    ran = dry_run(capture, baseline=target(rust=False), candidate=target(rust=True))
    assert sum(ran.sent.values()) == 2
    assert ran.skipped == {"write": 1, "truncated": 1, "filtered": 1}


def test_endpoints_are_masked(capture: Path) -> None:
    hidden = Hidden(patterns=("/a",))
    ran = dry_run(capture, baseline=None, candidate=target(rust=True), hidden=hidden)
    assert all(name.startswith(("GET [masked:", "GET /caf")) for name in ran.sent)


@pytest.mark.parametrize("modern", ["baseline", "candidate"])
def test_what_one_side_cannot_carry_is_not_said_to_be_sent(capture: Path, modern: str) -> None:
    ran = dry_run(
        capture,
        baseline=target(rust=False, http2=modern == "baseline"),
        candidate=target(rust=True, http2=modern == "candidate"),
    )
    assert ran.sent == {"GET /a": 1}
    assert ran.skipped["unsupported"] == 1


def test_no_more_is_read_than_the_limit_says(capture: Path) -> None:
    ran = dry_run(capture, baseline=None, candidate=target(rust=True), limit=3)
    assert sum(ran.sent.values()) == 2
    assert ran.skipped == {"write": 1}
