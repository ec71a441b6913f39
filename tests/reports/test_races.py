"""`shadow races` as a person reads it, and as a program does."""

from __future__ import annotations

import json
import shlex

from shadow.config.racing import levels
from shadow.reports.races import command, render, render_json
from shadow.reports.text import plain
from shadow.results.races import Counts, RacesSummary
from tests.reports.hostile import TEXTS
from tests.results.test_races import COST, add, summary


def racy(endpoint: str = "POST /v1/route") -> RacesSummary:
    counts = Counts([1, 16])
    add(counts, 1, 0, 50, endpoint=endpoint)
    add(counts, 16, 40, 50, endpoint=endpoint)
    return summary(counts.found(2))


def test_a_race_as_text() -> None:
    text = render(racy())
    assert text.startswith("RACES  1 finding that concurrency brings \N{EN DASH} go vs rust\n")
    assert f"{COST.signature}  POST /v1/route  value_changed · body $['cost']" in text
    assert "  alone 0.0% of 50, at 16 80.0%; p = " in text
    assert "  x0: go 525, rust 226\n" in text
    assert "'POST /v1/route' --levels 1,16 --seed 0\n" in text


def test_the_command_is_one_for_a_shell() -> None:
    whole = racy("GET /a[1]*'; rm -rf /")
    (race,) = whole.found.races
    words = shlex.split(command(race, whole))
    assert words[:3] == ["shadow", "races", "c.jsonl"]
    assert words[words.index("--endpoint") + 1] == "GET /a[[]1][*]'; rm -rf /"
    assert levels(words[words.index("--levels") + 1]) == (1, 16)


def test_nothing_found_says_how_sure_that_is() -> None:
    counts = Counts([1, 16])
    for level in (1, 16):
        add(counts, level, 0, 50)
    text = render(summary(counts.found(2)))
    assert text.startswith("NONE  ")
    assert "what was never seen at 16 is in less than 5.8% of the answers there (95 %)\n" in text


def test_too_little_says_how_much_would_tell() -> None:
    counts = Counts([1, 16])
    for level in (1, 16):
        add(counts, level, 0, 3)
    whole = summary(counts.found(3))
    text = render(whole)
    assert text.startswith("INCONCLUSIVE  endpoints were asked too little to tell")
    needed = whole.found.untold[0].rounds_needed
    assert f"asked too little to tell: POST /v1/route; --rounds {needed} would tell\n" in text


def test_a_race_of_the_baseline_has_its_own_heading() -> None:
    counts = Counts([1, 16])
    for side in ("baseline", "candidate"):
        add(counts, 1, 0, 50, side=side)
        add(counts, 16, 40, 50, side=side)
    text = render(summary(counts.found(2)))
    assert "GO  not what it answers alone\n" in text
    assert "RUST  under concurrency" not in text
    assert "x0: alone 525, then 226\n" in text


def test_nothing_of_an_answer_is_interpreted() -> None:
    for hostile in TEXTS:
        lines = render(racy(f"GET /{hostile}")).splitlines()
        assert lines == [plain(each) for each in lines]


def test_the_json() -> None:
    told = json.loads(render_json(racy()))
    assert (told["v"], told["exit_code"], told["inconclusive"]) == (1, 1, [])
    (race,) = told["races"]
    assert (race["signature"], race["level"], race["class"]) == (COST.signature, 16, None)
    assert race["reproduce"].startswith("shadow races c.jsonl ")
