from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from shadow.reports import FORMATS
from shadow.reports.provenance import build_text, builds_text, commit_text, machine_text, rows
from shadow.reports.terminal import render
from shadow.results.provenance import Build, Commit, Machine, Provenance
from shadow.results.record import Record
from shadow.results.summary import Summary

NONE = Provenance(
    shadow="0.1.0",
    digest="",
    baseline=Build(),
    candidate=Build(),
    commit=None,
    machine=None,
    seed=None,
)


def test_what_is_not_known_is_a_dash() -> None:
    assert {build_text(Build()), commit_text(None), machine_text(None)} == {"\N{EN DASH}"}
    assert builds_text(NONE, "go", "rust") == ""


def test_what_is_known() -> None:
    build = Build(version="1.0", toolchain="go1.23", lockfile="ab" * 32)
    assert build_text(build) == "1.0, go1.23, lock abababab"
    assert build_text(Build(toolchain="go1.23")) == "go1.23"
    assert commit_text(Commit(sha="0123456789abcdef", dirty=True)) == "0123456789ab and changes"
    machine = Machine(cores=1, architecture="arm64", system="Linux 6.8")
    assert machine_text(machine) == "1 core, arm64, Linux 6.8"


@pytest.mark.parametrize("form", ["html", "markdown"])
def test_who_was_compared_stands_in_the_details(
    make_summary: Callable[..., Summary], make_record: Callable[[int], Record], form: str
) -> None:
    made = {
        "baseline_build": Build(version="2.4.0", toolchain="go1.23"),
        "candidate_build": Build(note="GET /version: status 404"),
        "commit": Commit(sha="0123456789abcdef", dirty=True),
        "machine": Machine(cores=2, architecture="x86_64", system="Linux 6.8", cpu="EPYC"),
    }
    summary = make_summary(make_record(0), **made)
    assert rows(summary) == [
        ("build of go", "2.4.0, go1.23"),
        ("build of rust", "GET /version: status 404"),
        ("commit", "0123456789ab and changes"),
        ("machine", "2 cores, x86_64, Linux 6.8"),
        ("processor", "EPYC"),
    ]
    text = FORMATS[form](summary)
    for name, said in rows(summary):
        assert re.search(rf"{name}\W+(th|td|code|\W)*{said}", text), name
    assert rows(make_summary(make_record(0))) == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_report_names_the_builds(
    make_summary: Callable[..., Summary], make_record: Callable[[int], Record], width: int
) -> None:
    builds = {
        "baseline_build": Build(version="2.4.0", toolchain="go1.23"),
        "candidate_build": Build(version="\x1b[31m0.5"),
    }
    text = render(make_summary(make_record(0), **builds), width=width)
    assert "go 2.4.0, go1.23 · rust \\x1b[31m0.5\n" in text
    assert max(map(cell_len, text.splitlines())) <= width
