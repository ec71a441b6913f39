"""`shadow noise`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.group(name="noise", short_help="Learn where the Go service differs from itself.")
def command() -> None:
    """Learn where the Go service differs from itself, once, and use it without a second Go."""


@command.command(name="learn")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@click.option("--go", "--baseline", "baseline", metavar="URL", help="The service trusted today.")
@click.option(
    "--secondary", metavar="URL", help="A second instance; else the first is asked twice."
)
@click.option("--out", required=True, metavar="FILE", help="Where the profile goes.")
@options.config
@options.concurrency
@options.timeout()
@click.option("--seed", default=0, show_default=True, type=int, help="Of sampling and order.")
@options.allow_commands
@options.selection
def learn(*, out: str, **given: Any) -> int:
    """Send the safe requests of a capture to Go twice and write down what differs.

    \b
    shadow noise learn capture.jsonl.gz --go http://127.0.0.1:8080 --out noise.json
    shadow replay capture.jsonl.gz --go recorded --rust URL --noise-profile noise.json
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import replaying  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.learning import learn_noise  # noqa: PLC0415 - as above

    plan, hidden = replaying.learning_plan(given)
    click.echo(learn_noise(plan, out, hidden), nl=False)
    return 0


@command.command(name="show")
@click.argument("profile", metavar="FILE")
def show(*, profile: str) -> int:
    """Show what a profile says, and the rules it proposes."""
    from shadow.config import judging  # noqa: PLC0415 - loaded when the command runs
    from shadow.reports.noise import show_profile  # noqa: PLC0415 - as above

    click.echo(show_profile(judging.read_profile(profile)), nl=False)
    return 0
