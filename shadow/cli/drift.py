"""`shadow drift`."""

from __future__ import annotations

import click

from shadow.cli import options


@click.command(name="drift", short_help="Show what changed from one run to another.")
@click.argument("before", metavar="RUN_A")
@click.argument("after", default="latest", metavar="[RUN_B]")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--all", "show_all", is_flag=True, help="Show every finding and endpoint.")
@click.option("--no-values", is_flag=True, help="Withhold compared values.")
@click.option(
    "--fail-on",
    type=click.Choice(["new", "never"]),
    default="never",
    show_default=True,
    help="What makes the exit code 1; `new`: a finding that RUN_A does not have.",
)
@options.store
def command(
    *,
    before: str,
    after: str,
    as_json: bool,
    show_all: bool,
    no_values: bool,
    fail_on: str,
    store: str,
) -> int:
    """Show what changed from RUN_A to RUN_B: findings, latencies, resources.

    A RUN is an id, the beginning of one, `latest`, or a file that `shadow export` wrote.

    \b
    shadow drift main.run latest
    shadow drift 20261120 20261122 --json
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports.drift import show_drift  # noqa: PLC0415 - as above

    text, has_new = show_drift(
        before, after, store=store, as_json=as_json, show_all=show_all, no_values=no_values
    )
    if as_json:
        print_data(text)
    else:
        click.echo(text, nl=False)
    return int(has_new and fail_on == "new")
