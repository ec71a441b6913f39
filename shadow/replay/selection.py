"""Why an exchange of the capture is left out, if it is. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import blake2b

from shadow.model import Exchange
from shadow.replay.options import Selection


def left_out(exchange: Exchange, endpoint: str, selection: Selection) -> str:
    """`filtered`, `sampled-out`, or empty when the exchange is wanted."""
    if selection.methods and exchange.request.method not in selection.methods:
        return "filtered"
    if selection.endpoints and not _any(endpoint, selection.endpoints):
        return "filtered"
    if _any(endpoint, selection.exclude):
        return "filtered"
    if selection.sample < 1.0 and _share(exchange, selection.seed) >= selection.sample:
        return "sampled-out"
    return ""


def _any(endpoint: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(endpoint, pattern) for pattern in patterns)


def _share(exchange: Exchange, seed: int) -> float:
    """A number in [0, 1) that the seed and the session (else the id) decide.

    Sessions are kept or left whole, so that what a session relies on is there.
    """
    key = f"{seed}:{exchange.session or exchange.id}".encode()
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") / 2**64
