"""Why a record of the capture is not sent, if it is not. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import blake2b

from shadow.captures import Unsupported
from shadow.model import Exchange, Request
from shadow.replay.options import Selection


def skip_reason(
    record: Exchange | Unsupported, endpoint: str, selection: Selection, *, may_send: bool
) -> str:
    """Why a record is skipped before anything is made of it, or empty.

    `unsupported`, `filtered`, `sampled-out`, or `write` where the request changes something and
    writes were not asked for: `may_send` is what `Safety.may_send` says of it. That it cannot be
    written for a target is found out by `Service.render`.
    """
    if isinstance(record, Unsupported):
        return "unsupported"
    return left_out(record, endpoint, selection) or ("" if may_send else "write")


def bare(record: Unsupported) -> Exchange:
    """The exchange that is kept as skipped for a record that cannot be replayed."""
    return Exchange(id=record.id, request=Request(method=record.method, target=record.target))


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
