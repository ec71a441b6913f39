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
@click.option(
    "--minimise", is_flag=True, help="Ask both sides until nothing more of it can be left out."
)
@click.option("--out", metavar="FILE", help="With --minimise: write what is left as a capture.")
@click.option("--allow-writes", is_flag=True, help="With --minimise: also send writes.")
@options.allow_commands
@click.option(
    "--concurrency",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="With --minimise: requests in flight, for what shows only under load.",
)
@click.option(
    "--max-requests",
    default=1000,
    show_default=True,
    type=click.IntRange(1, 1_000_000),
    help="With --minimise: requests to each side at most.",
)
@click.option(
    "--max-time",
    default=120.0,
    show_default=True,
    type=options.FiniteRange(0, min_open=True),
    help="With --minimise: seconds it may take.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=options.FiniteRange(0, min_open=True),
    help="With --minimise: seconds a request may take.",
)
@options.config
@options.store
def command(*, minimise: bool, **given: Any) -> int:
    """Print a curl command for either side, for each example of a finding.

    The store keeps method and target, with secrets masked. With --capture the requests are
    what was recorded; a body that is no text is written to a file beside.

    With --minimise both services are asked, again and again, with less of the session before it,
    and less of headers, cookies, query and body, until nothing can go without losing the finding.

    \b
    shadow repro 1f928ee02560a719
    shadow repro 1f928ee02560a719 --capture capture.jsonl.gz --http repro.http
    shadow repro 1f928ee02560a719 --capture capture.jsonl.gz --minimise
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.reproducing import minimise_plan, wanted  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.replay.minimising import minimise as smallest  # noqa: PLC0415 - as above
    from shadow.reports.examples import repro  # noqa: PLC0415 - as above

    print_data(smallest(minimise_plan(given)) if minimise else repro(wanted(given)))
    return 0
