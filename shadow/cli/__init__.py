"""The commands: one file each, no logic. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import contextlib
import difflib
import os
import signal
import sys
from importlib import import_module
from types import TracebackType
from typing import Any, Final, NoReturn

import click

from shadow import __version__
from shadow.errors import ShadowError
from shadow.printable import printable

COMMANDS: Final = {
    "replay": "Send a capture to both services and compare their answers.",
    "diff": "Compare the recorded answers of two captures.",
    "record": "Write down what passes to a service, redacted.",
    "sink": "Take the copies of a mirroring proxy, and compare.",
    "proxy": "Stand before the Go service, and mirror to Rust.",
    "report": "Show what a run found.",
    "gate": "Say whether a run meets the exit criteria of a phase.",
    "phase": "Show, promote and demote the phases of the rollout.",
    "route": "Show and change what the sidecars serve from Rust.",
    "serve": "Answer what the gates say, for rollout controllers.",
    "explain": "Explain a class of divergence, or a finding.",
    "repro": "Print the requests of a finding as curl commands.",
    "fuzz": "Ask both services what nobody recorded.",
    "accept": "Accept a finding until a date, in shadow.toml.",
    "noise": "Learn where the Go service differs from itself.",
    "races": "Find what diverges under concurrency only.",
    "sessions": "Learn what requests carry of earlier answers: tokens, ids.",
    "runs": "List the runs in the store.",
    "export": "Write a run to one portable file.",
    "drift": "Show what changed from one run to another.",
    "trend": "Show how a finding, an endpoint or a percentile went over runs.",
    "inspect": "Show what a capture holds and what it is fit for.",
    "sample": "Keep a few exchanges of each kind of a capture.",
    "prune": "Delete captures and runs that are old, or too many.",
    "convert": "Write captures in another format, redacted if asked.",
    "demo": "Compare two recorded captures that come with shadow.",
}
"""Every command with its one line of help; the module `shadow.cli.NAME` holds it."""

UNFINISHED: Final = 4
INTERRUPTED: Final = 130


class _Commands(click.Group):
    """Loads a command's module when it is used, so that `--help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"shadow.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near:
            raise ShadowError(f"no command {args[0]}", f"did you mean {near[0]}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shadow")
def group() -> None:
    """Shadow-traffic differential testing for services that move from Go to Rust.

    Exit codes: 0 nothing fails, 1 something fails, 2 wrong command, config or capture,
    3 inconclusive, 4 could not complete, 130 interrupted.
    """


def main() -> NoReturn:
    """Run the command line: errors are one line with a hint, never a traceback."""
    _print_any_text()
    _heed_sigterm()
    code = _run()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            # What it holds goes nowhere; left there, Python would complain of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout:  # data is lost
                code = code or UNFINISHED
    sys.exit(code)


def _run() -> int:
    try:
        result = group.main(prog_name="shadow", standalone_mode=False, auto_envvar_prefix="SHADOW")
    except (BrokenPipeError, SystemExit):  # click leaves so on a broken pipe
        sys.stdout = sys.__stdout__
        return UNFINISHED  # the reader of stdout has gone away: nobody to say it to
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return 2
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - Python's own 1 would read as a divergence
        message, hint, code = _told(error)
        with contextlib.suppress(OSError):
            click.echo(f"shadow: {printable(message)}", err=True)
            if hint:
                click.echo(f"  hint: {printable(hint)}", err=True)
        return code
    return result if isinstance(result, int) else 0


def _told(error: BaseException) -> tuple[str, str, int]:
    """The message, the hint and the exit code of what ended a command."""
    if isinstance(error, ShadowError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        return error.format_message(), f"try {context.command_path} --help" if context else "", 2
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted", "", INTERRUPTED
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        hint = "check the space and the permissions there, then run it again"
        return f"{name}{error.strerror or error}", hint, UNFINISHED
    said = f"a bug in shadow: {type(error).__name__}: {error}"
    return said, f"please report it, with: {_places(error.__traceback__)}", UNFINISHED


def _heed_sigterm() -> None:
    """Let SIGTERM end a command as Ctrl-C does: what it started ends with it, with code 130."""
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def _print_any_text() -> None:
    """Let no character of a finding be one that a locale cannot print."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            ascii_only = str(stream.encoding).lower() in {"ascii", "us-ascii", "ansi_x3.4-1968"}
            reconfigure(encoding="utf-8" if ascii_only else None, errors="backslashreplace")


def _places(trace: TracebackType | None) -> str:
    """Where an exception came through, the innermost first: `walk.py:12 diff.py:50`."""
    places = []
    while trace is not None:
        name = os.path.basename(trace.tb_frame.f_code.co_filename)  # noqa: PTH119 - pathlib is slow to import
        places.append(f"{name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " ".join(reversed(places[-8:]))
