"""`shadow serve`."""

from __future__ import annotations

import click

from shadow.cli import options


@click.command(name="serve", short_help="Answer what the gates say, for rollout controllers.")
@click.option(
    "--listen",
    default="127.0.0.1:9464",
    show_default=True,
    metavar="HOST:PORT",
    help="Where; this machine alone unless told otherwise. Port 0 takes a free one.",
)
@options.config
@options.store
def command(*, listen: str, config: str | None, store: str) -> int:
    """Answer on a read-only port what the gates say of the runs in the store.

    GET /-/gate?phase=NAME&run=RUN answers with JSON: `verdict`, `value` (1 pass, 0 fail, -1
    inconclusive) and every criterion. GET /-/healthz says that it is up, GET /-/readyz that it
    is ready. There is no log-in: whoever reaches the port can read the names of endpoints.

    \b
    shadow serve --listen 127.0.0.1:9464
    """  # noqa: D301 - click takes the backspace as "do not wrap"
    from shadow.config import file, gating  # noqa: PLC0415 - loaded when the command runs
    from shadow.replay.telling import tell  # noqa: PLC0415 - as above
    from shadow.sidecar.ports.serving import serve  # noqa: PLC0415 - as above

    serve(gating.serve_plan(file.load(config), store, listen), tell)
    return 0
