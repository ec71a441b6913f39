"""Fetches the metrics page of a service: one small GET, apart from the replay's connections."""

from __future__ import annotations

from typing import Final

import httpx

MAX_BYTES: Final = 8 * 1024 * 1024

_HEADERS: Final = {"Accept": "text/plain", "Accept-Encoding": "identity"}


def scrape(url: str, *, timeout_s: float) -> str:
    """Return the text of a page. Raises OSError, with a reason, where there is none.

    No proxy and no `.netrc` of the environment is used, and no redirect is followed. A page that
    is compressed all the same is refused: a few kilobytes could hold gigabytes.
    """
    body = bytearray()
    try:
        with (
            httpx.Client(trust_env=False, timeout=timeout_s) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise OSError(f"answered {response.status_code}")
            if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
                raise OSError("compressed, which was not asked for")
            for part in response.iter_raw():
                body += part
                if len(body) > MAX_BYTES:
                    raise OSError(f"more than {MAX_BYTES // 1024 // 1024} MB of metrics")
    except httpx.InvalidURL:  # its text quotes the URL, which may hold a password
        raise OSError("InvalidURL") from None
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__}: {error}".rstrip(": ")) from None
    return body.decode("utf-8", "replace")
