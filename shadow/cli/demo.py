"""`shadow demo`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="demo", short_help="Compare two recorded captures that come with shadow.")
@options.run
def command(**given: Any) -> int:
    """Compare what a Go service and its Rust rewrite answered to the same requests.

    Both captures come with shadow, so nothing is sent and nothing else is needed.
    """
    from shadow.config import diffing, output  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.diff import diff  # noqa: PLC0415 - as above

    return diff(diffing.demo_plan(given), output.output(given))
