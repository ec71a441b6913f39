"""`shadow runs`."""

from __future__ import annotations

import click

from shadow.cli import options


@click.command(name="runs", short_help="List the runs in the store.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="The newest so many."
)
@options.store
def command(*, store: str, as_json: bool, limit: int) -> int:
    """List the runs in the store, newest first."""
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports.show import list_runs  # noqa: PLC0415 - as above

    text = list_runs(store, as_json=as_json, limit=limit)
    if as_json:
        print_data(text)
    else:
        click.echo(text, nl=False)
    return 0
