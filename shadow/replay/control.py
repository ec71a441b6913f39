"""Go against Go: which exchanges the baseline is asked again, so that noise is learned."""

from __future__ import annotations

import random
from collections import Counter

from shadow.replay.options import NoisePlan
from shadow.sending.service import Service


class Control:
    """Chooses the exchanges that the baseline is asked again.

    Of the safe ones, the first of each endpoint and a seeded share of the rest. A second
    instance also gets every write that is sent, once: else it would lack what the first one
    has, and that would pass for noise. The same instance never gets a write twice.
    """

    def __init__(self, service: Service, plan: NoisePlan, seed: int, *, own: bool) -> None:
        """Ask `service`; `own` says that it is an instance of its own."""
        self.service = service
        self._own = own
        self._plan = plan
        self._asked: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a sample, not a secret

    def wants(self, endpoint: str, *, safe: bool) -> bool:
        """Whether the next exchange of the endpoint is asked again."""
        if not safe:
            return self._own
        if self._asked[endpoint] < self._plan.first or self._random.random() < self._plan.sample:
            self._asked[endpoint] += 1
            return True
        return False
