"""`shadow diff`: the recorded answers of two captures under replay's rules."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from shadow.captures import Broken, Unsupported, read
from shadow.judge import judge, note
from shadow.model import Exchange, Judgement, Outcome, Request
from shadow.replay.conduct import Judged, conduct
from shadow.replay.delivery import Output
from shadow.replay.engine import Keeper
from shadow.replay.ledger import Ledger
from shadow.replay.options import DiffPlan
from shadow.replay.pairing import Paired, pair
from shadow.replay.selection import left_out


def diff(plan: DiffPlan, output: Output) -> int:
    """Judge every pair, keep the outcomes, and return the exit code."""
    sides = read([plan.baseline]), read([plan.candidate])

    def work(ledger: Ledger) -> None:
        with _interruptible() as interrupted:
            pairs = pair(*sides, plan.join)
            judge_pairs(itertools.takewhile(lambda _: not interrupted, pairs), plan, ledger)
        if interrupted:
            raise KeyboardInterrupt

    judged = Judged(policy=plan.policy, noise=plan.profile)
    return conduct(plan.info, output, work, judged, total=plan.selection.limit)


@contextlib.contextmanager
def _interruptible() -> Iterator[list[int]]:
    """The first SIGINT or SIGTERM is listed, for the work to end in order; a second one ends it."""
    caught: list[int] = []
    former: dict[int, Any] = {}

    def note(number: int, _: FrameType | None) -> None:
        caught.append(number)
        for each in former:
            signal.signal(each, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        former[number] = signal.signal(number, note)
    try:
        yield caught
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)


def judge_pairs(
    pairs: Iterator[Paired | Broken | Unsupported], plan: DiffPlan, keeper: Keeper
) -> None:
    """Judge every pair and keep its outcome. The baseline's request is the one shown."""
    read_so_far = 0
    for paired in pairs:
        if isinstance(paired, Broken):
            keeper.broken(paired)
            continue
        if read_so_far == plan.selection.limit:
            return
        read_so_far += 1
        if isinstance(paired, Unsupported):
            request = Request(method=paired.method, target=paired.target)
            endpoint = plan.endpoints.name(paired.method, paired.target)
            judgement = Judgement(outcome=Outcome.SKIPPED, reason="unsupported")
            keeper.keep(Exchange(id=paired.id, request=request), endpoint, judgement)
        else:
            _judge(paired, plan, keeper)


def _judge(paired: Paired, plan: DiffPlan, keeper: Keeper) -> None:
    shown = paired.baseline or paired.candidate
    assert shown is not None
    endpoint = plan.endpoints.name(shown.request.method, shown.request.target)
    reason = left_out(shown, endpoint, plan.selection)
    if reason:
        keeper.keep(shown, endpoint, Judgement(outcome=Outcome.SKIPPED, reason=reason))
        return
    if paired.baseline is None or paired.candidate is None:
        keeper.keep(shown, endpoint, Judgement(outcome=Outcome.INCOMPARABLE, reason="unpaired"))
        return
    ours, theirs = paired.baseline.recorded, paired.candidate.recorded
    if ours is None or theirs is None:
        judgement = Judgement(outcome=Outcome.INCOMPARABLE, reason="no-response")
    else:
        judgement = judge(shown, endpoint, ours, theirs, plan.policy, noise=plan.profile)
        note(endpoint, judgement, plan.profile)
    keeper.keep(shown, endpoint, judgement, ours, theirs)
