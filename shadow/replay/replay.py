"""`shadow replay`: both services probed, then driven with a capture."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from shadow.captures import WHOLE
from shadow.compare.noise import NoiseProfile
from shadow.errors import UnfinishedError
from shadow.model import SideName
from shadow.replay.conduct import conduct
from shadow.replay.delivery import Output, print_data
from shadow.replay.dry_run import DryRun
from shadow.replay.hooks import Hooks, around
from shadow.replay.options import ReplayPlan
from shadow.replay.provenance import with_versions
from shadow.replay.reading import check_files, records
from shadow.replay.replay_job import ReplayJob
from shadow.replay.sources import losses, refuse_unfit
from shadow.replay.telling import tell
from shadow.replay.usage import ServiceUsage
from shadow.results.runs import RunInfo
from shadow.sending.limits import Limits
from shadow.sending.probe import probe
from shadow.sending.target import Target


def replay(plan: ReplayPlan, output: Output) -> int:
    """Replay the captures, keep the outcomes, and return the exit code.

    Raises UnfinishedError where a target is unreachable.
    """
    refuse_unfit(
        plan.captures,
        answers="" if plan.baseline else "--go recorded",
        times="--speed" if plan.options.speed is not None else "",
    )
    for line in losses(plan.captures):
        tell(line)
    if plan.dry_run:
        print_data(DryRun(plan, output.hidden).run())
        return 0
    opened = None
    if plan.workers > 1:
        check_files(plan.captures)
    else:
        opened = records(plan.captures, WHOLE, plan.selection.limit)
    targets = {"--go": plan.baseline, "--rust": plan.candidate, "--secondary": plan.secondary}
    check_reachable(targets, plan.limits)
    noise = plan.noise.profile or NoiseProfile()
    return conduct(
        _with_versions(plan),
        output,
        ReplayJob(plan=plan, noise=noise, opened=opened),
        workers=plan.workers,
        total=plan.selection.limit,
        usage=ServiceUsage(plan.resources, _urls(plan)),
        hooks=lambda log, begun: around(
            Hooks(plan.hooks, log),
            writes=plan.safety.allow_writes,
            resumed=begun,
            quiet=output.quiet,
        ),
    )


def _urls(plan: ReplayPlan) -> dict[SideName, str]:
    urls: dict[SideName, str] = {"candidate": plan.candidate.url}
    return urls if plan.baseline is None else {**urls, "baseline": plan.baseline.url}


def _with_versions(plan: ReplayPlan) -> RunInfo:
    """What the run is; one that goes on keeps the versions it began with."""
    if plan.info.id:
        return plan.info
    of_baseline, of_candidate = plan.versions
    return with_versions(plan.info, (plan.baseline, of_baseline), (plan.candidate, of_candidate))


def check_reachable(targets: Mapping[str, Target | None], limits: Limits) -> None:
    """Notice a dead target before the first request. Raises UnfinishedError naming it.

    `targets` goes by the option that says where each is.
    """
    for option, target in targets.items():
        failure = asyncio.run(probe(target, limits)) if target is not None else None
        if target is not None and failure is not None:
            raise UnfinishedError(
                f"{target.name} does not answer at {target.url}: {failure.kind}: {failure.detail}",
                f"start it, or point {option} at where it listens",
            )
