"""Where the results of a run go: report files, stdout for data, stderr for people."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from shadow.errors import ConfigError, ShadowError, UnfinishedError
from shadow.masking import NOTHING_MORE, Hidden
from shadow.reports import FORMATS, terminal
from shadow.reports.show import colored, width
from shadow.results.database import place_of
from shadow.results.summary import FailOn, Summary, without_values
from shadow.results.whole import replace_file
from shadow.rollout.gating import GatePlan


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """Where the results of a run go, and what its exit code says."""

    store: str
    events: str | None = None
    """None is beside the store, `-` is stdout."""
    reports: tuple[tuple[str, str], ...] = ()
    """Pairs of format and path."""
    as_json: bool = False
    quiet: bool = False
    no_values: bool = False
    hidden: Hidden = NOTHING_MORE
    """What is masked besides credentials."""
    fail_on: FailOn = "divergence"
    since: str | None = None
    on_inconclusive: Literal["fail", "pass"] = "fail"
    strict: bool = False
    gate: GatePlan | None = None
    """The gate whose exit code it is instead."""


def check_outputs(output: Output, captures: Sequence[str]) -> None:
    """Refuse a report that cannot be written, and a file with two uses, before any work is done.

    Raises ConfigError.
    """
    used = {_file(path): f"the capture {path}" for path in captures}
    place = place_of(output.store)
    if isinstance(place, Path):
        used.setdefault(_file(str(place)), "the store")
    named = [("--report " + form + "=", path) for form, path in output.reports]
    if output.events not in (None, "-"):
        named.append(("--events ", str(output.events)))
    for form, path in output.reports:
        if form not in FORMATS:
            known = ", ".join(FORMATS)
            raise ConfigError(f"--report {form}={path}: unknown format {form}", f"known: {known}")
        check_writable(path, f"--report {form}={path}")
    for option, path in named:
        file = _file(path)
        if file in used:
            raise ConfigError(f"{option}{path}: is {used[file]} too", "choose another place for it")
        if not Path(path).exists() or Path(path).is_file():  # /dev/null may have many uses
            used[file] = option.strip()


def _file(path: str) -> str:
    """What tells whether two paths name one file, also before it is there."""
    return os.path.realpath(path)


def check_writable(path: str, option: str) -> None:
    """Refuse a file that cannot be written whole. Raises ConfigError, beginning with `option`."""
    if path == "-":
        raise ConfigError(f"{option}: `-` is no file", "--json and --format write to stdout")
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise ConfigError(f"{option}: {folder} is no directory", f"mkdir -p {folder}")
    if not os.access(folder, os.W_OK) or Path(path).is_dir():
        raise ConfigError(f"{option}: cannot be written", "choose another place for it")


def deliver(summary: Summary, output: Output) -> None:
    """Write the reports, the JSON on stdout and the text on stderr.

    One that cannot be written does not keep back the others. Raises UnfinishedError for the
    first of them.
    """
    if output.no_values:
        summary = without_values(summary)
    failures: list[ShadowError] = []
    for form, path in output.reports:
        try:
            write_whole(FORMATS[form](summary), path)
        except UnfinishedError as failure:
            failures.append(failure)
    if not output.quiet and sys.stderr is not None:
        text = terminal.render(summary, width=width(sys.stderr), color=colored(sys.stderr))
        with contextlib.suppress(OSError):  # nobody reads it, and nowhere is left to say so
            sys.stderr.write(text)
            sys.stderr.flush()
    if output.as_json:
        try:
            print_data(FORMATS["json"](summary))
        except UnfinishedError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


def print_data(text: str) -> None:
    """Write data to stdout, as UTF-8 whatever the locale.

    Raises BrokenPipeError where the reader has gone away, UnfinishedError otherwise.
    """
    if sys.stdout is None:
        raise UnfinishedError("cannot write to stdout: it is closed", "redirect it to a file")
    try:
        sys.stdout.flush()
        left = text.encode("utf-8", "backslashreplace")
        while left:  # an unbuffered stream may take less than all
            left = left[sys.stdout.buffer.write(left) or 0 :]
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnfinishedError(
            f"cannot write to stdout: {error.strerror}", "free some space, or write elsewhere"
        ) from None


_REWRITE = "the run is in the store: shadow report writes it again"


def write_whole(text: str, path: str, *, hint: str = _REWRITE, private: bool = True) -> None:
    """Write a file whole or not at all. Raises UnfinishedError, with `hint`.

    It gets mode 0600, or, where it is not `private`, the mode of the one that it replaces or
    the usual one. A link stays, and what it points to is replaced.
    """
    target = Path(path).resolve()
    data = text.encode("utf-8", "backslashreplace")
    try:
        if target.exists() and not target.is_file():  # /dev/stderr, a named pipe
            target.write_bytes(data)
        else:
            replace_file(target, data, mode=0o600 if private else _usual_mode(target))
    except OSError as error:
        raise UnfinishedError(f"cannot write {path}: {error.strerror}", hint) from None


def _usual_mode(target: Path) -> int:
    """The mode of the file, or what the process gives to new ones."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask
