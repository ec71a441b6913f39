"""What a redactor would take out of a capture, by where it stands; never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from shadow.captures.redact.marks import Secret
from shadow.captures.redact.redactor import SESSION, Redactor
from shadow.captures.redact.rules import Redaction
from shadow.model import Exchange, Request

MAX_PLACES: Final = 10_000
"""Places that are told apart; what is beyond them is counted together."""
OTHER: Final = ("(other)", "", "")
_NAME_CHARS: Final = 100


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where secrets stand, and how many of them."""

    endpoint: str
    where: str
    """`header`, `cookie`, `query`, `form`, `json`, `url`, `pattern`, or `detect`: by its look."""
    name: str
    action: str
    values: int
    exchanges: int


class SecretScan:
    """Looks for secrets as a redactor does, and counts them. For one thread."""

    def __init__(self, rules: Redaction, endpoint: Callable[[Request], str]) -> None:
        """Raises ConfigError as `Redactor`."""
        self._endpoint = endpoint
        self._seen: list[Secret] = []
        self._redactor = Redactor(b"", rules, saw=self._saw)
        self._values: Counter[tuple[str, str, str]] = Counter()
        self._exchanges: Counter[tuple[str, str, str]] = Counter()
        self._actions: dict[tuple[str, str, str], str] = {}
        self.exchanges = 0
        """Those in which there are any."""

    def _saw(self, secret: Secret) -> None:
        if secret is not SESSION:  # it repeats what a cookie or a header holds
            self._seen.append(secret)

    def add(self, exchange: Exchange) -> None:
        """Count what would be taken out of an exchange."""
        self._seen.clear()
        self._redactor.redact(exchange)
        if not self._seen:
            return
        self.exchanges += 1
        endpoint = self._endpoint(exchange.request)
        found: Counter[tuple[str, str, str]] = Counter()
        for secret in self._seen:
            place = (endpoint, secret.where, secret.name[:_NAME_CHARS])
            if place not in self._actions:
                if len(self._actions) >= MAX_PLACES:
                    place = OTHER
                self._actions[place] = secret.action
            found[place] += 1
        self._values.update(found)
        self._exchanges.update(found.keys())

    def places(self) -> list[Place]:
        """Return where there are any; those with the most values first."""
        return [
            Place(
                endpoint=place[0],
                where=place[1],
                name=place[2],
                action=self._actions[place],
                values=values,
                exchanges=self._exchanges[place],
            )
            for place, values in sorted(self._values.items(), key=lambda each: (-each[1], each[0]))
        ]
