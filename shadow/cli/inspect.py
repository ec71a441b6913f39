"""`shadow inspect`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="inspect", short_help="Show what a capture holds and what it is fit for.")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@options.config
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--all", "show_all", is_flag=True, help="Show every endpoint, or every place.")
@click.option("--secrets", is_flag=True, help="Name what is secret in it, and where; no value.")
def command(
    *, captures: tuple[str, ...], as_json: bool, show_all: bool, secrets: bool, **given: Any
) -> int:
    """Show what a capture holds: endpoints, rates, sizes, sessions, writes, and what is missing.

    Endpoints are ranked by the service time that was recorded: those that spend the most are
    the candidates for a rewrite. Nothing is sent.

    \b
    shadow inspect capture.jsonl.gz
    shadow inspect traffic.har --json
    shadow inspect traffic.har --secrets
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.captures import inspecting, secrets_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.delivery import print_data  # noqa: PLC0415 - as above
    from shadow.reports.inspection import inspect  # noqa: PLC0415 - as above
    from shadow.reports.secrets import find_secrets  # noqa: PLC0415 - as above

    if secrets:
        text = find_secrets(captures, *secrets_plan(given), as_json=as_json, show_all=show_all)
    else:
        text = inspect(captures, *inspecting(given), as_json=as_json, show_all=show_all)
    if as_json:
        print_data(text)
    else:
        click.echo(text, nl=False)
    return 0
