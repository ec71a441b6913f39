"""`shadow sessions`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.group(name="sessions", short_help="Learn what requests carry of earlier answers.")
def command() -> None:
    """Learn which tokens and ids later requests carry, so that each side is sent its own."""


@command.command(name="learn")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@click.option(
    "--min-sessions",
    "least",
    type=click.IntRange(1),
    help="Sessions that must show a rule; default: 2, or 1 where there is only one.",
)
@click.option("--append", is_flag=True, help="Add what is new to shadow.toml.")
@options.config
def learn(**given: Any) -> int:
    """Find the values that an answer gave and later requests of its session carry.

    Prints them as `[[correlate]]` tables for shadow.toml, each with what the capture shows of
    it. Exchanges without a session count as one session a file.

    \b
    shadow sessions learn capture.jsonl.gz
    shadow sessions learn capture.jsonl.gz --append
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.correlating import learning  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above

    text, told = learning(given)
    if text:
        print_data(text)
    tell(told)
    return 0


@command.command(name="show")
@click.argument("captures", nargs=-1, metavar="[CAPTURE…]")
@options.config
def show(**given: Any) -> int:
    """Show the rules of shadow.toml, and what captures show of each.

    \b
    shadow sessions show capture.jsonl.gz
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.correlating import showing  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.reports.correlation import show  # noqa: PLC0415 - as above

    print_data(show(*showing(given)))
    return 0
