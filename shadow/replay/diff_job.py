"""A diff as one process does it: the pairs of a share of both captures, judged."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shadow.captures import Broken, Record, Share, Unsupported
from shadow.compare.noise import NoiseProfile
from shadow.judge import Policy, judge, note
from shadow.model import Judgement, Outcome
from shadow.replay.keeper import Keeper
from shadow.replay.ledger import Ledger
from shadow.replay.options import DiffPlan
from shadow.replay.pairing import Paired, pair
from shadow.replay.reading import shared
from shadow.replay.selection import bare, left_out
from shadow.replay.stopping import Stop, heeding


class DiffJob(msgspec.Struct, frozen=True, kw_only=True):
    """A diff as one process does it."""

    plan: DiffPlan
    opened: tuple[Iterator[Record], Iterator[Record]] | None = None
    """Both sides, where one process does all of it: a pipe is opened once."""

    @property
    def noise(self) -> NoiseProfile | None:
        """The profile that was learned before."""
        return self.plan.profile

    @property
    def policy(self) -> Policy:
        """What is judged by."""
        return self.plan.policy

    def work(self, ledger: Ledger, share: Share, stop: Stop) -> None:
        """Judge a share of the pairs."""
        plan = self.plan
        sides = self.opened or sides_of(plan, share)
        pairs = _within(pair(*sides, plan.join), plan.selection.limit)
        with heeding(stop):
            for ordinal, paired in enumerate(pairs):
                if stop.requested:
                    return
                if ordinal not in ledger.cursor:
                    judge_pair(paired, plan, ledger, ordinal)


def sides_of(plan: DiffPlan, share: Share) -> tuple[Iterator[Record], Iterator[Record]]:
    """The share's records of both captures. Raises CaptureError."""
    return shared(plan.baseline, share, plan.join), shared(plan.candidate, share, plan.join)


def _within(
    pairs: Iterator[Paired | Broken | Unsupported], limit: int | None
) -> Iterator[Paired | Broken | Unsupported]:
    """Yield the first `limit` pairs, broken lines aside."""
    for paired in pairs:
        if limit is not None and not isinstance(paired, Broken):
            limit -= 1
            if limit < 0:
                return
        yield paired


def judge_pair(
    paired: Paired | Broken | Unsupported, plan: DiffPlan, keeper: Keeper, ordinal: int
) -> None:
    """Judge one pair and keep its outcome. The baseline's request is the one shown."""
    if isinstance(paired, Broken):
        keeper.broken(paired, ordinal=ordinal)
    elif isinstance(paired, Unsupported):
        endpoint = plan.endpoints.name(paired.method, paired.target)
        judgement = Judgement(outcome=Outcome.SKIPPED, reason="unsupported")
        keeper.keep(bare(paired), endpoint, judgement, ordinal=ordinal)
    else:
        _judge(paired, plan, keeper, ordinal)


def _judge(paired: Paired, plan: DiffPlan, keeper: Keeper, ordinal: int) -> None:
    shown = paired.baseline or paired.candidate
    assert shown is not None
    endpoint = plan.endpoints.name(shown.request.method, shown.request.target)
    reason = left_out(shown, endpoint, plan.selection)
    if reason:
        judgement = Judgement(outcome=Outcome.SKIPPED, reason=reason)
        keeper.keep(shown, endpoint, judgement, ordinal=ordinal)
        return
    if paired.baseline is None or paired.candidate is None:
        judgement = Judgement(outcome=Outcome.INCOMPARABLE, reason="unpaired")
        keeper.keep(shown, endpoint, judgement, ordinal=ordinal)
        return
    ours, theirs = paired.baseline.recorded, paired.candidate.recorded
    if ours is None or theirs is None:
        judgement = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-response")
    else:
        judgement = judge(shown, endpoint, ours, theirs, plan.policy, noise=plan.profile)
        note(endpoint, judgement, plan.profile)
    keeper.keep(shown, endpoint, judgement, ours, theirs, ordinal=ordinal)
