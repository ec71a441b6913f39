"""Requests as hypothesis draws them, and the targets they go to."""

from __future__ import annotations

import string

from hypothesis import strategies as st

from shadow.model import Headers, Request
from shadow.sending.target import Target, parse_target

NAMES = st.sampled_from(
    [
        *("Content-Length", "content-length", "Transfer-Encoding", "TRANSFER-ENCODING", "Host"),
        *("host", "Connection", "Expect", "Upgrade", "TE", "Content-Encoding", "X-A", "x-a"),
    ]
) | st.text(string.ascii_letters + string.digits + "-_.!#$&", min_size=1, max_size=8)
VALUES = st.sampled_from(
    ["chunked", "gzip, chunked", "identity", "0", "5", "-1", "close", "x-a", "h2c", ""]
) | st.text([chr(c) for c in range(256) if c >= 32 and c != 127], max_size=12).map(str.strip)
PATHS = st.text([chr(c) for c in range(33, 127)], max_size=20).map("/".__add__)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "PATCH", "OPTIONS"]),
    target=PATHS,
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=8).map(tuple),
    body=st.binary(max_size=40),
    decoded=st.booleans(),
)


def target(
    url: str = "http://go:8080", headers: Headers = (), *, keep_host: bool = False
) -> Target:
    return parse_target(
        url, side="baseline", name="go", option="--go", headers=headers, keep_host=keep_host
    )
