"""`shadow report`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="report", short_help="Show what a run found.")
@click.argument("run", default="latest", metavar="[RUN]")
@click.option(
    "--format",
    "form",
    default="terminal",
    show_default=True,
    help="terminal, json, markdown, html, junit, sarif, github, annotations or gitlab.",
)
@click.option("--all", "show_all", is_flag=True, help="Show every finding.")
@click.option("--no-values", is_flag=True, help="Withhold compared values.")
@options.store
def command(**given: Any) -> int:
    """Show what a run found. RUN is an id, the beginning of one, or `latest`.

    \b
    shadow report
    shadow report 20261122 --format html > report.html
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports.show import show  # noqa: PLC0415 - as above

    if given["form"] == "terminal":
        click.echo(show(**given), nl=False)
    else:
        print_data(show(**given))
    return 0
