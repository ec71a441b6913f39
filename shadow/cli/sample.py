"""`shadow sample`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="sample", short_help="Keep a few exchanges of each kind of a capture.")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@click.option("--out", required=True, metavar="FILE", help="What to write.")
@click.option(
    "--per-shape",
    default=3,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Exchanges of each endpoint, request shape and status.",
)
@click.option("--to", metavar="FORMAT", help="As of shadow convert; default: by FILE's name.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of the drawing.")
@options.encrypt_to
@options.config
def command(**given: Any) -> int:
    """Make a small capture of a large one, with something of everything that is in it.

    The shape of a request is the names of its query parameters, of the members of its JSON or
    its form with the types of their values, its media type, and which conditional and similar
    headers it has. A session that writes is kept whole, because its order matters.

    \b
    shadow sample day.jsonl.zst --out sample.jsonl.gz --per-shape 3
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.captures.sampling import run  # noqa: PLC0415 - loaded when the command runs
    from shadow.config.captures import sample_plan  # noqa: PLC0415 - as above
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above

    for line in run(sample_plan(given)):
        tell(line)
    return 0
