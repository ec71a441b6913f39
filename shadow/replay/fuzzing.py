"""`shadow fuzz`: mutations of recorded requests asked of both services, for what is new."""

from __future__ import annotations

import asyncio
import sys

from shadow.captures import Broken, read
from shadow.errors import ConfigError
from shadow.fuzzing.seeds import Seeds, digest
from shadow.model import Exchange, Request
from shadow.replay.delivery import check_writable, print_data
from shadow.replay.fuzz_files import Findings, State, read_state, write_state
from shadow.replay.fuzzer import Fuzzer, FuzzPlan, Groups
from shadow.replay.ledger import BrokenLines
from shadow.replay.replay import check_reachable
from shadow.replay.stopping import Stop, heeding
from shadow.replay.telling import tell
from shadow.reports.fuzzing import render, render_json
from shadow.sending.loop import event_loop


def fuzz(plan: FuzzPlan) -> int:
    """Ask, tell what is new, and return the exit code. Raises ShadowError."""
    check_writable(plan.state, f"--state {plan.state}")
    with Findings(plan.out, resume=plan.resume) as findings:
        groups, writes = _seeds(plan)
        state = _begin(plan, groups)
        targets = {"--go": plan.asking.baseline, "--rust": plan.asking.candidate}
        check_reachable(targets, plan.asking.limits)
        fuzzer = Fuzzer(plan, groups, state, findings, stop=Stop())
        with heeding(fuzzer.stop), asyncio.Runner(loop_factory=event_loop) as runner:
            try:
                runner.run(fuzzer.run())
            finally:
                write_state(fuzzer.state, plan.state)
        summary = fuzzer.summary(writes)
    if sys.stderr is not None:
        sys.stderr.write(render(summary))
    if plan.as_json:
        print_data(render_json(summary))
    return summary.exit_code


def _seeds(plan: FuzzPlan) -> tuple[Groups, int]:
    """The seeds by endpoint, and how many exchanges make none because they are writes."""
    endpoints, safety = plan.asking.endpoints, plan.asking.safety

    def endpoint(request: Request) -> str:
        return endpoints.name(request.method, request.target)

    seeds, told, writes = Seeds(endpoint), BrokenLines(tell), 0
    for record in read(plan.captures):
        if isinstance(record, Broken):
            told.broken(record)
        elif isinstance(record, Exchange):
            if safety.may_send(record.request):
                seeds.see(record)
            else:
                writes += 1
    # A seed of an endpoint is enough; what a document says of it then is not asked for.
    unseen = [each for each in plan.described if not seeds.has(endpoint(each))]
    for number, request in enumerate(unseen):
        if safety.may_send(request):
            seeds.see(Exchange(id=f"openapi-{number}", request=request))
        else:
            writes += 1
    groups = seeds.groups()
    if not groups:
        hint = "--allow-writes" if writes else "name a capture with requests, or --openapi FILE"
        raise ConfigError("there is no request to begin with", hint)
    return groups, writes


def _begin(plan: FuzzPlan, groups: Groups) -> State:
    """Where fuzzing begins or goes on. Raises ConfigError."""
    seeds = digest(groups)
    if not plan.resume:
        return State(seed=plan.seed, seeds=seeds)
    state = read_state(plan.state)
    if state.seeds != seeds:
        raise ConfigError(
            f"--resume: {plan.state} is of other seeds: the captures or the config changed",
            "leave out --resume, and name another --out",
        )
    return state
