"""A shell script that sends each request with curl: for a look by hand, or another tool."""

from __future__ import annotations

import base64
from typing import Final

from shadow.captures.records import Fidelity, UnwritableError, check_sendable
from shadow.captures.shell import quoted
from shadow.model import Exchange, Request
from shadow.printable import printable

_START: Final = b"""\
#!/bin/sh
# BASE_URL=http://127.0.0.1:8080 sh FILE
set -u
: "${BASE_URL:?set it to where the service listens, http://127.0.0.1:8080}"
ask() {
    curl --disable --noproxy '*' --silent --show-error --include \\
        --http1.1 --globoff --path-as-is "$@"
    echo
}
"""
_OF_THE_CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "content-length", "expect", "host"),
    }
)
"""Headers that curl sets itself, or that belong to the recorded connection."""
_CURLS_OWN: Final = ("Accept", "User-Agent", "Content-Type")


class CurlScript:
    """Writes the script; nothing is read of it."""

    name = "curl script"
    suffix = ".sh"
    fidelity = Fidelity(
        response=False, response_body=False, timing=False, latency=False, whole_body=True
    )
    start = _START
    between = b""
    end = b""

    def encode(self, exchange: Exchange) -> bytes:
        """Return the lines for one request: its id as a comment, and the command.

        Raises UnwritableError where the body was cut or its encoding undone, and where curl would
        not send the target or the body.
        """
        request = exchange.request
        check_sendable(request)
        if not request.target.startswith("/"):
            raise UnwritableError("the target is no path")
        if request.method == "HEAD" and request.body:
            raise UnwritableError("curl sends no body with HEAD")
        words = " ".join(map(quoted, _options(request)))
        body = base64.b64encode(request.body).decode()
        pipe = f"printf %s '{body}' | base64 -d | " if body else ""
        url = f'"$BASE_URL"{quoted(request.target)}'
        comment = printable(exchange.id, "?")
        return f"\n# {comment}\n{pipe}ask {words} {url}\n".encode("utf-8", "replace")


def _options(request: Request) -> list[str]:
    options = ["--head"] if request.method == "HEAD" else ["--request", request.method]
    sent = set()
    for name, value in request.headers:
        if name.lower() not in _OF_THE_CONNECTION:
            sent.add(name.lower())
            options += ["--header", f"{name}: {value}" if value else f"{name};"]
    for name in _CURLS_OWN:
        if name.lower() not in sent:
            options += ["--header", f"{name}:"]
    if request.body:
        options += ["--header", "Expect:", "--data-binary", "@-"]  # else it waits above 1 MiB
    return options
