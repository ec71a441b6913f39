"""A run worth reporting, built from records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from shadow.model import Divergence, Kind, Outcome, Where
from shadow.results.record import Record, Seen
from shadow.results.runs import Run, RunInfo, Side
from shadow.results.summary import Summary, summarise
from shadow.results.tally import Tally

ENDPOINTS = (
    "GET /v1/items/{id}",
    "POST /v1/quote",
    "GET /v1/search",
    "GET /v1/customers/{id}/orders/{order}/lines",
)
LONG = "$['lines'][*]['product']['description']['localised']['text']"
FOX = "The quick brown fox jumps over the lazy dog"


def divergence(
    mark: str,
    path: str,
    values: tuple[str | None, str | None],
    *,
    where: Where = "body",
    kind: Kind = "value_changed",
    **judged: object,
) -> Divergence:
    found = Divergence(
        where=where,
        kind=kind,
        path=path.replace("*", "3"),
        path_pattern=path,
        signature=mark * 8,
        baseline=values[0],
        candidate=values[1],
    )
    return msgspec.structs.replace(found, **judged)


def excused(mark: str, name: str, verdict: str, rule: str | None) -> Divergence:
    return divergence(
        mark,
        f"$['{name}']",
        ("1.0", "1"),
        class_id=name,
        severity="benign",
        verdict=verdict,
        rule=rule,
    )


EVERY = (
    excused("e0", "float-integral-point", "equivalent", "class:float-integral-point"),
    excused("e1", "html-escape", "equivalent", "class:html-escape"),
)
NIL = divergence("a1", "$['items']", ("null", "[]"), kind="type_changed", class_id="nil-slice-null")
TEXT = divergence("d1", LONG, (f'"{FOX}\\u00e9 and on"', f'"{FOX}é and"'), severity="risky")
LOST = divergence(
    "f1", "cache-control", ("no-store", None), where="header", kind="missing", unstable=True
)
LATE = divergence(
    "01", "", (None, "timeout"), where="transport", kind="no_answer", wrong_side="baseline"
)
SOME: tuple[tuple[int, int, Divergence], ...] = (
    (20, 0, NIL),
    (100, 1, divergence("b1", "$['total']", ("12.340000000000001", "12.34"))),
    (400, 2, divergence("c1", "", ("200", "404"), where="status")),
    (300, 3, TEXT),
    (500, 7, msgspec.structs.replace(LOST, severity="risky")),
    (700, 7, LATE),
    (50, 9, excused("e2", "time", "noise", "noise:rfc3339")),
    (80, 9, excused("e3", "html-escape", "accepted", "accept:html-escape")),
)
"""Every how many exchanges, from which on, which divergence."""


def record(seq: int) -> Record:
    found = [each for every, offset, each in SOME if seq % every == offset]
    failing = any(each.verdict == "divergent" for each in found)
    endpoint = ENDPOINTS[seq % 4]
    took = 900 + seq * 7919 % 1000
    return Record(
        seq=seq,
        exchange_id=f"x{seq}",
        endpoint=endpoint,
        method=endpoint.split()[0],
        target=endpoint.split()[1],
        outcome=Outcome.DIVERGENT if failing else Outcome.EQUIVALENT,
        hollow=seq % 200 == 0,
        baseline=Seen(status=200, service_us=took, response_us=took + 90),
        candidate=Seen(status=200, service_us=took // 2, response_us=took // 2 + 90),
        divergences=(*EVERY, *found),
        spellings=("header-name-case", "header-order"),
    )


INFO = RunInfo(
    id="20261122-130501-3f2a",
    command="replay",
    state="finished",
    started=datetime(2026, 11, 22, 13, 5, 1, tzinfo=UTC),
    duration_s=12.34,
    captures=("prod-2026-11-20.jsonl.zst",),
    baseline=Side(name="go", url="http://127.0.0.1:8080"),
    candidate=Side(name="rust", url="http://127.0.0.1:8081"),
    events=".shadow/events.jsonl",
)

MakeSummary = Callable[..., Summary]


@pytest.fixture(scope="session")
def make_summary() -> MakeSummary:
    """Summarise records, skips and broken lines; other arguments change the run's info."""

    def make(
        *records: Record, skipped: dict[str, int] | None = None, broken: int = 0, **info: object
    ) -> Summary:
        tally = Tally()
        for each in records:
            tally.add(each)
        for reason, count in (skipped or {}).items():
            tally.count_skipped("POST /v1/orders", reason, count)
        tally.count_broken(broken)
        run = Run(info=msgspec.structs.replace(INFO, **info), tally=tally)
        return summarise(run, store=".shadow/shadow.sqlite")

    return make


@pytest.fixture(scope="session")
def make_record() -> Callable[[int], Record]:
    return record


@pytest.fixture(scope="session")
def summary(make_summary: MakeSummary) -> Summary:
    """Two thousand exchanges of four endpoints with six findings."""
    records = [record(seq) for seq in range(2000)]
    return make_summary(*records, skipped={"write": 20, "unsupported": 6}, broken=3)
