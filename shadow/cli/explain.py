"""`shadow explain`."""

from __future__ import annotations

import click

from shadow.cli import options


@click.command(name="explain", short_help="Explain a class of divergence, or a finding.")
@click.argument("what", required=False, metavar="[CLASS|SIGNATURE]")
@click.option("--run", default="latest", show_default=True, help="The run a signature is from.")
@options.store
def command(*, what: str | None, run: str, store: str) -> int:
    """Explain a class: what Go does, what Rust does, the fix on either side.

    A SIGNATURE is looked up in the run: what was found, where, examples, and its class. With
    nothing given, all classes are listed.
    """
    from shadow.reports.explain import explain  # noqa: PLC0415 - loaded when the command runs

    click.echo(explain(what, run=run, store=store), nl=False)
    return 0
