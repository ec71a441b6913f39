"""`shadow record`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="record", short_help="Write down what passes to a service, redacted.")
@options.listen("0.0.0.0:8000")
@click.option("--upstream", required=True, metavar="URL", help="The service behind it.")
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    help="The capture: traffic.jsonl, .jsonl.gz or .jsonl.zst.",
)
@click.option("--rotate-bytes", metavar="SIZE", help="Begin another file at this size, 100MiB.")
@click.option("--rotate-after", metavar="TIME", help="Begin another file at this age, 1h.")
@click.option(
    "--keep-files",
    type=click.IntRange(1, 100_000),
    help="Delete the oldest files beyond so many.",
)
@click.option(
    "--redact-key",
    metavar="FILE",
    help="Holds the key of the hashes; else SHADOW_REDACT_KEY, else a new one each time.",
)
@options.recording
@options.encrypt_to
@options.config
def command(**given: Any) -> int:
    """Pass requests on to a service, and write each with its answer to a capture.

    Credentials and everything in `[redact]` are replaced by a keyed hash before anything reaches
    the disk, the same for the same value. Without rotation there is one file, which gets its
    name at the end.

    \b
    shadow record --listen 127.0.0.1:8000 --upstream http://127.0.0.1:8080 --out traffic.jsonl.gz
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.live import record_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.sidecar.recording import record  # noqa: PLC0415 - as above

    return record(record_plan(given), tell)
