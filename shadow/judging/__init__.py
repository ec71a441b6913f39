"""Where a pair is judged: in the event loop, in a pool of processes, or in one beside the loop."""

from __future__ import annotations

from shadow.judging.aside import LATE_S, Aside, Ready, ready
from shadow.judging.frames import Pair, Verdict
from shadow.judging.judging import Judging
from shadow.judging.worker import Begun

__all__ = ["LATE_S", "Aside", "Begun", "Judging", "Pair", "Ready", "Verdict", "ready"]
