"""`shadow diff`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="diff", short_help="Compare the recorded answers of two captures.")
@click.argument("baseline", metavar="GO_CAPTURE")
@click.argument("candidate", metavar="RUST_CAPTURE")
@click.option(
    "--join",
    type=click.Choice(["id", "request"]),
    default="id",
    show_default=True,
    help="What pairs two exchanges: their id, or method, target and body.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Of sampling.")
@options.versions
@options.workers
@options.selection
@options.run
def command(**given: Any) -> int:
    """Compare what two services answered when they were recorded. Nothing is sent.

    \b
    shadow diff go.jsonl.gz rust.jsonl.gz
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import diffing, output  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.diff import diff  # noqa: PLC0415 - as above

    return diff(diffing.diff_plan(given), output.output(given))
