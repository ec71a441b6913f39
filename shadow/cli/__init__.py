"""The commands: one file each, no logic. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Final, NoReturn

import click

from shadow import __version__
from shadow.errors import ShadowError

COMMANDS: Final = {
    "replay": "Send a capture to both services and compare their answers.",
    "diff": "Compare the recorded answers of two captures.",
    "report": "Show what a run found.",
    "explain": "Explain a class of divergence, or a finding.",
    "accept": "Accept a finding until a date, in shadow.toml.",
    "noise": "Learn where the Go service differs from itself.",
    "runs": "List the runs in the store.",
    "demo": "Compare two recorded captures that come with shadow.",
}
"""Every command with its one line of help; the module `shadow.cli.NAME` holds it."""


class _Commands(click.Group):
    """Loads a command's module when it is used, so that `--help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"shadow.cli.{cmd_name}").command
        return command

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
    try:
        result = group.main(standalone_mode=False, auto_envvar_prefix="SHADOW")
    except ShadowError as error:
        _complain(error.message, error.hint)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _usage(error)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted", "")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of stdout has gone away: nothing to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(4)
    sys.exit(result if isinstance(result, int) else 0)


def _usage(error: click.ClickException) -> None:
    context = getattr(error, "ctx", None)
    hint = f"try {context.command_path} --help" if context else ""
    _complain(error.format_message(), hint)


def _complain(message: str, hint: str) -> None:
    click.echo(f"shadow: {_one_line(message)}", err=True)
    if hint:
        click.echo(f"  hint: {_one_line(hint)}", err=True)


def _one_line(text: str) -> str:
    """The text without line ends and control characters: it may quote a file or a URL."""
    return "".join(c if c.isprintable() else " " for c in text)
