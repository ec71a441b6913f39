"""`shadow export`."""

from __future__ import annotations

import click

from shadow.cli import options


@click.command(name="export", short_help="Write a run to one portable file.")
@click.argument("run", default="latest", metavar="[RUN]")
@click.option("--out", required=True, metavar="FILE", help="Where it goes: `main.run`.")
@click.option("--no-values", is_flag=True, help="Withhold compared values.")
@options.store
def command(*, run: str, out: str, no_values: bool, store: str) -> int:
    """Write a run to one file that `drift`, `report`, `gate` and `--since` take as a RUN.

    It holds what was counted, the examples of each finding and the latencies, so that another
    machine can compare with it.

    \b
    shadow export latest --out main.run
    shadow drift main.run latest
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.reports.show import export  # noqa: PLC0415 - loaded when the command runs

    click.echo(export(run, out, store=store, no_values=no_values), err=True)
    return 0
