"""`shadow diff`: the recorded answers of two captures under replay's rules."""

from __future__ import annotations

from shadow.captures import WHOLE
from shadow.replay.conduct import conduct
from shadow.replay.delivery import Output
from shadow.replay.diff_job import DiffJob, sides_of
from shadow.replay.options import DiffPlan
from shadow.replay.reading import check_files
from shadow.replay.sources import refuse_unfit


def diff(plan: DiffPlan, output: Output) -> int:
    """Judge every pair, keep the outcomes, and return the exit code.

    A limit counts pairs in their order, which only one process sees.
    """
    captures = (plan.baseline, plan.candidate)
    refuse_unfit(captures, answers="shadow diff")
    limit = plan.selection.limit
    workers = plan.workers if limit is None else 1
    opened = None
    if workers > 1:
        check_files(captures)
    else:
        opened = sides_of(plan, WHOLE)
    job = DiffJob(plan=plan, opened=opened)
    return conduct(plan.info, output, job, workers=workers, total=limit)
