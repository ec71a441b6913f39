"""`shadow prune`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="prune", short_help="Delete captures and runs that are old, or too many.")
@click.argument("places", nargs=-1, metavar="[FOLDER|FILE]…")
@click.option("--older-than", metavar="TIME", help="Captures written longer ago, 30d.")
@click.option("--keep-bytes", metavar="SIZE", help="The oldest captures beyond so much, 10GiB.")
@click.option("--runs-older-than", metavar="TIME", help="Runs that began longer ago, 90d.")
@click.option("--dry-run", is_flag=True, help="Say what would go; delete nothing.")
@options.store
def command(**given: Any) -> int:
    """Delete what is kept for too long. Without a limit nothing goes.

    Of a folder only captures go that shadow wrote, encrypted ones among them; not a recording
    that goes on, no link, and nothing in a folder below. The newest run stays, and so does one
    that goes on; what the phases have decided stays too.

    \b
    shadow prune recordings/ --older-than 30d --keep-bytes 50GiB --dry-run
    shadow prune --runs-older-than 90d
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.captures import prune_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.pruning import prune  # noqa: PLC0415 - as above

    for line in prune(prune_plan(given)):
        click.echo(line)
    return 0
