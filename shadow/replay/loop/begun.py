"""Which sessions have begun."""

from __future__ import annotations

from hashlib import blake2b


class Begun:
    """The sessions that have begun, so that what is done before each is done once.

    None is ever forgotten: nothing says that a session of a capture has ended, and one whose
    hook runs again in its midst may lose what it has written. So this grows with the sessions
    of a run, but by some 100 bytes each, whatever their names; a hook takes longer than that.
    """

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def __contains__(self, session: str) -> bool:
        return _digest(session) in self._digests

    def add(self, session: str) -> None:
        """Take that a session begins, or that it had begun in an earlier process."""
        self._digests.add(_digest(session))


def _digest(session: str) -> bytes:
    return blake2b(session.encode("utf-8", "surrogatepass"), digest_size=16).digest()
