"""`shadow races`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="races", short_help="Find what diverges under concurrency only.")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@options.services
@click.option(
    "--levels",
    default="1,4,16,64",
    show_default=True,
    metavar="N,…",
    help="Sessions in flight at once, level by level; alone (1) is asked in any case.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(2, 10_000),
    help="How often everything is asked at each level.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Of the order.")
@click.option(
    "--max-time",
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    type=options.FiniteRange(0, min_open=True),
    help="Seconds after which nothing more is asked.",
)
@options.timeout()
@options.allow_writes
@options.allow_commands
@options.limit
@options.patterns
@options.noise_profile
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on stdout.")
@click.option("--quiet", is_flag=True, help="Print no progress and no text.")
@click.option("--no-values", is_flag=True, help="Withhold compared values.")
@options.config
def command(**given: Any) -> int:
    """Ask both services the same alone, then many at once, and tell what only that brings.

    Each round asks every session one after the other, then so many at a time, shuffled by the
    seed. A difference that is significantly more frequent than alone (Fisher's exact test) is a
    finding. Go's answers are compared with its own ones alone as well.

    Exit codes: 1 something was found, 0 nothing, 3 too little was asked to tell.

    \b
    shadow races capture.jsonl.gz --go http://127.0.0.1:8080 --rust http://127.0.0.1:8081
    shadow races capture.jsonl.gz --endpoint 'POST /v1/route' --levels 1,16 --rounds 10
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.racing import races_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.races import races  # noqa: PLC0415 - as above

    return races(races_plan(given))
