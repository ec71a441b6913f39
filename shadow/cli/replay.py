"""`shadow replay`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="replay", short_help="Send a capture to both services and compare.")
@options.captures_or("resume")
@click.option(
    "--go",
    "--baseline",
    "baseline",
    metavar="URL",
    help="The service trusted today; `recorded` takes the capture's own responses.",
)
@click.option("--rust", "--candidate", "candidate", metavar="URL", help="The service under test.")
@click.option("--secondary", metavar="URL", help="A second Go instance: learn noise from it.")
@click.option(
    "--noise",
    type=click.Choice(["off", "twice"]),
    default="off",
    show_default=True,
    help="`twice` asks the Go service twice, for a share of the safe requests.",
)
@click.option(
    "--noise-sample",
    default=0.2,
    show_default=True,
    type=options.FiniteRange(0, 1),
    help="That share, beside the first 20 of each endpoint.",
)
@click.option(
    "--repeat",
    default=0,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Ask Rust so often again what only reads: findings that come and go are its own.",
)
@options.allow_writes
@options.allow_commands
@click.option(
    "--order",
    type=click.Choice(["session", "global"]),
    default="session",
    show_default=True,
    help="Keep the order in each session, or of everything: one exchange at a time.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send nothing.")
@options.concurrency
@click.option("--rate", type=options.FiniteRange(0, min_open=True), help="Exchanges due a second.")
@click.option(
    "--ceiling",
    type=options.FiniteRange(0, min_open=True),
    help="Exchanges a second never exceeded, whatever the schedule says.",
)
@click.option(
    "--speed",
    type=options.FiniteRange(0, min_open=True),
    help="Follow the capture's timeline, so many times as fast.",
)
@click.option(
    "--max-errors",
    type=click.IntRange(0),
    help="Stop when more exchanges than this failed: no answer, or a 5xx.",
)
@click.option(
    "--max-error-share",
    type=options.FiniteRange(0, 1),
    help="Stop when a larger share of the last 200 exchanges failed.",
)
@click.option(
    "--max-latency",
    metavar="MS",
    type=options.FiniteRange(0, min_open=True),
    help="Stop when the median time of a service is longer, over the last 200.",
)
@options.timeout()
@click.option(
    "--sides",
    type=click.Choice(["together", "in-turn"]),
    default="together",
    show_default=True,
    help="Ask both at once, or one after the other in random order (fair on one machine).",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Of sampling and order.")
@options.versions
@options.workers
@click.option(
    "--resume",
    metavar="RUN",
    is_eager=True,
    help="Go on with a run that was interrupted or killed, by its own arguments.",
)
@options.selection
@options.run
def command(**given: Any) -> int:
    """Send recorded requests to the Go service and to its Rust rewrite and compare the answers.

    CAPTURE is a native capture, a HAR file or a GoReplay file, also compressed; what it is is
    recognised by its content. Reads (GET, HEAD, OPTIONS and `[safety] reads`) are sent; writes
    only with --allow-writes.

    \b
    shadow replay capture.jsonl.gz --go http://127.0.0.1:8080 --rust http://127.0.0.1:8081
    shadow replay traffic.har --go recorded --rust http://127.0.0.1:8081
    shadow replay --resume latest
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import output, replaying  # noqa: PLC0415 - loaded when the command runs
    from shadow.config.resuming import resumed  # noqa: PLC0415 - as above
    from shadow.replay.replay import replay  # noqa: PLC0415 - as above

    if given["resume"] is None:
        return replay(replaying.replay_plan(given), output.output(given))
    plan, flags = resumed({**given, "explicit": options.explicit()})
    return replay(plan, output.output(flags))
