"""How much of the event loop's time some work may take, and whether it takes more."""

from __future__ import annotations


class Share:
    """A leaky bucket of seconds. Pure: whoever asks says what time it is.

    What is spent leaks away at `share` of the time. The work is too much from when more than
    `burst_s` is in the bucket until that has leaked away, so that it does not go to and fro.
    """

    def __init__(self, share: float, burst_s: float) -> None:
        self._share = share
        self._burst_s = burst_s
        self._spent_s = 0.0
        self._at = 0.0
        self._is_too_much = False

    def spend(self, seconds: float, now: float) -> None:
        """Count what the work has taken; `now` in seconds on a monotonic clock."""
        self._leak(now)
        self._spent_s = min(self._spent_s + seconds, 2 * self._burst_s)
        self._is_too_much = self._is_too_much or self._spent_s > self._burst_s

    def is_too_much(self, now: float) -> bool:
        """Whether the work has lately taken more than its share."""
        if self._is_too_much:
            self._leak(now)
            self._is_too_much = self._spent_s > 0
        return self._is_too_much

    def _leak(self, now: float) -> None:
        self._spent_s = max(0.0, self._spent_s - (now - self._at) * self._share)
        self._at = now
