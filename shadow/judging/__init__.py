"""Where a pair is judged: in the event loop, in a pool of processes, or in one beside the loop."""

from __future__ import annotations

from shadow.judging.aside import Aside, Ready, ready
from shadow.judging.frames import Pair, Verdict
from shadow.judging.judging import Judging
from shadow.judging.worker import Begun

__all__ = ["Aside", "Begun", "Judging", "Pair", "Ready", "Verdict", "ready"]
