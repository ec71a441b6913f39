"""`shadow races`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="races", short_help="Find what diverges under concurrency only.")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@click.option("--go", "--baseline", "baseline", metavar="URL", help="The service trusted today.")
@click.option("--rust", "--candidate", "candidate", metavar="URL", help="The service under test.")
@click.option(
    "--levels",
    default="1,4,16,64",
    show_default=True,
    metavar="N,N…",
    help="Exchanges in flight, the first 1: alone.",
)
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(2, 1_000),
    help="How often everything is asked at each level.",
)
@click.option(
    "--max-time",
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    help="Seconds after which no more is asked.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Of the order and a sample.")
@click.option("--allow-writes", is_flag=True, help="Also send what is not safe (POST, PATCH …).")
@options.allow_commands
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds a request may take in all.",
)
@click.option("--noise-profile", metavar="FILE", help="Noise that was learned before.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@options.selection
@options.config
def command(**given: Any) -> int:
    """Ask the same exchanges alone and at rising concurrency, shuffled by a seed.

    What diverges under load only, or significantly more often, is reported with the level, the
    shares there and alone, and Fisher's exact test; so is where the Go service differs from what
    it said when alone. Sessions keep their order. Exit code 1 where something is found, 3 where
    too little was asked to tell.

    \b
    shadow races capture.jsonl.gz --go http://127.0.0.1:8080 --rust http://127.0.0.1:8081
    shadow races capture.jsonl.gz --endpoint 'POST /v1/route' --levels 1,16
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.racing import races_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.races import races  # noqa: PLC0415 - as above

    return races(races_plan(given))
