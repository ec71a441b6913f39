"""One exchange on its way to its outcome."""

from __future__ import annotations

from typing import Final, Literal

from shadow.model import Exchange, Observation
from shadow.sending.service import Message
from shadow.sessions.mapping import Mapping

Side = Literal[0, 1]
BASELINE: Final[Side] = 0
CANDIDATE: Final[Side] = 1


class Flight:
    """What is known of an exchange between its reading and its outcome."""

    __slots__ = (
        "due",
        "endpoint",
        "exchange",
        "left",
        "mapping",
        "messages",
        "observed",
        "ordinal",
        "requests",
        "safe",
        "size",
        "then",
    )

    def __init__(self, ordinal: int, exchange: Exchange, endpoint: str, *, safe: bool) -> None:
        self.ordinal = ordinal
        self.exchange = exchange
        self.endpoint = endpoint
        self.safe = safe
        self.messages: tuple[Message, Message] = (None, None)
        """By side, as its service rendered it."""
        self.mapping: Mapping | None = None
        """Which values of its session stand for each other, where that is known."""
        self.requests = (exchange.request, exchange.request)
        """By side, as it is sent: with the values that the side gave."""
        self.due: float | None = None
        self.observed: list[Observation | None] = [None, None]
        """By side, what it did."""
        self.left = 2
        """Sides that have not answered yet."""
        self.then: Side | None = None
        """The side that is asked once the other one has answered."""
        recorded = exchange.response
        body = len(recorded.body) if recorded else 0
        self.size = 1024 + 3 * len(exchange.request.body) + body

    def wait_until(self, moment: float) -> None:
        """Count as due from now on: what had to be waited for is no lateness of the generator."""
        if self.due is not None:
            self.due = max(self.due, moment)
