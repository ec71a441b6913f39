from __future__ import annotations

import unicodedata
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion

from shadow.model import Divergence, Outcome
from shadow.reports.terminal import render
from shadow.results.record import Record, Seen
from shadow.results.runs import Side
from shadow.results.summary import Summary, without_values

MakeRecord = Callable[[int], Record]
MakeSummary = Callable[..., Summary]
replace = msgspec.structs.replace

HOSTILE = "\x1b[31m\r\n\x07\u202e\x9b\u200b[bold red]x[/] :warning: é 😀 漢字 [link=http://evil]"


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_divergent_run(summary: Summary, width: int, snapshot: SnapshotAssertion) -> None:
    text = render(summary, width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text == snapshot


def test_a_run_in_colour(summary: Summary, snapshot: SnapshotAssertion) -> None:
    text = render(summary, color=True)
    assert "\x1b[" in text
    assert text == snapshot


def test_no_colour_unless_asked(summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    assert "\x1b" not in render(summary)
    assert render(summary) == render(summary, width=100)


def test_a_clean_run(
    make_summary: MakeSummary, make_record: MakeRecord, snapshot: SnapshotAssertion
) -> None:
    records = [
        replace(make_record(seq), divergences=(), outcome=Outcome.MATCH, hollow=False)
        for seq in range(400)
    ]
    assert render(make_summary(*records)) == snapshot


def test_a_run_that_says_nothing(
    make_summary: MakeSummary, make_record: MakeRecord, snapshot: SnapshotAssertion
) -> None:
    lost = [
        replace(
            make_record(seq),
            divergences=(),
            outcome=Outcome.INCOMPARABLE,
            reason="baseline timeout",
            hollow=False,
            baseline=Seen(no_answer="timeout"),
        )
        for seq in range(4)
    ]
    text = render(make_summary(*lost, skipped={"write": 9}, state="interrupted", events=""))
    assert text == snapshot


def test_a_diff_of_captures_has_no_latencies(
    make_summary: MakeSummary, make_record: MakeRecord
) -> None:
    seen = Seen(status=200)
    record = replace(make_record(0), baseline=seen, candidate=seen)
    assert "service time" not in render(make_summary(record))


def test_values_can_be_withheld(summary: Summary) -> None:
    text = render(without_values(summary))
    assert "12.34" not in text.replace("12.3 s", "")
    assert "[withheld]" in text
    assert "(absent)" in text


def finding(number: int) -> Divergence:
    return Divergence(
        where="body",
        kind="value_changed",
        path=f"$['f{number}']",
        path_pattern=f"$['f{number}']",
        signature=f"{number:016x}",
        baseline="1",
        candidate="2",
    )


def test_long_lists_are_cut_and_say_so(make_summary: MakeSummary, make_record: MakeRecord) -> None:
    divergences = tuple(finding(number) for number in range(25))
    record = replace(make_record(0), divergences=divergences, outcome=Outcome.DIVERGENT)
    summary = make_summary(record)
    text = render(summary)
    assert text.count("value_changed") == 20
    assert "… and 5 more (shadow report 20261122-130501-3f2a --all)" in text
    everything = render(summary, limit=None)
    assert everything.count("value_changed") == 25
    assert "--all" not in everything


def hostile(make_summary: MakeSummary, make_record: MakeRecord, text: str) -> Summary:
    divergent = Divergence(
        where="body",
        kind="value_changed",
        path=text,
        path_pattern=text,
        signature=text,
        baseline=text,
        candidate=text + "x",
        class_id=text,
    )
    record = replace(
        make_record(0),
        exchange_id=text,
        endpoint=text,
        method=text,
        target=text,
        spellings=(text,),
        outcome=Outcome.DIVERGENT,
        divergences=(divergent, replace(divergent, verdict="noise", rule=text)),
    )
    return make_summary(
        record,
        skipped={text: 1},
        id=text,
        captures=(text,),
        events=text,
        command=text,
        baseline=Side(name=text),
        candidate=Side(name=text),
    )


def test_nothing_a_service_says_is_interpreted(
    make_summary: MakeSummary, make_record: MakeRecord
) -> None:
    text = render(hostile(make_summary, make_record, HOSTILE), width=120)
    assert "\\x1b[31m\\x0d\\n\\x07\\u202e\\x9b\\u200b[bold red]x[/] :warning: é 😀" in text
    assert render(hostile(make_summary, make_record, HOSTILE), width=120, color=True) != text


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.integers(60, 140))
def test_any_text_is_safe_and_fits(
    make_summary: MakeSummary, make_record: MakeRecord, text: str, width: int
) -> None:
    shown = render(hostile(make_summary, make_record, text), width=width)
    assert all(
        unicodedata.category(sign) not in {"Cc", "Cf", "Zl", "Zp"}
        for sign in shown.replace("\n", "")
    )
    assert max(map(cell_len, shown.split("\n"))) <= width
