"""`shadow convert`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="convert", short_help="Write captures in another format, redacted if asked.")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE…")
@click.option("--out", required=True, metavar="FILE", help="What to write.")
@click.option(
    "--to",
    metavar="FORMAT",
    help="native, har, gor, vegeta or curl; default: what the name of FILE says.",
)
@click.option("--redact", is_flag=True, help="Take the secrets out, by [redact] in shadow.toml.")
@click.option(
    "--redact-key",
    metavar="FILE",
    help="Holds the key of the hashes; else SHADOW_REDACT_KEY, else a new one each time.",
)
@click.option("--strict", is_flag=True, help="Stop at a record that cannot be read.")
@options.encrypt_to
@options.config
def command(**given: Any) -> int:
    """Read captures of any format, one after the other, and write one file.

    FILE is compressed where its name ends in .gz or .zst, and readable by its owner only. What a
    format cannot hold is left out, counted and told.

    \b
    shadow convert traffic.har --out traffic.jsonl.gz --redact
    shadow convert requests_*.gor --out traffic.har
    shadow convert capture.jsonl.gz --out load.sh --to curl
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.captures.converting import run  # noqa: PLC0415 - loaded when the command runs
    from shadow.config.captures import convert_plan  # noqa: PLC0415 - as above
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above

    for line in run(convert_plan(given)):
        tell(line)
    return 0
