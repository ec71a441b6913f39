"""Where the results of a run go: report files, stdout for data, stderr for people."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

import msgspec

from shadow.errors import ConfigError, UnfinishedError
from shadow.reports import FORMATS, terminal
from shadow.results.summary import FailOn, Summary, without_values


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Where the results of a run go, and what its exit code says."""

    store: str
    events: str | None = None
    """None is beside the store, `-` is stdout."""
    reports: dict[str, str] = {}
    """Path by format."""
    as_json: bool = False
    quiet: bool = False
    no_values: bool = False
    fail_on: FailOn = "divergence"
    since: str | None = None
    on_inconclusive: Literal["fail", "pass"] = "fail"
    strict: bool = False


def check_reports(reports: dict[str, str]) -> None:
    """Refuse a report that cannot be written, before any work is done. Raises ConfigError."""
    for form, path in reports.items():
        option = f"--report {form}={path}"
        if form not in FORMATS:
            raise ConfigError(f"{option}: unknown format {form}", f"known: {', '.join(FORMATS)}")
        folder = Path(path).resolve().parent
        if not folder.is_dir():
            raise ConfigError(f"{option}: {folder} is no directory", f"mkdir -p {folder}")
        if not os.access(folder, os.W_OK) or Path(path).is_dir():
            raise ConfigError(f"{option}: cannot be written", "choose another place for it")


def deliver(summary: Summary, output: Output) -> None:
    """Write the reports, the JSON on stdout and the text on stderr. Raises UnfinishedError."""
    if output.no_values:
        summary = without_values(summary)
    for form, path in output.reports.items():
        write_whole(FORMATS[form](summary), path)
    if output.as_json:
        sys.stdout.write(FORMATS["json"](summary))
        sys.stdout.flush()
    if not output.quiet:
        sys.stderr.write(terminal.render(summary, width=width(), color=sys.stderr.isatty()))


def width() -> int:
    """Columns of the terminal behind stderr, 60 to 140; 100 where there is none."""
    try:
        return max(60, min(140, os.get_terminal_size(sys.stderr.fileno()).columns))
    except (OSError, ValueError):
        return 100


def write_whole(text: str, path: str) -> None:
    """Write a file whole or not at all, mode 0600. Raises UnfinishedError."""
    part = Path(f"{path}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            file.write(text)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnfinishedError(
            f"cannot write {path}: {error.strerror}",
            "the run is in the store: shadow report writes it again",
        ) from None
