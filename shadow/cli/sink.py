"""`shadow sink`."""

from __future__ import annotations

from typing import Any

import click

from shadow.cli import options


@click.command(name="sink", short_help="Take the copies of a mirroring proxy, and compare.")
@options.listen("0.0.0.0:8000")
@options.sidecar
def command(**given: Any) -> int:
    """Take what Envoy, nginx, Istio or a gateway mirrors, and ask both services.

    A copy is answered with 202 before anything is done with it. Then a Go replica and the Rust
    rewrite are asked, and the answers compared and kept. With --allow-writes both of them get
    the writes too, so both must be marked `isolated`.

    \b
    shadow sink --go http://go-replica:8080 --rust http://rust:8081
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config.live import sidecar_plan  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.sidecar.sinking import sink  # noqa: PLC0415 - as above

    return sink(sidecar_plan("sink", given), tell)
