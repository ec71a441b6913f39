"""`shadow repro`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="repro", short_help="Print the requests of a finding as curl commands.")
@click.argument("signature")
@click.option("--run", default="latest", show_default=True, help="The run the finding is from.")
@click.option(
    "--capture",
    "captures",
    multiple=True,
    metavar="CAPTURE",
    help="Read the whole requests from here, with headers, body and credentials. Repeatable.",
)
@click.option(
    "--go", "--baseline", "baseline", metavar="URL", help="Ask here instead of the run's."
)
@click.option("--rust", "--candidate", "candidate", metavar="URL", help="As --go, for Rust.")
@click.option("--http", metavar="FILE", help="Also write an .http file that asks both sides.")
@options.store
def command(**given: Any) -> int:
    """Print a curl command for either side, for each example of a finding.

    The store keeps method and target, with secrets masked. With --capture the requests are
    what was recorded; a body that is no text is written to a file beside.

    \b
    shadow repro 1f928ee02560a719
    shadow repro 1f928ee02560a719 --capture capture.jsonl.gz --http repro.http
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports.examples import Wanted, repro  # noqa: PLC0415 - as above

    print_data(repro(Wanted(**given)))
    return 0
