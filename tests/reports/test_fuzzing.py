from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from shadow.fuzzing.findings import Death, Found, FuzzSummary
from shadow.model import Divergence
from shadow.reports.fuzzing import SHOWN, render, render_json
from tests.reports.hostile import texts

MOVING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that a terminal acts on, or does not show."""


def found(number: int, text: str, class_id: str | None = None) -> Found:
    divergence = Divergence(
        where="body",
        kind="value_changed",
        path=text,
        path_pattern=text,
        signature=f"{number:016x}",
        baseline=text,
        candidate=None,
        class_id=class_id,
    )
    return Found(
        divergence=divergence, endpoint=text, position=number, kinds=("query",), id=f"fuzz-{number}"
    )


def summary(text: str, *, count: int = 1) -> FuzzSummary:
    return FuzzSummary(
        seed=0,
        position=7,
        seeds=2,
        asked=9,
        mutations={"query": 3, "path": 4},
        held_back=1,
        incomparable=1,
        hollow=1,
        writes=1,
        known=1,
        new=(*(found(n, text) for n in range(count)), found(99, text, "nil-slice-null")),
        flaky=(found(100, text),),
        died=Death(name=text, requests=(text, text), ids=("fuzz-died-1", "fuzz-died-2")),
        ended="died",
        out="fuzz.jsonl",
        state="fuzz.jsonl.state",
        duration_s=1.0,
        exit_code=4,
    )


@given(texts, st.integers(0, 3))
def test_nothing_that_a_service_says_moves_the_cursor(text: str, count: int) -> None:
    shown = render(summary(text, count=count)).replace("\n", "")
    assert {unicodedata.category(each) for each in shown}.isdisjoint(MOVING)


def test_explained_ones_stand_apart_and_the_list_ends() -> None:
    lines = render(summary("GET /a", count=SHOWN + 5)).splitlines()
    assert "1 signature known from the seeds, 26 new: 25 unexplained, 1 explained" in lines
    assert "… and 5 more requests, in --json" in lines
    assert "  nil-slice-null  GET /a: body GET /a" in lines
    assert "DIED  GET /a takes no connection any more, after" in lines
    assert "mutations: path 4, query 3" in lines


def test_the_json_has_all_of_it() -> None:
    told = json.loads(render_json(summary("GET /a", count=SHOWN + 5)))
    assert (told["v"], told["exit_code"], len(told["new"])) == (1, 4, SHOWN + 6)
    assert told["new"][0] == {
        "signature": "0" * 16,
        "endpoint": "GET /a",
        "where": "body",
        "kind": "value_changed",
        "path_pattern": "GET /a",
        "class": None,
        "severity": "breaking",
        "baseline": "GET /a",
        "candidate": None,
        "position": 0,
        "mutations": ["query"],
        "id": "fuzz-0",
    }
    assert told["died"]["ids"] == ["fuzz-died-1", "fuzz-died-2"]
