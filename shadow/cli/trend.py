"""`shadow trend`."""

from __future__ import annotations

import click

from shadow.cli import options


@click.command(name="trend", short_help="Show how a number went over runs.")
@click.argument("what", required=False, metavar="[ENDPOINT|SIGNATURE|PERCENTILE]")
@click.option(
    "--also", multiple=True, metavar="RUN", help="A run beside those of the store. Repeatable."
)
@click.option(
    "--limit", default=30, show_default=True, type=click.IntRange(1), help="The newest so many."
)
@click.option("--all-captures", is_flag=True, help="Also runs of other captures than the newest's.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@options.store
def command(
    *,
    what: str | None,
    also: tuple[str, ...],
    limit: int,
    all_captures: bool,
    as_json: bool,
    store: str,
) -> int:
    """Show how divergence and service times went over the finished runs of one capture.

    Of everything; of an endpoint, `GET /v1/items/{id}`; of a finding, by its signature; or a
    percentile of the service time, `p50`, `p90` or `p99`, of every endpoint.

    \b
    shadow trend
    shadow trend "GET /v1/items/{id}"
    shadow trend p99 --also main.run
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports.trend import show_trend  # noqa: PLC0415 - as above

    text = show_trend(
        what,
        also=also,
        store=store,
        limit=limit,
        all_captures=all_captures,
        as_json=as_json,
    )
    if as_json:
        print_data(text)
    else:
        click.echo(text, nl=False)
    return 0
