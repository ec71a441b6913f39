"""`shadow proxy`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="proxy", short_help="Stand before the Go service, and mirror to Rust.")
@options.listen("0.0.0.0:8000")
@click.option(
    "--flags", metavar="FILE", help="Flags of the canary, in flagd's format; watched. See docs."
)
@options.sidecar
def command(**given: Any) -> int:
    """Pass requests on to the Go service, and a copy of each to its Rust rewrite.

    The client gets Go's answer as it comes; the copy is sent behind it, compared and kept. By
    the flag `rust-percent`, or `shadow route set`, a share of the sessions is served by Rust
    instead, and guards take it back.

    \b
    shadow proxy --go http://127.0.0.1:8080 --rust http://127.0.0.1:8081
    shadow proxy --flags flags.json --session cookie:sid --admin 127.0.0.1:9465
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.live import sidecar_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.sidecar.proxying import proxy  # noqa: PLC0415 - as above

    return proxy(sidecar_plan("proxy", given), tell)
