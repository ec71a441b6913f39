"""`shadow noise learn`: the baseline against itself, and nothing else."""

from __future__ import annotations

import asyncio

import msgspec

from shadow.captures import Broken, read
from shadow.compare.noise import NoiseProfile
from shadow.judge import learn
from shadow.model import Exchange, Judgement, Observation
from shadow.replay.delivery import write_whole
from shadow.replay.options import NoisePlan, ReplayPlan
from shadow.replay.replay import check_reachable, drive, event_loop
from shadow.reports.noise import show_profile


class _Learner:
    """Keeps nothing of an exchange but what it says of the baseline's noise."""

    def __init__(self, plan: ReplayPlan, profile: NoiseProfile) -> None:
        self._plan = plan
        self._profile = profile

    def keep(
        self,
        exchange: Exchange,  # noqa: ARG002 - a keeper is given all of it
        endpoint: str,
        judgement: Judgement,  # noqa: ARG002 - as above
        baseline: Observation | None = None,
        candidate: Observation | None = None,
    ) -> None:
        """Learn from two answers of the baseline."""
        if baseline is not None and candidate is not None:
            learn(endpoint, baseline, candidate, self._profile, self._plan.policy)

    def broken(self, record: Broken) -> None:
        """A line that could not be read teaches nothing."""


def learn_noise(plan: ReplayPlan, out: str) -> str:
    """Send each safe exchange to Go twice, write the profile to `out`, and return its text.

    The plan's candidate is the second Go instance, or the first one again. Raises
    UnfinishedError where one is unreachable or the file cannot be written.
    """
    check_reachable(plan)
    profile = NoiseProfile()
    quiet = msgspec.structs.replace(plan, noise=NoisePlan(sample=0.0, first=0))
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(drive(quiet, read(plan.captures), _Learner(plan, profile)))
    write_whole(profile.to_json().decode(), out)
    return show_profile(profile)
