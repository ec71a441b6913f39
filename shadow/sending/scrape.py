"""Fetches the metrics page of a service: one small GET, apart from the replay's connections."""

from __future__ import annotations

from typing import Final

import httpx

MAX_BYTES: Final = 8 * 1024 * 1024


def scrape(url: str, *, timeout_s: float) -> str:
    """Return the text of a page. Raises OSError, with a reason, where there is none.

    No proxy and no `.netrc` of the environment is used, and no redirect is followed.
    """
    body = bytearray()
    try:
        with (
            httpx.Client(trust_env=False, timeout=timeout_s) as client,
            client.stream("GET", url, headers={"Accept": "text/plain"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise OSError(f"answered {response.status_code}")
            for part in response.iter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    raise OSError(f"more than {MAX_BYTES // 1024 // 1024} MB of metrics")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(f"{type(error).__name__}: {error}".rstrip(": ")) from None
    return body.decode("utf-8", "replace")
