"""`shadow noise learn`: the baseline against itself, and nothing else."""

from __future__ import annotations

import asyncio

import msgspec

from shadow.captures import WHOLE, Broken
from shadow.compare.noise import NoiseProfile
from shadow.judge import learn
from shadow.masking import Hidden, Masker
from shadow.model import Divergence, Exchange, Judgement, Observation
from shadow.replay.cursor import Cursor
from shadow.replay.delivery import check_writable, write_whole
from shadow.replay.ledger import BrokenLines
from shadow.replay.options import NoisePlan, ReplayPlan
from shadow.replay.reading import records
from shadow.replay.replay import check_reachable
from shadow.replay.replay_job import drive
from shadow.replay.stopping import Stop, heeding
from shadow.replay.telling import tell
from shadow.reports.noise import show_profile
from shadow.sending.loop import event_loop


class _Learner:
    """Keeps nothing of an exchange but what it says of the baseline's noise."""

    def __init__(self, plan: ReplayPlan, profile: NoiseProfile) -> None:
        self._plan = plan
        self._profile = profile
        self._told = BrokenLines(tell)
        self.cursor = Cursor()
        self.sent: frozenset[int] = frozenset()

    def keep(
        self,
        exchange: Exchange,  # noqa: ARG002 - a keeper is given all of it
        endpoint: str,
        judgement: Judgement,  # noqa: ARG002 - as above
        baseline: Observation | None = None,
        candidate: Observation | None = None,
        *,
        ordinal: int,  # noqa: ARG002 - as above
        masked: tuple[Divergence, ...] | None = None,  # noqa: ARG002 - as above
    ) -> None:
        """Learn from two answers of the baseline."""
        if baseline is not None and candidate is not None:
            learn(endpoint, baseline, candidate, self._profile, self._plan.policy)

    def masked(self, judgement: Judgement) -> tuple[Divergence, ...]:
        """Mask nothing: nothing is kept."""
        return judgement.divergences

    def broken(self, record: Broken, *, ordinal: int) -> None:  # noqa: ARG002 - as above
        """Tell of a line that could not be read, and go on past it."""
        self._told.broken(record)

    def sends(self, *, ordinal: int) -> None:
        """Remember nothing: no write is sent."""

    def flush(self) -> None:
        """Commit nothing."""


def learn_noise(plan: ReplayPlan, out: str, hidden: Hidden) -> str:
    """Send each safe exchange to Go twice, write the profile to `out`, and return its text.

    The plan's candidate is the second Go instance, or the first one again. Raises
    UnfinishedError where one is unreachable or the file cannot be written.
    """
    check_writable(out, f"--out {out}")
    check_reachable({"--go": plan.baseline, "--secondary": plan.candidate}, plan.limits)
    profile = NoiseProfile()
    quiet = msgspec.structs.replace(plan, noise=NoisePlan(sample=0.0, first=0))
    learner = _Learner(plan, profile)
    found = records(plan.captures, WHOLE, plan.selection.limit)
    stop = Stop()
    with heeding(stop), asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(drive(quiet, found, learner, noise=NoiseProfile(), stop=stop))
    if stop.requested:
        raise KeyboardInterrupt
    profile = profile.plain(Masker(hidden=hidden).mask_text)
    write_whole(profile.to_json().decode(), out, hint="choose another --out FILE")
    return show_profile(profile)
