"""`shadow fuzz`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="fuzz", short_help="Ask both services what nobody recorded.")
@options.captures_or("openapi")
@options.services
@click.option(
    "--openapi",
    metavar="FILE",
    is_eager=True,
    help="Also begin with the operations of this document that the captures have no request of.",
)
@click.option(
    "--out",
    default="fuzz.jsonl",
    show_default=True,
    metavar="FILE",
    help="The capture that the findings are written to.",
)
@click.option(
    "--state", metavar="FILE", help="How far it has come, for --resume. Default: FILE.state."
)
@click.option("--resume", is_flag=True, help="Go on where the state says; --out is appended to.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=int,
    help="Of what is drawn; with --resume the state has it.",
)
@click.option(
    "--max-requests",
    default=2_000,
    show_default=True,
    type=click.IntRange(1, 10_000_000),
    help="Requests of this round, seeds and confirmations among them.",
)
@click.option(
    "--max-time",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    type=options.FiniteRange(0, min_open=True),
    help="Seconds of this round.",
)
@click.option(
    "--concurrency",
    default=8,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="Requests in flight at once; with 1 their order is the seed's.",
)
@options.timeout(10.0)
@options.allow_writes
@options.allow_commands
@click.option("--no-minimise", is_flag=True, help="Write each finding with the request as it was.")
@options.noise_profile
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
@options.config
def command(**given: Any) -> int:
    """Change recorded requests at one place or two, and ask both services.

    First a few requests of each endpoint are asked as they are; what differs then is known. A
    difference that only a changed request shows is asked for twice more and written to --out,
    with what Go answered. Both targets must be marked `isolated` in shadow.toml.

    \b
    shadow fuzz capture.jsonl.gz --go http://127.0.0.1:8080 --rust http://127.0.0.1:8081
    shadow replay fuzz.jsonl --go http://127.0.0.1:8080 --rust http://127.0.0.1:8081
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.fuzzing import fuzz_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.fuzzing import fuzz  # noqa: PLC0415 - as above

    return fuzz(fuzz_plan(given))
