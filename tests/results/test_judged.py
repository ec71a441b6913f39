from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from shadow.model import Divergence, Outcome
from shadow.results import tally as tally_module
from shadow.results.evidence import Evidence
from shadow.results.judged import judge_evidence
from shadow.results.record import Record, Seen
from shadow.results.resources import Resources
from shadow.results.runs import Run, RunInfo, Side
from shadow.results.summary import summarise
from shadow.results.tally import Tally

MakeRecord = Callable[..., Record]
LOCAL = {"rate": 100, "sides": "in-turn"}


def judged_run(info: RunInfo, make_record: MakeRecord, **fields: object) -> tuple[Run, Evidence]:
    """A run of 300 exchanges in which the candidate takes 60 % of the time."""
    random = np.random.default_rng(1)
    records = []
    for seq in range(300):
        took = int(random.lognormal(7, 0.3))
        baseline = Seen(status=200, service_us=took, response_us=took)
        fast = Seen(status=200, service_us=took * 6 // 10, response_us=took * 6 // 10)
        records.append(
            make_record(seq, session=f"s{seq}", baseline=baseline, candidate=fast, target="/a?x=1")
        )
    tally, evidence = Tally(), Evidence(["GET /a"])
    for record in records:
        tally.add(record)
    evidence.add_requests([(record.endpoint, record.target, False) for record in records])
    evidence.add_pairs(
        [
            (
                record.endpoint,
                record.session,
                record.baseline.service_us or 0,
                record.baseline.response_us or 0,
                record.candidate.service_us or 0,
                record.candidate.response_us or 0,
            )
            for record in records
            if record.baseline and record.candidate
        ]
    )
    given = {"options": LOCAL, **fields}
    return Run(info=msgspec.structs.replace(info, **given), tally=tally), evidence


def test_a_replay_against_both_has_a_verdict(info: RunInfo, make_record: MakeRecord) -> None:
    run, evidence = judged_run(info, make_record)
    summary = summarise(run, evidence=evidence)
    (endpoint,) = summary.endpoints
    assert endpoint.speed is not None
    assert endpoint.speed.verdict == "faster"
    assert endpoint.speed.pairs == 280, "without warm-up"
    assert summary.speed_withheld is None
    assert "speed-together" not in {each.code for each in summary.warnings}
    assert endpoint.rate is not None
    assert (endpoint.rate.exchanges, endpoint.rate.shapes) == (300, 1)
    assert endpoint.rate.upper == pytest.approx(1 - 0.05 ** (1 / 300))
    assert endpoint.rate.shapes_upper == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"baseline": Side(name="go")}, "speed-recorded"),
        ({"baseline": Side(name="go"), "candidate": Side(name="rust")}, "speed-recorded"),
        ({"options": {"sides": "in-turn"}}, "speed-unscheduled"),
        ({"options": {"sides": "in-turn", "concurrency": 16}}, "speed-unscheduled"),
        ({"options": {"sides": "in-turn", "concurrency": 1}}, None),
        ({"options": {"sides": "in-turn", "speed": 2.0, "concurrency": 16}}, None),
    ],
)
def test_when_no_endpoint_has_one(
    info: RunInfo, make_record: MakeRecord, fields: dict[str, object], code: str | None
) -> None:
    run, evidence = judged_run(info, make_record, **fields)
    judged = judge_evidence(run, evidence)
    assert (judged.speed_withheld.code if judged.speed_withheld else None) == code
    assert bool(judged.speeds) == (code is None)


@pytest.mark.parametrize(
    ("urls", "sides", "warned"),
    [
        (("http://127.0.0.1:1", "http://localhost:2"), "together", True),
        (("http://[::1]:1", "http://127.0.0.2:2"), "together", True),
        (("http://box.test:1", "http://box.test:2"), "together", True),
        (("http://127.0.0.1:1", "http://127.0.0.1:2"), "in-turn", False),
        (("http://a.test:1", "http://b.test:1"), "together", False),
    ],
)
def test_services_that_take_each_other_s_cpu(
    info: RunInfo, make_record: MakeRecord, urls: tuple[str, str], sides: str, *, warned: bool
) -> None:
    run, evidence = judged_run(
        info,
        make_record,
        baseline=Side(name="go", url=urls[0]),
        candidate=Side(name="rust", url=urls[1]),
        options={"rate": 100, "sides": sides},
    )
    warnings = {each.code for each in summarise(run, evidence=evidence).warnings}
    assert ("speed-together" in warnings) == warned


@pytest.mark.parametrize(("busy", "warned"), [(None, False), (0.5, False), (0.95, True)])
def test_a_busy_machine_is_told(
    info: RunInfo, make_record: MakeRecord, busy: float | None, *, warned: bool
) -> None:
    run, evidence = judged_run(info, make_record, resources=Resources(machine_busy=busy))
    warnings = {each.code for each in summarise(run, evidence=evidence).warnings}
    assert ("machine-busy" in warnings) == warned


def test_a_hollow_exchange_bounds_nothing(
    info: RunInfo, make_record: MakeRecord, make_divergence: Callable[..., Divergence]
) -> None:
    tally = Tally()
    for seq in range(100):
        tally.add(make_record(seq, hollow=seq < 40))
    tally.add(make_record(100, make_divergence()))
    tally.add(make_record(101, make_divergence(), hollow=True))
    tally.add(make_record(102, outcome=Outcome.INCOMPARABLE))
    tally.add(make_record(103, outcome=Outcome.SKIPPED))
    judged = judge_evidence(Run(info=info, tally=tally), None)
    assert judged.rate is not None
    assert (judged.rate.exchanges, judged.rate.divergent, judged.rate.shapes) == (61, 1, None)
    assert judged.rates["GET /a"] == judged.rate


def test_failures_have_a_verdict_without_any_pair(info: RunInfo, make_record: MakeRecord) -> None:
    run, _ = judged_run(info, make_record)
    evidence = Evidence(["GET /a"])
    evidence.add_failures([("GET /a", 1, 0, 9), ("GET /unknown", 0, 9, 0)])
    (endpoint,) = summarise(run, evidence=evidence).endpoints
    assert endpoint.errors is not None
    assert endpoint.errors.verdict == "more"
    assert endpoint.speed is None


def test_shapes_are_not_known_where_endpoints_are_folded(
    info: RunInfo, make_record: MakeRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, evidence = judged_run(info, make_record)
    monkeypatch.setattr(tally_module, "MAX_ENDPOINTS", 0)
    judged = judge_evidence(run, evidence)
    assert judged.rate is not None
    assert (judged.rate.exchanges, judged.rate.shapes) == (300, None)


def test_scipy_is_imported_only_where_there_is_something_to_judge() -> None:
    program = (
        "import sys\n"
        "from shadow.results.evidence import Evidence\n"
        "from shadow.results.runs import Run, RunInfo, Side\n"
        "from shadow.results.summary import summarise\n"
        "from shadow.results.tally import Tally\n"
        "info = RunInfo(command='diff', baseline=Side(name='go'), candidate=Side(name='rust'))\n"
        "evidence = Evidence(['GET /a'])\n"
        "evidence.add_pairs([('GET /a', None, 1, 1, 1, 1)] * 30)\n"
        "evidence.add_failures([('GET /a', 0, 1, 9)])\n"
        "summarise(Run(info=info, tally=Tally()), evidence=evidence)\n"
        "print(*sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "scipy" not in done.stdout.split()
