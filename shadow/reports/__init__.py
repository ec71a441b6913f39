"""Reports: pure functions of a summary, one module a format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from shadow.reports import machine, terminal
from shadow.results.summary import Summary

FORMATS: Final[Mapping[str, Callable[[Summary], str]]] = {
    "terminal": terminal.render,
    "json": machine.render,
}
"""Format name, as in `--report FORMAT=PATH` → what renders it."""
