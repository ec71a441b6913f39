"""Pairs of latencies as services with sessions would have them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shadow.results.speed.pairs import Pairs

Simulate = Callable[..., Pairs]


def simulated(
    random: np.random.Generator,
    sessions: int,
    *,
    per_session: float = 6,
    slower: float = 1.0,
    session_effect: float = 0.2,
    noise: float = 0.4,
    lag_us: float = 50,
) -> Pairs:
    """Lognormal service times: what the request costs, what its session does, and noise.

    `session_effect` is by how much ln(candidate / baseline) differs from session to session:
    what makes the exchanges of one session alike.
    """
    counts = 1 + random.poisson(per_session - 1, size=sessions)
    session = random.permutation(np.repeat(np.arange(sessions), counts))
    cost = random.normal(0, 0.5, sessions)[session] + random.normal(0, 0.3, len(session))
    own = random.normal(0, session_effect, sessions)[session]
    baseline, candidate = (
        np.exp(7 + cost + sign * own / 2 + random.normal(0, noise, len(session)))
        for sign in (-1, 1)
    )
    services = baseline.astype(int), (slower * candidate).astype(int)
    lag = random.exponential(lag_us, len(session)).astype(int)
    pairs = Pairs()
    pairs.extend(
        [f"s{number}" for number in session],
        *(column.tolist() for each in services for column in (each, each + lag)),
    )
    return pairs


@pytest.fixture(scope="session")
def simulate() -> Simulate:
    return simulated
