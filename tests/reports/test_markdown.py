from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from shadow.model import Outcome
from shadow.reports import gfm
from shadow.reports.markdown import COMMENT_BYTES, MARKER, render
from shadow.results.record import Record
from shadow.results.summary import Summary, without_values
from tests.reports import golden, hostile, many

MakeSummary = Callable[..., Summary]
MakeRecord = Callable[[int], Record]
replace = msgspec.structs.replace

PARSER = MarkdownIt("commonmark").enable("table")
OUR_TAGS = {"details", "summary", "code", "sub", "br"}


def tokens(text: str) -> list[Token]:
    flat: list[Token] = []
    for token in PARSER.parse(text):
        flat += [token, *(token.children or [])]
    return flat


def tags(text: str) -> set[str]:
    """The names of all elements that the text makes, and what is none as it stands."""
    found: set[str] = set()
    for token in tokens(text):
        if token.type in {"html_block", "html_inline"}:
            for tag in re.findall(r"<[^>]*>?", token.content.replace(MARKER, "")):
                name = re.fullmatch(r"</?([a-z]+)>", tag)
                found.add(name[1] if name else tag)
    return found


def test_a_divergent_run(summary: Summary) -> None:
    text = render(summary)
    golden.check("divergent.md", text)
    assert text.startswith(MARKER)
    assert tags(text) == OUR_TAGS


def test_a_clean_run(make_summary: MakeSummary, make_record: MakeRecord) -> None:
    records = [
        replace(make_record(seq), divergences=(), outcome=Outcome.MATCH, hollow=False)
        for seq in range(400)
    ]
    text = render(make_summary(*records))
    golden.check("clean.md", text)
    assert "## ✅" in text


def test_a_run_that_says_nothing(make_summary: MakeSummary) -> None:
    text = render(make_summary(skipped={"write": 9}, state="interrupted"))
    golden.check("nothing.md", text)
    assert "## ⚠️" in text


def test_what_nothing_explains_comes_before_what_has_a_cause(summary: Summary) -> None:
    text = render(summary)
    assert text.index("unexplained") < text.index("nil-slice-null")


def test_every_finding_has_its_command(summary: Summary) -> None:
    text = render(summary)
    for finding in summary.findings:
        command = f"shadow repro {finding.signature} --run {summary.run_id}"
        assert (command in text) == (finding.verdict == "divergent")


@pytest.mark.parametrize("count", [200, 10_000])
def test_it_stays_below_the_limit_and_counts_what_is_left_out(summary: Summary, count: int) -> None:
    text = render(many.with_findings(summary, count))
    assert len(text.encode()) < COMMENT_BYTES
    shown = len(set(re.findall(r"shadow repro ([0-9a-f]{16})", text)))
    told = re.search(r"Not shown here: ([\d,]+) findings and 7 divergences", text)
    assert told is not None
    assert int(told[1].replace(",", "")) == count - shown
    assert shown > 30


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_stays_text(summary: Summary, text: str) -> None:
    rendered = render(hostile.full_of(summary, text))
    assert len(rendered.encode("utf-8", "backslashreplace")) < COMMENT_BYTES
    assert tags(rendered) <= OUR_TAGS
    kinds = {token.type for token in tokens(rendered)}
    assert kinds.isdisjoint({"link_open", "image", "hr", "code_block"})
    headings = [token for token in tokens(rendered) if token.type == "heading_open"]
    assert len(headings) == 3
    outside = "".join(
        token.content for token in tokens(rendered) if token.type in {"text", "html_block"}
    )
    outside = re.sub(r"<code>.*?</code>", "", outside)
    assert re.search(r"@octocat|https?://evil|www\.evil|#1\b", outside) is None


@settings(max_examples=300)
@given(hostile.texts)
def test_a_code_span_shows_just_the_text(text: str) -> None:
    (inline,) = [t for t in PARSER.parse(f"a {gfm.code(text)} z") if t.type == "inline"]
    kinds = [child.type for child in inline.children or []]
    assert kinds == ["text", "code_inline", "text"]


@settings(max_examples=300)
@given(hostile.texts)
def test_prose_is_nothing_but_text(text: str) -> None:
    inline = [t for t in PARSER.parse(f"a {gfm.prose(text)} z") if t.type == "inline"]
    kinds = {child.type for each in inline for child in each.children or []}
    assert kinds <= {"text", "text_special"}


@settings(max_examples=300)
@given(st.lists(hostile.texts, min_size=1, max_size=3))
def test_a_row_of_a_table_keeps_its_cells(cells: list[str]) -> None:
    row = [gfm.code(cell) for cell in cells]
    parsed = PARSER.parse(gfm.table(["h"] * len(row), [row]))
    assert sum(token.type == "td_open" for token in parsed) == len(row)
    assert sum(token.type == "tr_open" for token in parsed) == 2


def test_values_can_be_withheld(summary: Summary) -> None:
    text = render(without_values(summary))
    assert "[withheld]" in text
    assert "quick brown fox" not in text
    assert "12.34" not in text
