"""`shadow accept`."""

from __future__ import annotations

from datetime import datetime

import click

from shadow.cli import options


@click.command(name="accept", short_help="Accept a finding until a date, in shadow.toml.")
@click.argument("signature")
@click.option("--reason", required=True, help="Why it does no harm.")
@click.option("--owner", required=True, help="The team or person who says so.")
@click.option(
    "--expires", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day it holds."
)
@click.option("--go-is-wrong", is_flag=True, help="List it apart: the Go service has the bug.")
@click.option("--run", default="latest", show_default=True, help="The run the finding is from.")
@click.option("--config", metavar="PATH", help="The shadow.toml to write to.")
@options.store
def command(*, expires: datetime, **given: object) -> int:
    """Write an [[accept]] entry for a finding of a run into shadow.toml.

    \b
    shadow accept 1f928ee02560a719 --reason "clients parse JSON" --owner team-a --expires 2027-03-01
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.accepting import accept  # noqa: PLC0415 - loaded when the command runs

    click.echo(accept(expires=expires.date(), **given), err=True)  # type: ignore[arg-type]  # click's names are accept's
    return 0
