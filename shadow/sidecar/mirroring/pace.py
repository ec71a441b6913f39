"""How much of something there may be a second. Pure: whoever asks says what time it is."""

from __future__ import annotations


class Share:
    """A leaky bucket of seconds: whether some work takes more of the time than it may.

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


class Pace:
    """A bucket of tokens: so many a second, and at first, or after a pause, a burst of them."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = float(burst)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take a token, if there is one; `now` in seconds on a monotonic clock."""
        self._fill(now)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def wait_s(self, now: float) -> float:
        """Return the seconds until there is one."""
        self._fill(now)
        return max(0.0, (1 - self._left) / self._per_s)

    def _fill(self, now: float) -> None:
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_s)
        self._at = now
