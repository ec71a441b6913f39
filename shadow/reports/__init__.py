"""Reports: pure functions of a summary, one module a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from shadow.reports import github, gitlab, junit, machine, markdown, page, sarif, terminal
from shadow.results.summary import Summary

FORMATS: Final[Mapping[str, Callable[[Summary], str]]] = {
    "terminal": terminal.render,
    "json": machine.render,
    "markdown": markdown.render,
    "html": page.render,
    "github": github.step_summary,
    "annotations": github.workflow_commands,
    "junit": junit.render,
    "sarif": sarif.render,
    "gitlab": gitlab.render,
}
"""Format name, as in `--report FORMAT=PATH` → what renders it."""
