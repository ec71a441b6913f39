"""How a run is told to end in order: by a signal, or by the process that it is a worker of."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

from shadow.replay.telling import tell

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
ENDING: Final = "ending when what is in flight has ended; interrupt again to end at once"


class Stop:
    """Whether a run is to end in order. What is in flight then still gets its outcome."""

    def __init__(self, *, by_signals: bool = True) -> None:
        """`by_signals` is false in a worker, where the parent alone hears of signals."""
        self.by_signals = by_signals
        self.requested = False
        self._then: Callable[[], object] = lambda: None

    def request(self) -> None:
        """Let the run end; from any thread."""
        self.requested = True
        self._then()

    def then(self, call: Callable[[], object]) -> None:
        """Call this at the request, in the thread that makes it; now where it was made."""
        self._then = call
        if self.requested:
            call()


@contextlib.contextmanager
def heeding(stop: Stop) -> Iterator[None]:
    """The first SIGINT or SIGTERM is a request; a second one ends what goes on at once."""
    if not stop.by_signals:
        yield
        return
    former: dict[int, Any] = {}

    def note(_: int, __: FrameType | None) -> None:
        for each in former:
            signal.signal(each, signal.default_int_handler)
        tell(ENDING)
        stop.request()

    for number in SIGNALS:
        former[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
