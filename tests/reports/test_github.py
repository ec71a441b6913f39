from __future__ import annotations

import re

import msgspec
import pytest

from shadow.reports.github import ANNOTATIONS, SUMMARY_BYTES, step_summary, workflow_commands
from shadow.reports.markdown import MARKER
from shadow.results.summary import Summary, without_values
from tests.reports import golden, hostile, many

FILES = {"GET /v1/items/{id}": "src/items.rs:120", "*": "src/main.rs"}
COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-z]+=[^,:]*)(?:,[a-z]+=[^,:]*)*)::(.*)")


def parsed(text: str) -> list[tuple[str, dict[str, str], str]]:
    """The commands as the runner reads them (actions/runner, ActionCommand)."""
    found = []
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command is not None, line
        properties = dict(pair.split("=", 1) for pair in command[2].split(","))
        found.append((command[1], properties, command[3]))
    return found


def decoded(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(code, character)
    return text.replace("%25", "%")


def test_annotations(summary: Summary) -> None:
    text = workflow_commands(msgspec.structs.replace(summary, files=FILES))
    golden.check("annotations.txt", text)
    first = parsed(text)[0]
    assert first[0] == "error"
    assert {first[1]["file"] for first in parsed(text)} == {"src/items.rs", "src/main.rs"}


def test_without_a_map_of_files_no_file_is_named(summary: Summary) -> None:
    assert all("file" not in properties for _, properties, _ in parsed(workflow_commands(summary)))


def test_at_most_ten_of_a_type_and_the_last_counts_the_rest(summary: Summary) -> None:
    found = parsed(workflow_commands(many.with_findings(summary, 3000, endpoints=500)))
    for kind in ("error", "warning", "notice"):
        of_kind = [text for each, _, text in found if each == kind]
        assert len(of_kind) == ANNOTATIONS
        assert re.match(r"[\d,]+ more causes not shown here", of_kind[-1])


def test_an_inconclusive_run_is_an_error(summary: Summary) -> None:
    given = msgspec.structs.replace(summary, conclusion="inconclusive", findings=())
    assert [kind for kind, _, _ in parsed(workflow_commands(given))] == ["error"]


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_hostile_text_makes_no_command(summary: Summary, text: str) -> None:
    rendered = workflow_commands(hostile.full_of(summary, text))
    assert rendered.isprintable() or set(rendered) - {"\n"} == set(rendered.replace("\n", ""))
    for _, properties, message in parsed(rendered):
        assert properties.keys() <= {"title", "file", "line"}
        assert not any(c in decoded(message) for c in "\x00\x1b\x85\u2028")


def test_the_step_summary_is_bounded_and_no_comment(summary: Summary) -> None:
    text = step_summary(many.with_findings(summary, 10_000))
    assert 60_000 < len(text.encode()) < SUMMARY_BYTES < 1024 * 1024
    assert MARKER not in text
    golden.check("step-summary.md", step_summary(summary))


def test_values_can_be_withheld(summary: Summary) -> None:
    text = workflow_commands(without_values(summary))
    assert "[withheld]" in text
    assert "quick brown fox" not in text
